package wsconn

import (
	"context"
	"net"
)

// Server accepts connections on one port.
type Server struct {
	opt Options
}

// NewServer checks the options. Nothing is bound or started.
func NewServer(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Server{opt: o}, nil
}

// Listen binds the port, so that Addr is known before Run. Run calls it when nobody did.
func (s *Server) Listen() error { return nil }

// Addr is the bound address; nil before Listen.
func (s *Server) Addr() net.Addr { return nil }

// Run serves until ctx ends, then aborts what is still open and returns nil. Call Drain before for a graceful end.
func (s *Server) Run(ctx context.Context) error { return nil }

// Drain stops accepting, closes HTTP connections as they become idle, and returns when no connection is left or ctx ended
// (ctx.Err()). Whoever has peers tells them first, and closes them with 1001.
func (s *Server) Drain(ctx context.Context) error { return nil }
