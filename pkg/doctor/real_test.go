package doctor_test

import (
	"bytes"
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/deploy/native/servers"
	"github.com/murre-chat/murre/pkg/doctor"
	"github.com/murre-chat/murre/pkg/media/s3media"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

func objects(t *testing.T, at servers.S3Endpoint) *doctor.S3 {
	u, err := url.Parse(at.URL)
	require.NoError(t, err)
	bucket := servers.Unique("murre-doctor-")
	b, err := s3media.Open(context.Background(), s3media.Options{Endpoint: u.Host, AccessKey: at.AccessKey, SecretKey: at.SecretKey, Bucket: bucket})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	return &doctor.S3{Endpoint: u.Host, AccessKey: at.AccessKey, SecretKey: at.SecretKey, Bucket: bucket, Region: "us-east-1", Public: at.URL, Direct: true}
}

// TestRealServers: the servers that every test here uses are found healthy, but for their single copy.
func TestRealServers(t *testing.T) {
	ctx := context.Background()
	hosts, keyspace := servers.CQL(t), servers.Unique("doctor_")
	mig, err := cqlstore.Migrate(ctx, cqlstore.MigrateOptions{Options: cqlstore.Options{Hosts: hosts, Keyspace: keyspace}, Replication: map[string]int{"dc1": 1}})
	require.NoError(t, err)
	o := doctor.Options{
		CQL:   &doctor.CQL{Hosts: hosts, Keyspace: keyspace, DC: "dc1", Schema: mig.Version},
		Redis: &doctor.Redis{Addrs: servers.Redis(t)[:1]},
		S3:    objects(t, servers.S3(t)), Origins: []string{"https://chat.example.org"},
	}
	r := doctor.Examine(ctx, o)
	var text bytes.Buffer
	require.NoError(t, r.Print(&text))
	t.Log(text.String())
	verdict := func(area, check string) string {
		for _, f := range r.Findings {
			if f.Area == area && f.Check == check {
				return f.Verdict.String()
			}
		}
		return "missing"
	}
	for _, c := range []struct{ area, check, want string }{
		{"cql", "reachable", "ok"}, {"cql", "version", "ok"}, {"cql", "replication", "warn"}, {"cql", "schema", "ok"}, {"cql", "commit log", "ok"},
		{"redis", "reachable", "ok"}, {"redis", "slots", "ok"}, {"redis", "replicas", "ok"}, {"redis", "eviction", "ok"}, {"redis", "version", "ok"},
		{"s3", "bucket", "ok"}, {"s3", "objects", "ok"}, {"s3", "uploads in parts", "ok"}, {"s3", "clients", "ok"}, {"s3", "clock", "ok"},
		{"machine", "size", "ok"},
	} {
		require.Equal(t, c.want, verdict(c.area, c.check), "%s %s", c.area, c.check)
	}
	require.Contains(t, text.String(), "6 nodes\n", "found through one")

	// versitygw, asked from where clients can't reach it, and a schema that isn't ours.
	o.S3 = objects(t, servers.Versity(t))
	o.S3.Public = "http://127.0.0.1:1"
	o.CQL.Schema++
	r = doctor.Examine(ctx, o)
	require.Equal(t, "fail", verdict("s3", "clients"))
	require.Equal(t, "ok", verdict("s3", "objects"))
	require.Equal(t, "fail", verdict("cql", "schema"))
}

// TestNothingThere: what can't be reached is said, soon, without secrets.
func TestNothingThere(t *testing.T) {
	r := doctor.Examine(context.Background(), doctor.Options{
		CQL:   &doctor.CQL{Hosts: []string{"127.0.0.1:1", "localhost:2"}, Keyspace: "x", Schema: 1, Username: "u", Password: "hidden-one"},
		Redis: &doctor.Redis{Addrs: []string{"127.0.0.1:1"}, Password: "hidden-two"},
		S3:    &doctor.S3{Endpoint: "127.0.0.1:1", AccessKey: "k", SecretKey: "hidden-three", Bucket: "bucket", Region: "us-east-1", Public: "http://127.0.0.1:1"},
	})
	var text bytes.Buffer
	require.NoError(t, r.PrintJSON(&text))
	require.NotContains(t, text.String(), "hidden")
	failed := []string{}
	for _, f := range r.Findings {
		if f.Verdict == doctor.Fail && f.Area != "machine" {
			failed = append(failed, f.Area+" "+f.Check)
			require.Contains(t, f.Found, "connection refused")
		}
	}
	require.Equal(t, []string{"cql reachable", "redis reachable", "s3 bucket"}, failed)
}
