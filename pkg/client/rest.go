package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	apiPath     = "/api/v1"
	maxProblem  = 64 << 10 // bytes of an error's body that are looked at
	maxResponse = 64 << 20 // bytes of an answer
	callTimeout = 30 * time.Second
)

// REST calls the server's HTTP API with one token. It is safe for concurrent use. Every error that the server answers is
// a *chat.Error with its code, field and RetryAfter.
type REST struct {
	base  string // scheme and host, without a slash at the end
	token string
	http  *http.Client
}

// NewREST makes a REST client. server is http(s)://host:port; token may be empty for Register and Login; hc nil means one of
// its own. A call takes at most 30 s; uploads and downloads take what ctx allows.
func NewREST(server, token string, hc *http.Client) (*REST, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("client: server: %w", err)
	}
	switch u.Scheme {
	case "http", "https":
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	default:
		return nil, fmt.Errorf("client: server %q: want http or https", server)
	}
	if hc == nil {
		hc = new(http.Client)
	}
	return &REST{base: u.Scheme + "://" + u.Host + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/ws"), token: token, http: hc}, nil
}

// WithToken returns a client for another token.
func (r *REST) WithToken(token string) *REST {
	c := *r
	c.token = token
	return &c
}

// Token returns the token in use.
func (r *REST) Token() string { return r.token }

// call does one request with a JSON body (nil: none) and decodes the answer into out (nil: dropped).
func (r *REST) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+apiPath+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	if out == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxProblem)) // so that the connection is used again
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxResponse)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: decode: %w", method, path, err)
	}
	return nil
}

// do sends a request with the token; a status of 400 and above is an error.
func (r *REST) do(req *http.Request) (*http.Response, error) {
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		defer func() { _ = res.Body.Close() }()
		return nil, problem(res)
	}
	return res, nil
}

// problem reads an RFC 9457 answer.
func problem(res *http.Response) *chat.Error {
	var p struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Field  string `json:"field"`
		Retry  int64  `json:"retryAfterMs"`
		Errors []struct {
			Field    string `json:"field"`
			Location string `json:"location"`
			Message  string `json:"message"`
		} `json:"errors"`
	}
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxProblem)) // a cut body is an answer too
	_ = json.Unmarshal(b, &p)                                // so is one that is no JSON: the status says enough
	e := &chat.Error{Field: p.Field, Message: p.Detail}
	var ok bool
	if e.Code, ok = chat.ParseCode(p.Code); !ok {
		e.Code = codeOfStatus(res.StatusCode)
	}
	if len(p.Errors) > 0 && e.Field == "" {
		e.Field = p.Errors[0].Field
		if e.Field == "" {
			e.Field = p.Errors[0].Location
		}
	}
	if e.Message == "" {
		e.Message = p.Title
	}
	if e.Message == "" {
		e.Message = http.StatusText(res.StatusCode)
	}
	if e.Field != "" {
		e.Message = strings.TrimPrefix(e.Message, e.Field+" ") // Error says the field itself
	}
	if p.Retry > 0 {
		e.RetryAfter = time.Duration(p.Retry) * time.Millisecond
	} else if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s >= 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

func codeOfStatus(status int) chat.Code {
	for c := chat.CodeValidation; c <= chat.CodeInternal; c++ {
		if c.HTTPStatus() == status {
			return c
		}
	}
	if status >= 500 {
		return chat.CodeUnavailable
	}
	return chat.CodeValidation
}

// problemOf reads the answer to a refused upgrade, whole with its status line.
func problemOf(status int, r io.Reader) *chat.Error {
	res, err := http.ReadResponse(bufio.NewReader(r), nil)
	if err != nil {
		return &chat.Error{Code: codeOfStatus(status), Message: http.StatusText(status)}
	}
	defer func() { _ = res.Body.Close() }()
	return problem(res)
}
