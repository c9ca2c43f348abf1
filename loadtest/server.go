package loadtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/wire"
)

// ServerOptions say how the server under test is started.
type ServerOptions struct {
	Bin  string   // the murre binary
	Dir  string   // working folder: data/, the token secret and the log live here
	Args []string // further flags of serve
	Wrap []string // a command that runs the server: strace and its flags
}

// Server is a running server process.
type Server struct {
	URL    string        // http://host:port
	Admin  string        // the same of the admin port
	Target wire.Target   // for WebSockets
	Ready  time.Duration // from the start of the process to /readyz
	Secret []byte

	spread  []wire.Target // where sockets go in turn; empty: Target
	sockets uint32
	fleet   *fleet // the cluster that this is the balancer of; nil: a server of its own
	o       ServerOptions
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read after done
	began   time.Time
	log     *tail
}

// readyWithin is how long a server may take to start.
const readyWithin = 2 * time.Minute

// StartServer starts a server and waits until it is ready.
func StartServer(ctx context.Context, o ServerOptions) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the working folder: %w", err)
	}
	secretFile := filepath.Join(o.Dir, "jwt-secret")
	secret, err := os.ReadFile(secretFile)
	if errors.Is(err, os.ErrNotExist) {
		secret = []byte(hex.EncodeToString(random(32)))
		err = os.WriteFile(secretFile, secret, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("token secret: %w", err)
	}
	listen, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := append([]string{
		o.Bin, "serve", "--listen", listen.String(), "--admin", admin.String(), "--data", filepath.Join(o.Dir, "data"),
		"--rate", "off", "--jwt-secret-file", secretFile, "--log-level", "warn",
	}, o.Args...)
	args = append(append([]string(nil), o.Wrap...), args...)
	logFile, err := os.OpenFile(filepath.Join(o.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("server log: %w", err)
	}
	s := &Server{
		URL: "http://" + listen.String(), Admin: "http://" + admin.String(), Target: wire.Target{Addr: listen, Path: "/ws"},
		Secret: secret, o: o, done: make(chan struct{}), log: &tail{file: logFile},
	}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), logFile.Close())
	}
	go func() {
		s.err = s.cmd.Wait()
		_ = logFile.Close()
		close(s.done)
	}()
	if err := s.waitReady(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	s.Ready = time.Since(s.began)
	return s, nil
}

func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	hc := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("readyz: %w", err)
		}
		if res, err := hc.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended before it was ready: %w\n%s", s.err, s.log.last())
		case <-ctx.Done():
			return fmt.Errorf("the server isn't ready: %w\n%s", ctx.Err(), s.log.last())
		case <-poll.C:
		}
	}
}

// PID is the server's process id (with Wrap: the wrapper's child).
func (s *Server) PID() int {
	if len(s.o.Wrap) == 0 {
		return s.cmd.Process.Pid
	}
	return procfs.Child(s.cmd.Process.Pid)
}

// target is where the next socket goes. People who write to each other are as often at one gateway as at two.
func (s *Server) target() wire.Target {
	if len(s.spread) == 0 {
		return s.Target
	}
	s.sockets++
	return s.spread[s.sockets*2654435761>>16%uint32(len(s.spread))]
}

// pids are the processes that serve: one, or the gateways of a cluster.
func (s *Server) pids() []int {
	if s.fleet == nil {
		return []int{s.PID()}
	}
	var out []int
	for _, name := range s.fleet.gateways() {
		out = append(out, s.fleet.c.Pid(name))
	}
	return out
}

// cpu is the CPU time that they have used.
func (s *Server) cpu() (sum time.Duration, err error) {
	for _, pid := range s.pids() {
		t, err := procfs.CPU(pid)
		if err != nil {
			return sum, err
		}
		sum += t
	}
	return sum, nil
}

// rss is their resident memory in bytes.
func (s *Server) rss() (sum int64, _ error) {
	for _, pid := range s.pids() {
		n := procfs.Resident(pid)
		if n == 0 {
			return sum, fmt.Errorf("rss: nothing known of process %d", pid)
		}
		sum += n
	}
	return sum, nil
}

// admins are the URLs of their admin ports, by a suffix for file names.
func (s *Server) admins() map[string]string {
	if s.fleet == nil {
		return map[string]string{"": s.Admin}
	}
	out := map[string]string{}
	for _, name := range s.fleet.gateways() {
		out["."+name] = "http://" + s.fleet.c.Admin(name)
	}
	return out
}

// Kill ends the process by SIGKILL and waits for its end.
func (s *Server) Kill() {
	if len(s.o.Wrap) > 0 {
		if pid := s.PID(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Stop ends the process by SIGTERM and waits for its end; after 30 s it is killed, which is an error.
func (s *Server) Stop() error {
	_ = syscall.Kill(s.PID(), syscall.SIGTERM)
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case <-s.done:
		if s.err != nil {
			return fmt.Errorf("stop the server: %w\n%s", s.err, s.log.last())
		}
		return nil
	case <-late.C:
		s.Kill()
		return errors.New("stop the server: it didn't end within 30 s of SIGTERM")
	}
}

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Died returns an error when the process has ended by itself.
func (s *Server) Died() error {
	select {
	case <-s.done:
		return fmt.Errorf("the server ended: %w\n%s", s.err, s.log.last())
	default:
		return nil
	}
}

// freeAddr returns a loopback address nobody listens on now.
func freeAddr() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).AddrPort(), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// tail writes to a file and keeps the last bytes for error messages.
type tail struct {
	file *os.File
	mu   sync.Mutex // guards buf
	buf  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 8192 {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-4096:]...)
	}
	t.mu.Unlock()
	return t.file.Write(b)
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
