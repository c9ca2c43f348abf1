package s3media_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/mediatest"
	"github.com/murre-chat/murre/pkg/media/s3media"
)

// engines are the servers that every test here runs on.
var engines = []struct {
	name string
	at   func(t testing.TB) servers.S3Endpoint
}{{"MinIO", servers.S3}, {"versitygw", servers.Versity}}

// each runs a test on every engine.
func each(t *testing.T, run func(t *testing.T, o s3media.Options)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { run(t, options(t, e.at(t))) })
	}
}

// options of a new bucket on a server.
func options(t testing.TB, at servers.S3Endpoint) s3media.Options {
	u, err := url.Parse(at.URL)
	require.NoError(t, err)
	return s3media.Options{Endpoint: u.Host, AccessKey: at.AccessKey, SecretKey: at.SecretKey, Bucket: servers.Unique("murre-media-")}
}

func open(t testing.TB, o s3media.Options) *s3media.Bucket {
	b, err := s3media.Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestSuite(t *testing.T) {
	each(t, func(t *testing.T, o s3media.Options) {
		b := open(t, o)
		mediatest.Run(t, func(*testing.T) media.Blobs { return b }) // tests use ids of their own: one bucket does for all
	})
}
