package wsconn

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// maxFields bounds the header fields of an upgrade; 8 KiB could hold some 2,000.
const maxFields = 100

var (
	errNotUpgrade  = errors.New("not an upgrade") // for the HTTP server
	errRequestLine = errors.New("malformed request line")
	errField       = errors.New("malformed header field")
	errFolded      = errors.New("folded header field")
	errFields      = errors.New("too many header fields")
	errDuplicate   = errors.New("duplicate header field")
	errBody        = errors.New("an upgrade has no body: Content-Length and Transfer-Encoding are refused")
	errHost        = errors.New("the Host header is missing")
	errConnection  = errors.New("the Connection header doesn't say upgrade")
	errUpgrade     = errors.New("the Upgrade header doesn't say websocket")
	errKey         = errors.New("Sec-WebSocket-Key is missing or malformed")
	errVersion     = errors.New("Sec-WebSocket-Version must be 13")
	errMethod      = errors.New("an upgrade is a GET of HTTP/1.1")
)

// single are the fields that must not come twice: two readers of the request could each believe another one.
var single = [...]string{"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin", "Authorization", "Cookie"}

// parseHead reads a whole request head, from the request line to the empty line. It is strict: lines end in CRLF, fields are not
// folded, names are tokens. errNotUpgrade: well formed, but meant for the HTTP server.
func parseHead(head string) (*Request, error) {
	r := &Request{head: head, fields: make([]field, 0, 16)}
	end := strings.Index(head, "\r\n")
	if end < 0 {
		return nil, errRequestLine
	}
	method, rest, ok := strings.Cut(head[:end], " ")
	target, proto, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || target == "" || !printable(target) || strings.Contains(proto, " ") {
		return nil, errRequestLine
	}
	r.Path, r.RawQuery, _ = strings.Cut(target, "?")
	for at := end + 2; ; {
		line := head[at:]
		n := strings.Index(line, "\r\n")
		if n < 0 {
			return nil, errField
		}
		if n == 0 {
			break
		}
		f, err := parseField(line[:n], at)
		if err != nil {
			return nil, err
		}
		if len(r.fields) == maxFields {
			return nil, errFields
		}
		r.fields = append(r.fields, f)
		at += n + 2
	}
	if r.Header("Upgrade") == "" {
		return nil, errNotUpgrade
	}
	if method != "GET" || proto != "HTTP/1.1" {
		return nil, errMethod
	}
	return r, r.check()
}

// parseField reads one line "name: value" that stands at position at of the head.
func parseField(line string, at int) (field, error) {
	if line[0] == ' ' || line[0] == '\t' {
		return field{}, errFolded
	}
	colon := strings.IndexByte(line, ':')
	if colon <= 0 {
		return field{}, errField
	}
	for i := range colon {
		if !tokenByte(line[i]) {
			return field{}, errField
		}
	}
	from, to := colon+1, len(line)
	for from < to && (line[from] == ' ' || line[from] == '\t') {
		from++
	}
	for from < to && (line[to-1] == ' ' || line[to-1] == '\t') {
		to--
	}
	for i := from; i < to; i++ {
		if b := line[i]; b < ' ' && b != '\t' || b == 0x7f {
			return field{}, errField
		}
	}
	return field{span{at, at + colon}, span{at + from, at + to}}, nil
}

// check holds the fields against RFC 6455, section 4.2.1.
func (r *Request) check() error {
	var seen [len(single)]bool
	for _, f := range r.fields {
		name := r.text(f.name)
		if strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "Transfer-Encoding") {
			return errBody
		}
		for i, s := range single {
			if !strings.EqualFold(name, s) {
				continue
			}
			if seen[i] {
				return errDuplicate
			}
			seen[i] = true
		}
	}
	if r.Host = r.Header("Host"); r.Host == "" {
		return errHost
	}
	if !hasToken(r.Header("Upgrade"), "websocket") {
		return errUpgrade
	}
	if !hasToken(r.Header("Connection"), "upgrade") {
		return errConnection
	}
	if r.Header("Sec-WebSocket-Version") != "13" {
		return errVersion
	}
	if key, err := base64.StdEncoding.Strict().DecodeString(r.Header("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		return errKey
	}
	for _, value := range r.Headers("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				r.Subprotocols = append(r.Subprotocols, name)
			}
		}
	}
	return nil
}

// hasToken looks for a token in a comma separated list, in any case.
func hasToken(list, token string) bool {
	for item := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(item), token) {
			return true
		}
	}
	return false
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func tokenByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// destination tells from the first bytes of a request where it goes.
type destination uint8

const (
	undecided destination = iota
	toWebSocket
	toHTTP
)

// route decides as early as it can: a request for something else goes to the HTTP server, whose own limits then hold.
func route(b []byte, path string) destination {
	want := "GET " + path
	n := min(len(b), len(want))
	switch {
	case string(b[:n]) != want[:n]:
		return toHTTP
	case len(b) <= len(want):
		return undecided
	case b[len(want)] == ' ' || b[len(want)] == '?':
		return toWebSocket
	default:
		return toHTTP
	}
}

// headEnd finds the end of the head in b, looking only at what is new since from; 0 when it isn't there.
func headEnd(b []byte, from int) int {
	from = max(0, from-3)
	if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
		return from + i + 4
	}
	return 0
}

// accepted appends the 101 answer.
func accepted(dst []byte, r *Request, a *Accept) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(r.Header("Sec-WebSocket-Key") + guid))
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = base64.StdEncoding.AppendEncode(dst, sum[:])
	dst = append(dst, "\r\n"...)
	if a.Subprotocol != "" {
		dst = append(append(append(dst, "Sec-WebSocket-Protocol: "...), a.Subprotocol...), "\r\n"...)
	}
	return append(appendHeader(dst, a.Header), "\r\n"...)
}

func appendHeader(dst []byte, h http.Header) []byte {
	if len(h) == 0 {
		return dst
	}
	buf := bytes.NewBuffer(dst)
	_ = h.Write(buf) // a bytes.Buffer never fails; Write cleans line breaks out of values
	return buf.Bytes()
}
