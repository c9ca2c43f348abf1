package netpoll

import (
	"fmt"
	"runtime"
	"time"
)

// Kind names a transport.
type Kind uint8

const (
	Auto      Kind = iota // the best one of the system
	Epoll                 // Linux only
	Goroutine             // everywhere
)

// Default is Epoll on Linux, Goroutine elsewhere.
func Default() Kind {
	if runtime.GOOS == "linux" {
		return Epoll
	}
	return Goroutine
}

// ParseKind reads "auto", "epoll" or "goroutine".
func ParseKind(s string) (Kind, error) {
	for _, k := range []Kind{Auto, Epoll, Goroutine} {
		if s == k.String() {
			return k, nil
		}
	}
	return Auto, fmt.Errorf("transport %q is none of auto, epoll, goroutine", s)
}

func (k Kind) String() string {
	switch k {
	case Epoll:
		return "epoll"
	case Goroutine:
		return "goroutine"
	default:
		return "auto"
	}
}

// Since is the time from one value of Conn.Ticks to a later one.
func Since(now, then uint32) time.Duration { return time.Duration(now-then) * Tick }
