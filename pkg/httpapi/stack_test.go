package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/admit/localadmit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/httpapi"
	"github.com/murre-chat/murre/pkg/inbox"
	"github.com/murre-chat/murre/pkg/media"
	"github.com/murre-chat/murre/pkg/media/diskmedia"
	"github.com/murre-chat/murre/pkg/presence/localpresence"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/service"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

const password = "correct horse battery"

// recorder is a router that remembers.
type recorder struct {
	mu     sync.Mutex
	pushes []*chat.Push
}

func (r *recorder) Push(_ context.Context, p *chat.Push) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pushes = append(r.pushes, p)
}

// revoked returns the sessions whose sockets were told to close.
func (r *recorder) revoked() (out [][32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pushes {
		if p.Kind == chat.PushControl && p.Control.Kind == chat.ControlRevoked {
			out = append(out, p.Control.Session)
		}
	}
	return out
}

// stack is the real server below its sockets, on a real store.
type stack struct {
	t      *testing.T
	url    string
	auth   *auth.Auth
	router *recorder
	blobs  media.Blobs
	server *httptest.Server
}

// option changes the stack before it is built.
type option func(*settings)

type settings struct {
	rates   [admit.NumLimits]admit.Rate
	auth    func(*auth.Options)
	api     func(*httpapi.Options)
	minFree int64
	free    func(string) (int64, error)
	blobs   media.Blobs // default: a folder
}

func newStack(t *testing.T, options ...option) *stack {
	t.Helper()
	s := settings{minFree: -1, auth: func(*auth.Options) {}, api: func(*httpapi.Options) {}}
	for _, o := range options {
		o(&s)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := pebblestore.Open(pebblestore.Options{Dir: t.TempDir(), Logger: log, NoSync: true, MemTableBytes: 4 << 20})
	require.NoError(t, err)
	blobs := s.blobs
	if blobs == nil {
		blobs, err = diskmedia.Open(diskmedia.Options{Dir: t.TempDir(), MinFree: s.minFree, Free: s.free})
		require.NoError(t, err)
	}
	ports := db.Ports()
	ports.Media = media.Erasing(ports.Media, blobs)
	router := &recorder{}
	admission := localadmit.New(localadmit.Options{Claims: ports.Claims, Rates: s.rates})
	presence := localpresence.New(localpresence.Options{Users: ports.Users, Log: log})
	svc := service.New(service.Options{Store: ports, Clock: db.Clock(), Router: router, Admit: admission, Log: log, Presence: presence})
	ao := auth.Options{Users: ports.Users, Sessions: ports.Sessions, Changes: ports.Changes, Router: router, Log: log}
	s.auth(&ao)
	accounts, err := auth.New(ao)
	require.NoError(t, err)
	box := inbox.New(inbox.Options{Store: ports, Receipts: svc, Conversations: svc, Logger: log})
	o := httpapi.Options{
		Accounts: accounts, Sessions: accounts, Service: svc, Inbox: box, Blobs: blobs, Limiter: admission, Log: log,
		MaxMedia: 4 << 20, AsyncAPI: protocol.AsyncAPI(),
	}
	s.api(&o)
	api, err := httpapi.New(o)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(api)
	httpapi.Configure(server.Config)
	server.Start()

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{svc.Run, accounts.Run, admission.Run, presence.Run} {
		wg.Go(func() { _ = run(ctx) })
	}
	t.Cleanup(func() {
		server.Close()
		cancel()
		wg.Wait()
		require.NoError(t, db.Close())
	})
	return &stack{t: t, url: server.URL, auth: accounts, router: router, blobs: blobs, server: server}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// person is somebody signed in.
type person struct {
	s     *stack
	id    string
	token string
}

// answer is a response with its body read.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// register makes an account through the door that stays open in tests.
func (s *stack) register(name string) person {
	s.t.Helper()
	u, err := s.auth.CreateUser(context.Background(), auth.Registration{Username: name, Password: password})
	require.NoError(s.t, err)
	token, err := s.auth.Mint(context.Background(), u.ID, auth.Client{UserAgent: "test"})
	require.NoError(s.t, err)
	return person{s: s, id: u.ID.String(), token: token}
}

type header map[string]string

// do sends a request; body is JSON when it is no reader.
func (s *stack) do(method, path string, body any, h header) answer {
	s.t.Helper()
	var r io.Reader
	json1 := false
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r = b
	case string:
		r, json1 = strings.NewReader(b), true
	default:
		data, err := json.Marshal(b)
		require.NoError(s.t, err)
		r, json1 = bytes.NewReader(data), true
	}
	req, err := http.NewRequest(method, s.url+path, r)
	require.NoError(s.t, err)
	if json1 {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range h {
		if k == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	c := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	res, err := c.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	return answer{t: s.t, status: res.StatusCode, header: res.Header, body: data}
}

const api = "/api/v1"

// do sends a request with the person's bearer token.
func (p person) do(method, path string, body any) answer {
	p.s.t.Helper()
	return p.s.do(method, api+path, body, header{"Authorization": "Bearer " + p.token})
}

// ok demands a status and decodes the body into a map.
func (a answer) ok(status int) map[string]any {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	if len(a.body) == 0 {
		return nil
	}
	var m map[string]any
	require.NoError(a.t, json.Unmarshal(a.body, &m), "%s", a.body)
	return m
}

// fails demands a problem with a code, and a field when it isn't "".
func (a answer) fails(status int, code, field string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	var p httpapi.Problem
	require.NoError(a.t, json.Unmarshal(a.body, &p), "%s", a.body)
	require.Equal(a.t, code, p.Code, "%s", a.body)
	require.Equal(a.t, status, p.Status)
	if field != "" {
		require.Equal(a.t, field, p.Field, "%s", a.body)
		require.NotEmpty(a.t, p.Errors)
	}
}

// direct makes a direct conversation and returns its id.
func (p person) direct(q person) string {
	p.s.t.Helper()
	a := p.do("POST", "/conversations", map[string]any{"type": "direct", "participantIds": []string{q.id}})
	require.Contains(p.s.t, []int{200, 201}, a.status, "%s", a.body)
	var c httpapi.Conversation
	var m map[string]any
	require.NoError(p.s.t, json.Unmarshal(a.body, &m))
	c.ID, _ = m["id"].(string)
	return c.ID
}

// say sends a text and returns the message's id.
func (p person) say(conv, text string) string {
	p.s.t.Helper()
	m := p.do("POST", "/conversations/"+conv+"/messages", map[string]any{"content": text, "clientMessageId": newKey()}).ok(201)
	return m["id"].(string)
}

func newKey() string { return chat.NewClientMessageID(time.Now()).String() }

// How long, and how often, a test looks for what happens soon.
const (
	wait = 10 * time.Second
	tick = 5 * time.Millisecond
)
