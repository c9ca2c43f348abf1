package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzReadJSON: a text that is taken is kept exactly: no character is replaced that the sender didn't write.
func FuzzReadJSON(f *testing.F) {
	for _, s := range []string{`{"a":"b"}`, `"\ud83d\udc4d"`, `"\ud83d"`, `"\\ud83d"`, `"\udc4d\ud83d"`, "\"\xff\"", `"\ufffd"`, `["\u0000",1e400]`, `"\ud83d\ud83d\udc4d"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var v any
		if err := readJSON(in, &v); err != nil {
			return
		}
		if !json.Valid(in) || !utf8.Valid(in) {
			t.Fatalf("%q was taken", in)
		}
		written := strings.Contains(string(in), "\ufffd") || strings.Contains(strings.ToLower(string(in)), `\ufffd`)
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !written && (strings.Contains(string(out), "\ufffd") || strings.Contains(string(out), `\ufffd`)) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}

// FuzzUploadRange: what is taken lies within the blob.
func FuzzUploadRange(f *testing.F) {
	f.Add("bytes 0-9/10", int64(10), int64(10))
	f.Add("bytes 5-9/*", int64(10), int64(-1))
	f.Add("bytes 18446744073709551615-18446744073709551615/10", int64(10), int64(1))
	f.Fuzz(func(t *testing.T, s string, size, length int64) {
		r := &http.Request{Header: http.Header{"Content-Range": {s}}, ContentLength: length}
		first, err := uploadRange(r, size)
		if err == nil && s != "" && (first < 0 || first >= size || (length >= 0 && first+length > size)) {
			t.Fatalf("%q of %d with %d: from %d", s, size, length, first)
		}
	})
}
