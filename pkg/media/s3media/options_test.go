package s3media_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/media/s3media"
)

func TestParse(t *testing.T) {
	o, err := s3media.Parse("https://AKIA:se%2Fcret@s3.example.org:9443/murre-media?region=eu-central-1&public=https://media.example.org&via=direct")
	require.NoError(t, err)
	require.Equal(t, "s3.example.org:9443 AKIA se/cret murre-media eu-central-1 https://media.example.org",
		o.Endpoint+" "+o.AccessKey+" "+o.SecretKey+" "+o.Bucket+" "+o.Region+" "+o.Public)
	require.True(t, o.Secure)
	require.NotContains(t, o.LogValue().String(), "cret@")

	o, err = s3media.Parse("http://k:s@10.0.0.1:9000/media?via=gateway")
	require.NoError(t, err)
	require.True(t, o.ViaGateway)
	require.Equal(t, "http://10.0.0.1:9000", o.Public)
	require.Equal(t, "us-east-1", o.Region)

	for text, want := range map[string]string{
		"s3://k:secret@h/bucket":                               "http:// or https://",
		"http://h/bucket":                                      "KEY:SECRET@",
		"http://k:secret@h":                                    "no name of a bucket",
		"http://k:secret@h/a/b":                                "no name of a bucket",
		"http://k:secret@/bucket":                              "names no host",
		"http://k:secret@h/bucket?publik=x":                    "unknown parameter publik",
		"http://k:secret@h/bucket?via=x":                       "neither direct nor gateway",
		"http://k:secret@h/bucket?public=media.example.org":    "public must be",
		"http://k:secret@h/bucket?public=https://x.org/folder": "public must be",
		"http://k:secret@h:x/bucket":                           "is not a URL",
	} {
		_, err := s3media.Parse(text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, "--s3", text)
		require.NotContains(t, err.Error(), "secret", text)
	}
}
