package wsconn

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

// TestIdleCost: what an idle connection keeps on the heap, peers not counted. The clients are bare descriptors, so that
// they cost nothing here.
func TestIdleCost(t *testing.T) {
	const connections, most = 2000, 250
	s := startServer(t, netpoll.Epoll, nil)
	addr := &unix.SockaddrInet4{Port: s.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	shared := Accept{Peer: idlePeer{}}
	s.handler.onUpgrade(func(context.Context, *Request) (Accept, *Refusal) { return shared, nil })
	fds := make([]int, 0, connections)
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	request, answer := []byte(handshakeText()), make([]byte, 256)
	open := func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
		if err := unix.Connect(fd, addr); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, request); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Read(fd, answer); err != nil {
			t.Fatal(err)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // twice: pools keep what they hold for one
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	open() // what is there once, say the buffers of the loops
	before := heap()
	for range connections {
		open()
	}
	each := float64(heap()-before) / connections
	t.Logf("%.0f bytes of heap a connection", each)
	if each > most {
		t.Errorf("more than %d", most)
	}
}

type idlePeer struct{}

func (idlePeer) Open(*Conn)                  {}
func (idlePeer) Message(*Conn, []byte, bool) {}
func (idlePeer) Pong(*Conn)                  {}
func (idlePeer) Drained(*Conn)               {}
func (idlePeer) Closed(*Conn, uint16, error) {}

// TestMessageCost: cutting a message that came whole, and queueing a shared frame, allocate nothing.
func TestMessageCost(t *testing.T) {
	m := netpoll.NewMemory(1 << 20)
	s := fuzzServer(t)
	c := &Conn{t: m.Conn, srv: s, peer: idlePeer{}, phase: phaseOpen}
	m.Serve(c)
	m.Written = make([]byte, 0, 1<<20)
	in, read := []byte(text("hello, hello")), make([]byte, 64)
	out := TextFrame(bytes.Repeat([]byte("m"), 100))
	if n := testing.AllocsPerRun(1000, func() {
		m.Receive(read[:copy(read, in)])
		if err := c.Send(out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
