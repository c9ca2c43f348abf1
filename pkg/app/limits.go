package app

import "syscall"

// maxConnections is how many sockets may be open: what was asked for, or what the descriptor limit leaves beside files.
func (a *App) maxConnections() int {
	if a.cfg.MaxConnections > 0 {
		return a.cfg.MaxConnections
	}
	const files, fallback = 1200, 1 << 20
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fallback
	}
	return int(min(max(uint64(l.Cur), 2*files)-files, fallback))
}
