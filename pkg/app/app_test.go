package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/operate"
)

var quiet = slog.New(slog.DiscardHandler)

func testConfig(t *testing.T) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin, cfg.Data = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	cfg.StoreCache, cfg.StoreMemory = 8<<20, 4<<20
	if err := cfg.Rates.Set("off"); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// serve runs an app until the function it returns is called.
func serve(t *testing.T, cfg *config.Config) (*App, func()) {
	t.Helper()
	a, err := New(t.Context(), cfg, Info{Version: "test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(cfg.DrainTimeout + 10*time.Second):
			t.Fatal("Run doesn't end")
		}
	}
	t.Cleanup(stop)
	return a, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func connect(t *testing.T, a *App, name string) (*client.REST, *client.Client, chan *client.Event) {
	t.Helper()
	rest, err := client.NewREST(a.URL(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	account, err := rest.Login(t.Context(), name, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan *client.Event, 1000)
	c, err := client.Dial(t.Context(), client.Options{URL: a.URL(), Token: account.Token, Handler: client.HandlerFunc(func(_ context.Context, e *client.Event) error {
		events <- e
		return nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return rest.WithToken(account.Token), c, events
}

func await(t *testing.T, what string, events chan *client.Event, is func(*client.Event) bool) *client.Event {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if is(e) {
				return e
			}
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestServeAndStopLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	cfg := testConfig(t)
	a, stop := serve(t, cfg)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(t, a.URL()+path); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
		if code, body := get(t, "http://"+a.place().Admin+path); code != 200 {
			t.Errorf("admin %s: %d %s", path, code, body)
		}
	}
	if code, body := get(t, "http://"+a.place().Admin+"/metrics"); code != 200 || !strings.Contains(body, "murre_ready 1") {
		t.Errorf("/metrics: %d", code)
	}
	if code, _ := get(t, a.URL()+"/metrics"); code != 404 {
		t.Errorf("the public port shows /metrics: %d", code)
	}
	if code, _ := get(t, "http://"+a.place().Admin+"/operate/trace/0000000000001"); code != 401 {
		t.Errorf("a command without the key: %d", code)
	}
	for _, name := range []string{"alice", "bob"} {
		if err := a.EnsureUser(t.Context(), name, "correct horse"); err != nil {
			t.Fatal(err)
		}
		if err := a.EnsureUser(t.Context(), name, "correct horse"); err != nil {
			t.Errorf("made twice: %v", err)
		}
	}
	_, c, _ := connect(t, a, "alice")
	c.Close()
	stop()
	http.DefaultClient.CloseIdleConnections()
	if _, err := os.Stat(filepath.Join(cfg.Data, "server.json")); err == nil {
		t.Error("server.json is left behind")
	}
	goleak.VerifyNone(t, before)
}

func TestFolderInUse(t *testing.T) {
	cfg := testConfig(t)
	a, _ := serve(t, cfg)
	other := *cfg
	other.Listen, other.Admin = "127.0.0.1:0", "127.0.0.1:0"
	_, err := New(t.Context(), &other, Info{Version: "test", Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") || !strings.Contains(err.Error(), "pid") {
		t.Errorf("a second server on the folder: %v", err)
	}
	other.Data = filepath.Join(t.TempDir(), "other")
	other.Listen = strings.TrimPrefix(a.URL(), "http://")
	_, err = New(t.Context(), &other, Info{Version: "test", Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "--listen") || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("a second server on the port: %v", err)
	}
	// What the failed start had opened is closed again.
	other.Listen = "127.0.0.1:0"
	serve(t, &other)
}

func TestFolderOfANewerVersion(t *testing.T) {
	cfg := testConfig(t)
	_, stop := serve(t, cfg)
	stop()
	if err := os.WriteFile(filepath.Join(cfg.Data, "store", "MURRE_FORMAT"), []byte("999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), cfg, Info{Version: "test", Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a folder of a newer version: %v", err)
	}
}

// TestOperate: the commands do the same at a running server and on the folder of a stopped one.
func TestOperate(t *testing.T) {
	cfg := testConfig(t)
	a, stop := serve(t, cfg)
	do := func(f func(op operate.Operator)) {
		t.Helper()
		op, end, err := Connect(cfg.Data, quiet)
		if err != nil {
			t.Fatal(err)
		}
		f(op)
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	do(func(op operate.Operator) {
		if _, ok := op.(*operate.Remote); !ok {
			t.Errorf("beside a running server the operator is a %T", op)
		}
		for _, name := range []string{"alice", "bob"} {
			if _, err := op.AddUser(ctx, operate.NewUser{Username: name, Password: "correct horse"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := op.AddUser(ctx, operate.NewUser{Username: "alice", Password: "correct horse"}); err == nil {
			t.Error("a name was given twice")
		}
		if _, err := op.AddUser(ctx, operate.NewUser{Username: "x", Password: "correct horse"}); err == nil || !strings.Contains(err.Error(), "username") {
			t.Errorf("a bad name: %v", err)
		}
		if _, err := op.Token(ctx, "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("a token for nobody: %v", err)
		}
	})
	ar, ac, ae := connect(t, a, "alice")
	br, bc, be := connect(t, a, "bob")
	bob, err := br.Me(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conv, err := ar.Direct(ctx, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ac.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the message", be, func(e *client.Event) bool { return e.Message != nil })
	if err := bc.Read(conv.ID, m.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the read receipt", ae, func(e *client.Event) bool { return e.Status != nil && e.Status.Status == "read" })

	check := func(op operate.Operator) {
		t.Helper()
		for _, c := range []chat.ConversationID{{}, conv.ID} {
			tr, err := op.Trace(ctx, m.ID, c)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Conversation != conv.ID || tr.Sender.Username != "alice" || !tr.Claimed || tr.CodePoints != 6 || len(tr.Members) != 2 {
				t.Errorf("trace: %+v", tr)
			}
			for _, mt := range tr.Members {
				if mt.User.Username != "bob" {
					continue
				}
				if !mt.Read || !mt.Delivered || len(mt.Events) != 1 || mt.Events[0].Kind != "message" || len(mt.Devices) != 1 {
					t.Errorf("bob's side: %+v", mt)
				}
			}
		}
		if _, err := op.Trace(ctx, m.ID+1, chat.ConversationID{}); err == nil || !strings.Contains(err.Error(), "no message") {
			t.Errorf("trace of nothing: %v", err)
		}
		tok, err := op.Token(ctx, "alice")
		if err != nil || tok.Token == "" {
			t.Errorf("token: %+v, %v", tok, err)
		}
	}
	do(check)
	ac.Close()
	bc.Close()
	stop()
	do(func(op operate.Operator) {
		if _, ok := op.(*operate.Desk); !ok {
			t.Errorf("without a server the operator is a %T", op)
		}
		check(op)
	})
	// A server that crashed leaves its file, and its pid may be another program's now.
	crashed := operate.Place{PID: os.Getpid(), Admin: "127.0.0.1:1", Key: "x"}
	if err := crashed.Write(cfg.Data); err != nil {
		t.Fatal(err)
	}
	do(check)
	if _, _, err := Connect(filepath.Join(t.TempDir(), "nothing"), quiet); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("Connect to no folder: %v", err)
	}
}

func TestBackupWhileRunningAndRestore(t *testing.T) {
	cfg := testConfig(t)
	a, stop := serve(t, cfg)
	ctx := t.Context()
	for _, name := range []string{"alice", "bob"} {
		if err := a.EnsureUser(ctx, name, "correct horse"); err != nil {
			t.Fatal(err)
		}
	}
	ar, ac, _ := connect(t, a, "alice")
	br, bc, _ := connect(t, a, "bob")
	bob, err := br.Me(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conv, err := ar.Direct(ctx, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("media "), 1000)
	up, err := ar.UploadMedia(ctx, client.Upload{Conversation: conv.ID, Name: "a.txt", ContentType: "text/plain", Size: int64(len(data))}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	before, err := ac.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "before"})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "backup")
	op := operate.NewRemote(a.place())
	b, err := op.Backup(ctx, folder)
	if err != nil || b.Files == 0 || b.Folder != folder {
		t.Fatalf("backup: %+v, %v", b, err)
	}
	if _, err := op.Backup(ctx, folder); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a backup over another: %v", err)
	}
	if _, err := op.Backup(ctx, "relative"); err == nil {
		t.Error("a backup to a relative path")
	}
	if _, err := ac.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "after"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, folder, cfg.Data); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a restore over a data folder: %v", err)
	}
	if _, err := Restore(ctx, t.TempDir(), filepath.Join(t.TempDir(), "x")); err == nil || !strings.Contains(err.Error(), "no backup") {
		t.Errorf("a restore of nothing: %v", err)
	}
	ac.Close()
	bc.Close()
	stop()

	restored := *cfg
	restored.Listen, restored.Admin, restored.Data = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(ctx, folder, restored.Data); err != nil {
		t.Fatal(err)
	}
	a, _ = serve(t, &restored)
	br, bc, _ = connect(t, a, "bob")
	page, err := br.History(ctx, conv.ID, client.HistoryQuery{})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].ID != before.ID {
		t.Fatalf("history after the restore: %+v, %v", page, err)
	}
	body, err := br.OpenMedia(ctx, up.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("media after the restore: %d bytes, %v", len(got), err)
	}
	again, err := bc.Send(ctx, client.Outgoing{Conversation: conv.ID, Content: "goes on"})
	if err != nil || again.ID <= before.ID {
		t.Errorf("after the restore: %+v, %v", again, err)
	}
}

// TestDrain: a stopping server isn't ready, tells its clients to come back, and ends in time.
func TestDrain(t *testing.T) {
	cfg := testConfig(t)
	cfg.DrainTimeout = 8 * time.Second
	a, stop := serve(t, cfg)
	if err := a.EnsureUser(t.Context(), "alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	rest, err := client.NewREST(a.URL(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	account, err := rest.Login(t.Context(), "alice", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	frames := make(chan string, 100)
	c, err := client.Dial(t.Context(), client.Options{URL: a.URL(), Token: account.Token, OnFrame: func(d client.Direction, f []byte) {
		if d == client.In {
			select {
			case frames <- string(f):
			default:
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	stop()
	if took := time.Since(began); took > cfg.DrainTimeout {
		t.Errorf("stopped after %v", took)
	}
	if err := a.Ready(t.Context()); err == nil {
		t.Error("a stopped server is ready")
	}
	for {
		select {
		case f := <-frames:
			if strings.Contains(f, `"reconnect"`) {
				return
			}
		default:
			t.Fatal("the client was not told to reconnect")
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	cfg := testConfig(t)
	cfg.Transport = "pigeon"
	if _, err := New(t.Context(), cfg, Info{Log: quiet}); err == nil || !strings.Contains(err.Error(), "--transport") {
		t.Errorf("%v", err)
	}
	cfg = testConfig(t)
	cfg.JWTSecretFile = filepath.Join(t.TempDir(), "none")
	if _, err := New(t.Context(), cfg, Info{Log: quiet}); err == nil || !strings.Contains(err.Error(), "--jwt-secret-file") {
		t.Errorf("%v", err)
	}
	cfg = testConfig(t)
	cfg.TLSCert, cfg.TLSKey = "none.pem", "none.pem"
	if _, err := New(t.Context(), cfg, Info{Log: quiet}); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("%v", err)
	}
	if runtime.GOOS == "linux" {
		cfg = testConfig(t)
		cfg.Transport = "goroutine"
		serve(t, cfg)
	}
}
