package conduct

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/result"
)

// gauges asks gateways about themselves beside the run, now and then: to tell costs them some.
type gauges struct {
	http *http.Client
	wait sync.WaitGroup

	mu    sync.Mutex // guards below
	busy  bool
	fresh *result.Use // what was asked last; nil: taken
}

func newGauges() *gauges {
	return &gauges{http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
}

// ask begins to ask all gateways, unless that goes on. A gateway that doesn't answer, as one that is being restarted, spoils
// the round: a sum over others would be no sum.
func (g *gauges) ask(ctx context.Context, admins []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy || len(admins) == 0 {
		return
	}
	g.busy = true
	g.wait.Go(func() {
		var mu sync.Mutex
		sum := &result.Use{}
		var all errgroup.Group
		all.SetLimit(4)
		for _, a := range admins {
			all.Go(func() error {
				u, err := g.one(ctx, a)
				mu.Lock()
				defer mu.Unlock()
				sum.Goroutines += u.Goroutines
				sum.HeapBytes += u.HeapBytes
				sum.Descriptors += u.Descriptors
				sum.Bytes += u.Bytes
				return err
			})
		}
		err := all.Wait()
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.busy = false; err == nil {
			g.fresh = sum
		}
	})
}

// take is what was asked last, once.
func (g *gauges) take() *result.Use {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := g.fresh
	g.fresh = nil
	return u
}

// one reads a gateway's metrics. The live heap is what the next collection's goal follows from.
func (g *gauges) one(ctx context.Context, admin string) (u result.Use, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		return u, fmt.Errorf("metrics: %w", err)
	}
	req.Header.Set("Accept-Encoding", "identity") // the gateways' time is what is measured
	res, err := g.http.Do(req)
	if err != nil {
		return u, fmt.Errorf("metrics: %w", err)
	}
	defer res.Body.Close()
	var goal, percent float64
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		switch name {
		case "go_goroutines":
			u.Goroutines = int(v)
		case "process_open_fds":
			u.Descriptors = int(v)
		case "process_resident_memory_bytes":
			u.Bytes = int64(v)
		case "go_memstats_next_gc_bytes":
			goal = v
		case "go_gc_gogc_percent":
			percent = v
		}
	}
	u.HeapBytes = int64(goal / (1 + percent/100))
	return u, lines.Err()
}
