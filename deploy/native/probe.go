package native

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// The probes speak just enough of each protocol to know that a server serves; a driver would have opinions of its own.

// cqlProbe is nil once a node answers queries and knows peers others.
func cqlProbe(addr string, peers int) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := dial(ctx, addr)
		if err != nil {
			return err
		}
		defer c.Close()
		// STARTUP {CQL_VERSION: 3.0.0}
		if _, err := cqlCall(c, 0x01, cqlStrings("CQL_VERSION", "3.0.0"), 0x02); err != nil {
			return fmt.Errorf("startup: %w", err)
		}
		// QUERY at consistency ONE, with the flag that leaves the columns' description out of the answer.
		q := "SELECT peer FROM system.peers_v2"
		body := append(binary.BigEndian.AppendUint32(nil, uint32(len(q))), q...)
		body = append(body, 0x00, 0x01, 0x02)
		answer, err := cqlCall(c, 0x07, body, 0x08)
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		// kind (rows), flags, columns, rows
		if len(answer) < 16 || binary.BigEndian.Uint32(answer) != 2 {
			return errors.New("query: the answer is no rows")
		}
		if n := int(binary.BigEndian.Uint32(answer[12:])); n < peers {
			return fmt.Errorf("the node at %s knows %d of %d other nodes", addr, n, peers)
		}
		return nil
	}
}

// cqlCall sends one frame of protocol version 4 and returns the body of the answer, which must be of kind want.
func cqlCall(c net.Conn, opcode byte, body []byte, want byte) ([]byte, error) {
	frame := append([]byte{0x04, 0, 0, 0, opcode}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	if _, err := c.Write(append(frame, body...)); err != nil {
		return nil, err
	}
	var head [9]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[5:])
	if n > 1<<20 {
		return nil, fmt.Errorf("answer of %d bytes", n)
	}
	answer := make([]byte, n)
	if _, err := io.ReadFull(c, answer); err != nil {
		return nil, err
	}
	if head[4] != want {
		return nil, fmt.Errorf("answer is opcode %#x: %q", head[4], answer)
	}
	return answer, nil
}

// cqlStrings is a string map.
func cqlStrings(kv ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(kv)/2))
	for _, s := range kv {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	return b
}

// redisCall sends one inline command and returns the answer: a status, an error as error, or the text of a bulk string.
func redisCall(ctx context.Context, addr, command string) (string, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "-"):
		return "", fmt.Errorf("redis %s: %s: %s", addr, command, line[1:])
	case !strings.HasPrefix(line, "$"):
		return line[1:], nil
	}
	var n int
	if _, err := fmt.Sscan(line[1:], &n); err != nil || n < 0 || n > 1<<20 {
		return "", fmt.Errorf("redis %s: %s: answered %q", addr, command, line)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// httpProbe is nil once a GET answers 200.
func httpProbe(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := httpText(ctx, url, http.StatusOK)
		return err
	}
}

// httpText is what a GET answers with the wanted code.
func httpText(ctx context.Context, url string, want int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("GET %s: %s: %.200s", url, res.Status, text)
	}
	return string(text), err
}

// dial connects and gives the connection the context's deadline.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if at, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(at); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}
