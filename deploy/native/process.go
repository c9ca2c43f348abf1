package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one server of a cluster: what starts it, and how to find the one that runs.
type process struct {
	name string
	dir  string // the cluster's folder
	argv []string
	env  []string // added to the starter's
	cwd  string   // "": the cluster's folder

	// ready answers nil once the process serves. It is asked again and again until wait ends; each call must be short.
	ready func(ctx context.Context) error
	wait  time.Duration // how long it may take to become ready
	grace time.Duration // from SIGTERM to SIGKILL
}

func (p *process) pidFile() string { return filepath.Join(p.dir, "pid", p.name+".pid") }
func (p *process) logFile() string { return filepath.Join(p.dir, "log", p.name+".log") }

// start runs the process unless it runs already. It does not wait until it is ready.
func (p *process) start() error {
	if pid, _ := p.running(); pid != 0 {
		return nil
	}
	for _, sub := range []string{"pid", "log"} {
		if err := os.MkdirAll(filepath.Join(p.dir, sub), 0o755); err != nil {
			return fmt.Errorf("start %s: %w", p.name, err)
		}
	}
	bin, err := Tool(p.argv[0])
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	defer log.Close()
	cmd := exec.Command(bin, p.argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Dir = p.cwd
	if cmd.Dir == "" {
		cmd.Dir = p.dir
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	pid := cmd.Process.Pid
	born, err := startTime(pid)
	if err != nil {
		return fmt.Errorf("start %s: it ended at once: %w%s", p.name, err, p.tail())
	}
	// It may outlive us, and whoever asks for it later waits for it: see readPid.
	if err := cmd.Process.Release(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	// Written aside and renamed: a reader never meets half a file.
	tmp := p.pidFile() + ".new"
	if err := os.WriteFile(tmp, fmt.Appendf(nil, "%d %d\n", pid, born), 0o644); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := os.Rename(tmp, p.pidFile()); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	return nil
}

// running is the pid of the process if it lives (frozen counts as living), else 0.
func (p *process) running() (pid int, err error) { return readPid(p.pidFile()) }

// readPid is the pid in a file of ours if that very process still lives, else 0.
func readPid(file string) (int, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read pid file: %w", err)
	}
	var pid int
	var born uint64
	if _, err := fmt.Sscan(string(text), &pid, &born); err != nil {
		return 0, fmt.Errorf("read pid file %s: %w", file, err)
	}
	// A dead child of ours is a zombie until it is waited for; of others' children this says ECHILD, and init reaps them.
	_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	if now, err := startTime(pid); err != nil || now != born {
		return 0, nil //nolint:nilerr // not there, a zombie, or another process with its number: all mean dead
	}
	return pid, nil
}

// startTime is when a process began, in clock ticks since boot; an error when it is gone or a zombie.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	// The second field is the program's name in brackets and may hold anything; count from the last bracket.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0, fmt.Errorf("process %d: its stat has %d fields", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		// The first thread is a zombie while others still end, and until the last has ended the sockets are open.
		if tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task"); err != nil || len(tasks) <= 1 {
			return 0, fmt.Errorf("process %d: has ended", pid)
		}
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// signal sends a signal to the process and its children; an error when it isn't running.
func (p *process) signal(sig syscall.Signal) error {
	pid, err := p.running()
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("%s: not running", p.name)
	}
	if err := syscall.Kill(-pid, sig); err != nil {
		return fmt.Errorf("%s: send %v: %w", p.name, sig, err)
	}
	return nil
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p *process) kill(ctx context.Context) error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.gone(ctx, 10*time.Second)
}

// end asks the process to end, and kills it after its grace. Not running: nothing to do.
func (p *process) end(ctx context.Context) error {
	pid, err := p.running()
	if err != nil || pid == 0 {
		return err
	}
	_ = syscall.Kill(-pid, syscall.SIGCONT) // a frozen process can't obey
	if err := syscall.Kill(-pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end %s: %w", p.name, err)
	}
	if p.gone(ctx, p.grace) == nil {
		return nil
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	return p.gone(ctx, 10*time.Second)
}

// gone waits until the process has ended.
func (p *process) gone(ctx context.Context, wait time.Duration) error {
	return eventually(ctx, wait, 5*time.Millisecond, func(context.Context) error {
		if pid, err := p.running(); err != nil || pid != 0 {
			return errors.Join(fmt.Errorf("%s: still runs as %d", p.name, pid), err)
		}
		return nil
	})
}

// awaitReady waits until the process serves; at once an error when it has died.
func (p *process) awaitReady(ctx context.Context) error {
	err := eventually(ctx, p.wait, 50*time.Millisecond, func(ctx context.Context) error {
		pid, err := p.running()
		if err != nil {
			return err
		}
		if pid == 0 {
			return fatal{fmt.Errorf("%s has ended", p.name)}
		}
		return p.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w%s", p.name, err, p.tail())
	}
	return nil
}

// tail is the end of the process's log, for an error message.
func (p *process) tail() string {
	text, err := os.ReadFile(p.logFile())
	if err != nil || len(text) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text[max(0, len(text)-4096):])), "\n")
	return "\n" + p.logFile() + ":\n  " + strings.Join(lines[max(0, len(lines)-12):], "\n  ")
}

// graceOf is how long a process may take to end: a Cassandra node flushes, a gateway drains.
func graceOf(name string) time.Duration {
	switch {
	case strings.HasPrefix(name, "cassandra-"):
		return 20 * time.Second
	case strings.HasPrefix(name, "gateway-"):
		return 40 * time.Second
	default:
		return 5 * time.Second
	}
}

// fatal is an error that waiting doesn't cure.
type fatal struct{ error }

// eventually asks every pause until ok answers nil, and returns its last error after wait.
func eventually(ctx context.Context, wait, pause time.Duration, ok func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		err := ok(attempt)
		done()
		var end fatal
		if err == nil || errors.As(err, &end) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up after %v: %w", wait, err)
		case <-tick.C:
		}
	}
}
