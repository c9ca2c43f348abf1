// Command echoserver is the gateway's WebSocket server with nothing behind it: it sends every message back. The
// Autobahn suite runs against it. It differs from the real server in limits only: 16 MiB a message, any number of
// fragments and control frames.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
)

const maxMessage = 16 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on")
	transport := flag.String("transport", "auto", "epoll, goroutine or auto")
	path := flag.String("path", "/", "path of the WebSocket")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *transport, *path); err != nil {
		fmt.Fprintln(os.Stderr, "echoserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, transport, path string) error {
	kind, err := netpoll.ParseKind(transport)
	if err != nil {
		return err
	}
	server, err := wsconn.NewServer(wsconn.Options{
		Handler:   echo{},
		Listen:    listen,
		Transport: kind,
		Path:      path,
		Log:       slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Limits:    wsconn.Limits{Message: maxMessage, Fragments: -1, ControlRate: -1, Outbound: 2 * maxMessage},
	})
	if err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	fmt.Println("listening on", server.Addr(), "transport", kind)
	return server.Run(ctx)
}

// echo lets everybody in, and is everybody's peer.
type echo struct{}

func (echo) Upgrade(context.Context, *wsconn.Request) (wsconn.Accept, *wsconn.Refusal) {
	return wsconn.Accept{Peer: echo{}}, nil
}

func (echo) Open(*wsconn.Conn) {}

func (echo) Message(c *wsconn.Conn, payload []byte, binary bool) {
	frame := wsconn.TextFrame
	if binary {
		frame = wsconn.BinaryFrame
	}
	if err := c.Send(frame(payload)); err != nil {
		c.Abort() // behind, though reading pauses long before: the peer sends without ever reading
		return
	}
	if c.Outbound() > maxMessage {
		c.PauseReading()
	}
}

func (echo) Pong(*wsconn.Conn) {}

func (echo) Drained(c *wsconn.Conn) { c.ResumeReading() }

func (echo) Closed(*wsconn.Conn, uint16, error) {}
