package loadtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// argvOf is the command line of a member that runs.
func (fl *fleet) argvOf(member string) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", fl.c.Pid(member)))
	if err != nil {
		return nil, fmt.Errorf("command line of %s: %w", member, err)
	}
	return strings.Split(string(bytes.TrimRight(b, "\x00")), "\x00"), nil
}

// sameName starts a second gateway under the first one's name: it must end by itself, say why, and leave the first alone.
func sameName(ctx context.Context, s *siege, p pace) error {
	victim := s.gateway()
	argv, err := s.fl.argvOf(victim)
	if err != nil {
		return err
	}
	listen, err := freeAddr()
	if err != nil {
		return err
	}
	admin, err := freeAddr()
	if err != nil {
		return err
	}
	s.struck()
	began := time.Now()
	ctxRun, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctxRun, argv[0], append(argv[1:], "--listen", listen.String(), "--admin", admin.String(), "--data", filepath.Join(s.fl.dir, "second"))...)
	out, err := cmd.CombinedOutput()
	s.ceased()
	said := strings.TrimSpace(string(out[max(0, len(out)-4096):]))
	if ctxRun.Err() != nil {
		return fmt.Errorf("a second gateway under the name of %s still runs after a minute: %s", victim, said)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("the second gateway under the name of %s ended with status 0 (%w): %s", victim, err, said)
	}
	if !strings.Contains(said, "name") {
		return fmt.Errorf("the second gateway under the name of %s didn't say why it ended: %s", victim, said)
	}
	lines := strings.Split(said, "\n")
	s.note("the second ended after %.1f s: %s", time.Since(began).Seconds(), lines[len(lines)-1])
	return s.wait(ctx, p.lasting(5*time.Second))
}

// wrongClock replaces a gateway by one whose clock is off. It must say so in /readyz and in its log, and stay out.
func wrongClock(offset time.Duration) func(ctx context.Context, s *siege, p pace) error {
	return func(ctx context.Context, s *siege, p pace) error {
		victim := s.gateway()
		s.struck()
		before, err := logSize(s.fl.c.Log(victim))
		if err != nil {
			return err
		}
		if err := s.replace(ctx, victim, "--clock-offset", offset.String()); err != nil {
			return err
		}
		// It is asked as a balancer asks, for as long as the fault lasts.
		url := "http://" + s.fl.c.Admin(victim) + "/readyz"
		var last, reason string
		poll := time.NewTicker(250 * time.Millisecond)
		defer poll.Stop()
		lasts := max(p.lasting(30*time.Second), 12*time.Second)
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			status, body := get(ctx, url)
			if status == http.StatusOK {
				return fmt.Errorf("%s says it is ready though its clock is off by %s", victim, offset)
			}
			if status != 0 {
				last = strings.TrimSpace(body)
			}
			if strings.Contains(strings.ToLower(body), "clock") {
				reason = last
			}
			if s.fl.c.Pid(victim) == 0 {
				return fmt.Errorf("%s with a clock off by %s ended; see its log", victim, offset)
			}
			if err := s.waitFor(ctx, poll.C); err != nil {
				return err
			}
		}
		if reason == "" {
			return fmt.Errorf("%s with a clock off by %s doesn't say why it is unready: %q", victim, offset, last)
		}
		log, err := os.ReadFile(s.fl.c.Log(victim))
		if err != nil {
			return fmt.Errorf("log of %s: %w", victim, err)
		}
		if !bytes.Contains(bytes.ToLower(log[min(int(before), len(log)):]), []byte("clock")) {
			return fmt.Errorf("the log of %s doesn't name the clock", victim)
		}
		s.note("%s: %s", victim, reason)
		s.ceased()
		return nil
	}
}

func logSize(path string) (int64, error) {
	i, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("log: %w", err)
	}
	return i.Size(), nil
}

// replace ends a gateway and starts it with further flags; at the end of the run it is as before.
func (s *siege) replace(ctx context.Context, gateway string, flags ...string) error {
	if err := s.fl.c.End(ctx, gateway); err != nil {
		return err
	}
	s.after(func(ctx context.Context) error {
		return errors.Join(s.fl.c.End(ctx, gateway), s.fl.c.Start(ctx, gateway))
	})
	if err := s.restarted(ctx); err != nil {
		return err
	}
	return s.fl.c.Launch(gateway, flags...)
}

// loseOneInTwenty replaces every gateway by one whose bus loses publishes. It goes on until the crowd is quiet.
func loseOneInTwenty(ctx context.Context, s *siege, p pace) error {
	for i := range fleetGateways {
		victim := s.fl.member("gateway-", i)
		if err := s.replace(ctx, victim, "--fault-bus-drop", "20"); err != nil {
			return err
		}
		if err := s.fl.c.AwaitReady(ctx, victim); err != nil {
			return err
		}
	}
	// Draining and coming back is another fault's matter: what is timed begins with everybody here.
	if err := s.until(ctx, p.limit, "everybody back", func() bool { return s.missing() == 0 && s.open() < 50 }); err != nil {
		return err
	}
	s.struck()
	s.ceased()
	return s.wait(ctx, p.lasting(60*time.Second))
}

// get fetches a small document; status 0 when nobody answers.
func get(ctx context.Context, url string) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return res.StatusCode, string(b)
}
