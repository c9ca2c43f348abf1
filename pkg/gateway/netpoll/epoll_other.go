//go:build !linux

package netpoll

import "errors"

func newEpoll(Options) (Transport, error) {
	return nil, errors.New("netpoll: the epoll transport needs Linux; use goroutine")
}
