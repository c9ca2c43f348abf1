package conduct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// countSessions counts the users in the session registry: the keys of sessions on all masters of a Redis Cluster.
func countSessions(ctx context.Context, addrs []string) (int, error) {
	n := 0
	for _, a := range addrs {
		of, err := countKeys(ctx, a, "*sess:{*")
		if err != nil {
			return 0, fmt.Errorf("count the sessions on %s: %w", a, err)
		}
		n += of
	}
	return n, nil
}

// countKeys walks over the keys of one node, if it is a master.
func countKeys(ctx context.Context, addr, pattern string) (int, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(c, 256<<10)
	call := func(words ...string) (any, error) {
		var b strings.Builder
		fmt.Fprintf(&b, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
		}
		if _, err := io.WriteString(c, b.String()); err != nil {
			return nil, err
		}
		return readReply(r)
	}
	role, err := call("ROLE")
	if err != nil {
		return 0, err
	}
	if parts, ok := role.([]any); !ok || len(parts) == 0 || parts[0] != "master" {
		return 0, nil
	}
	n, cursor := 0, "0"
	for {
		reply, err := call("SCAN", cursor, "MATCH", pattern, "COUNT", "5000")
		if err != nil {
			return 0, err
		}
		parts, ok := reply.([]any)
		if !ok || len(parts) != 2 {
			return 0, errors.New("an answer to SCAN that is none")
		}
		keys, ok := parts[1].([]any)
		if !ok {
			return 0, errors.New("an answer to SCAN that is none")
		}
		n += len(keys)
		if cursor, ok = parts[0].(string); !ok || cursor == "0" {
			return n, nil
		}
	}
}

// readReply reads one reply of Redis's protocol: a string, an int64, a slice of such, or nil.
func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return nil, errors.New("an empty reply")
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n > 64<<20 {
		return nil, fmt.Errorf("a reply that begins with %q", line)
	}
	switch {
	case n < 0:
		return nil, nil
	case line[0] == '$':
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return string(b[:n]), err
	case line[0] == '*':
		out := make([]any, n)
		for i := range out {
			if out[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("a reply that begins with %q", line)
}
