package s3media

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Bounds of connections to S3.
const (
	maxIdlePerHost = 32
	// stall is how long a connection may carry nothing while a body goes; the whole may take long.
	stall = 30 * time.Second
	// idleTimeout is below stall: no connection is taken from the pool whose read is about to give up.
	idleTimeout = 20 * time.Second
)

// newTransport makes the pool of connections to S3. Proxies of the environment are for the world outside.
func newTransport(timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &movingConn{Conn: c}, nil
		},
		TLSHandshakeTimeout:   timeout,
		ResponseHeaderTimeout: longer * timeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   maxIdlePerHost,
		MaxIdleConns:          maxIdlePerHost,
		DisableCompression:    true, // lengths and ranges are of the stored bytes
	}
}

// movingConn ends when nothing moves for a while. A read that waits for an answer is given time by the request's writes.
type movingConn struct{ net.Conn }

func (c *movingConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *movingConn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
