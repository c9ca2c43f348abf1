// Package netns runs a program in a network namespace of its own: a loopback and a table of TCP connections that nothing else
// of the machine looks at. Linux only; needs root.
package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// variable of the environment marks processes that run in a namespace of Command's.
const variable = "MURRE_OWN_NETWORK"

// Inside says whether this process, or one that it descends from, was started by Start.
func Inside() bool { return os.Getenv(variable) != "" }

// Start starts a command in a new network namespace, which ends with the last process in it. Its loopback is up, and the
// settings under net.core and net.ipv4 are those of this process's namespace, as far as a namespace has its own. Buckets is the
// size of its table of TCP connections, rounded up to a power of two; 0: it shares the machine's. Before Linux 6.1 there is
// only that. Fails without root, and without the program ip.
func Start(cmd *exec.Cmd, buckets int) error {
	machine, err := settings()
	if err != nil {
		return fmt.Errorf("settings of the network: %w", err)
	}
	if was, e := os.ReadFile(children); e == nil && buckets > 0 {
		if err := os.WriteFile(children, []byte(strconv.Itoa(buckets)), 0o644); err != nil {
			return fmt.Errorf("size of the namespace's table of connections: %w", err)
		}
		defer func() { _ = os.WriteFile(children, was, 0o644) }() // it concerns nobody but who makes namespaces too
	}
	done := make(chan error, 1)
	go func() {
		// The thread is in the namespace from then on, and so is what it starts. It isn't given back: it ends with the goroutine.
		runtime.LockOSThread()
		err := enter(machine)
		if err == nil {
			cmd.Env = append(cmd.Environ(), variable+"=1")
			err = cmd.Start()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("a network namespace: %w", err)
	}
	return nil
}

// children is the machine's setting for the tables of namespaces that are made.
const children = "/proc/sys/net/ipv4/tcp_child_ehash_entries"

// enter moves the calling thread into a new namespace.
func enter(machine map[string]string) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		if errors.Is(err, unix.EPERM) {
			return errors.New("needs root")
		}
		return fmt.Errorf("unshare: %w", err)
	}
	take(machine)
	if out, err := exec.CommandContext(context.Background(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("the loopback: %w: %s", err, out)
	}
	return nil
}

// settings are the files under net.core and net.ipv4 that can be written, by path, with what is in them.
func settings() (map[string]string, error) {
	out := map[string]string{}
	for _, dir := range []string{"/proc/sys/net/core", "/proc/sys/net/ipv4"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if info, err := f.Info(); err != nil || !info.Mode().IsRegular() || info.Mode()&0o200 == 0 || info.Mode()&0o400 == 0 {
				continue
			}
			file := filepath.Join(dir, f.Name())
			if b, err := os.ReadFile(file); err == nil && file != children {
				out[file] = string(b)
			}
		}
	}
	return out, nil
}

// take writes the settings that differ into the calling thread's namespace. Those that only the machine has aren't there, and
// some can't be written in every state, such as a congestion control whose module isn't loaded.
func take(machine map[string]string) {
	for file, value := range machine {
		if b, err := os.ReadFile(file); err == nil && string(b) != value {
			_ = os.WriteFile(file, []byte(value), 0o644)
		}
	}
}
