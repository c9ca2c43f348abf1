package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Read reads a file.
func Read(file string) (*Scenario, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", file, err)
	}
	return s, nil
}

// Parse reads a scenario, fills in defaults and checks it. Every error names a line and a field.
func Parse(text []byte) (*Scenario, error) {
	s := &Scenario{text: string(text)}
	s.defaults()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(s); errors.Is(err, io.EOF) {
		return nil, errors.New("line 1: it is empty")
	} else if err != nil {
		return nil, parseError(err)
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is a second document; one file is one scenario")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, parseError(err)
	}
	s.derive()
	c := checker{root: &root}
	s.check(&c)
	return s, errors.Join(c.errs...)
}

var inType = regexp.MustCompile(` not found in type scenario\.(\w+)`)

// parseError puts the parser's errors into our words; it names lines already.
func parseError(err error) error {
	var t *yaml.TypeError
	if !errors.As(err, &t) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var errs []error
	for _, e := range t.Errors {
		errs = append(errs, errors.New(inType.ReplaceAllStringFunc(e, func(m string) string {
			return " doesn't exist in " + strings.ToLower(inType.FindStringSubmatch(m)[1])
		})))
	}
	return errors.Join(errs...)
}

func (s *Scenario) defaults() {
	s.Seed = 1
	s.Server = Server{Engine: Embedded, Gateways: 3, HeapMB: 1024, GOGC: 50}
	s.Workers = Workers{Each: 19000, Machines: []string{"local"}, GOGC: 50}
	s.Users.Active = 1
	s.Groups = Groups{Min: 3, Max: 100, Tail: 1.3}
	s.Ramp = Ramp{Rate: 1000, Window: 500, Settle: 2 * time.Second}
	s.Messages = Messages{Bytes: 120, GroupShare: 0.2, MediaBytes: 20000, Reply: 0.3, Think: 4 * time.Second}
	s.Reading = Reading{Share: 0.5, After: 2 * time.Second}
	s.Typing = Typing{Share: 0.2, Before: 2 * time.Second}
	s.Churn = Churn{Away: 20 * time.Second, Rude: 0.5}
	s.Storm.Spread = 10 * time.Second
	s.Restart.Pause = 5 * time.Second
	s.Check = Check{Quiet: 2 * time.Minute, Again: 1000, Histories: 200}
	repeated := 0.5
	s.Thresholds.RepeatedShare = &repeated
}

// derive sets what depends on other fields.
func (s *Scenario) derive() {
	if s.Points == 0 {
		s.Points = time.Second
		if s.Duration >= 10*time.Minute {
			s.Points = 5 * time.Second
		}
	}
	if s.Ramp.Within == 0 && s.Ramp.Rate > 0 {
		s.Ramp.Within = time.Minute + time.Duration(3*float64(s.Users.Count)/s.Ramp.Rate*float64(time.Second))
	}
	if s.Messages.Rate == 0 {
		s.Messages.Rate = s.Messages.PerUserHour * float64(s.Users.Count) / 3600
	}
	if s.Groups.Count == 0 {
		s.Messages.GroupShare = 0
	}
}

// checker gathers what is wrong, each with the line of its field.
type checker struct {
	root *yaml.Node
	errs []error
}

// want notes an error about a field (its path, with dots) unless ok.
func (c *checker) want(ok bool, path, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf("line %d: %s %s", c.line(path), path, fmt.Sprintf(format, args...)))
	}
}

// line is where a field is, or the innermost part of its path that is there.
func (c *checker) line(path string) int {
	n := c.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := max(1, n.Line)
parts:
	for part := range strings.SplitSeq(path, ".") {
		if n.Kind != yaml.MappingNode {
			break
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				line, n = n.Content[i].Line, n.Content[i+1]
				continue parts
			}
		}
		break
	}
	return line
}

func (c *checker) share(v float64, path string) {
	c.want(v >= 0 && v <= 1, path, "is %v, want a share between 0 and 1", v)
}

func (c *checker) atLeast(v, least float64, path string) {
	c.want(v >= least && !math.IsInf(v, 0), path, "is %v, want at least %v", v, least)
}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

func (s *Scenario) check(c *checker) {
	c.want(validName.MatchString(s.Name), "name", "is %q, want small letters, digits and dashes", s.Name)
	c.want(s.Users.Count >= 2 && s.Users.Count%2 == 0, "users.count", "is %d, want an even number of people", s.Users.Count)
	c.want(s.Users.Count <= 50_000_000, "users.count", "is %d, want at most 50 million", s.Users.Count)
	c.share(s.Users.Active, "users.active")
	c.want(s.Users.Active*float64(s.Users.Count) >= 1 || s.Messages.Rate == 0, "users.active", "is %v: nobody writes", s.Users.Active)
	c.want(s.Duration > 0, "duration", "is %s, want how long the steady time lasts", s.Duration)
	c.want(s.Points >= 100*time.Millisecond && s.Points <= time.Minute, "points", "is %s, want 100ms to 1m", s.Points)
	s.checkServer(c)
	s.checkPeople(c)
	s.checkEvents(c)
}

func (s *Scenario) checkServer(c *checker) {
	v := &s.Server
	switch v.Engine {
	case Embedded, Cluster:
		c.want(len(v.Targets) == 0, "server.targets", "goes with engine targets")
		c.want(v.Store == "" && v.Secret == "", "server.engine", "is %s, which has a store and a secret of its own", v.Engine)
		c.want(v.Engine == Embedded || v.Gateways >= 1 && v.Gateways <= 200, "server.gateways", "is %d, want 1 to 200", v.Gateways)
	case Targets:
		c.want(len(v.Targets) > 0, "server.targets", "is empty: which gateways?")
		for _, t := range v.Targets {
			a, err := netip.ParseAddrPort(t)
			c.want(err == nil && a.Addr().Is4(), "server.targets", "has %q, want IPv4:port", t)
		}
		c.want(strings.HasPrefix(v.Store, "cql://"), "server.store", "is %q, want the gateways' cql://…", v.Store)
		c.want(v.Secret != "", "server.secret", "is missing: the file of the secret that the gateways accept")
		c.want(s.Restart.Share == 0, "restart.share", "needs gateways that the harness has started")
	default:
		c.want(false, "server.engine", "is %q, want %s, %s or %s", v.Engine, Embedded, Cluster, Targets)
	}
	c.want(v.HeapMB >= 256, "server.cassandraHeapMB", "is %d, want at least 256", v.HeapMB)
	c.want(v.GOGC >= 5, "server.gogc", "is %d, want at least 5", v.GOGC)
	c.want(v.Procs >= 0 && (v.Procs == 0 || v.Engine == Cluster), "server.procs", "is %d: at least 0, and only of a cluster of the harness's own", v.Procs)
	n := &s.Network
	c.want(!n.Own || v.Engine != Targets, "network.own", "needs gateways that the harness starts")
	c.want(n.Buckets == 0 || n.Own, "network.buckets", "goes with network.own")
	c.want(n.Buckets >= 0 && n.Buckets <= 1<<24, "network.buckets", "is %d, want at most 16,777,216", n.Buckets)
	w := &s.Workers
	c.want(w.Procs >= 0, "workers.procs", "is %d, want at least 0", w.Procs)
	c.want(w.Each >= 1 && w.Each <= 1_000_000, "workers.each", "is %d, want 1 to 1,000,000", w.Each)
	c.want(w.GOGC >= 5, "workers.gogc", "is %d, want at least 5", w.GOGC)
	c.want(len(w.Machines) > 0, "workers.machines", "is empty")
	for _, m := range w.Machines {
		ok := m == "local" || strings.HasPrefix(m, "ssh:") && len(m) > 4 || strings.HasPrefix(m, "tcp:") && len(m) > 4
		c.want(ok, "workers.machines", "has %q, want local, ssh:HOST or tcp:HOST:PORT", m)
		c.want(!n.Own || m == "local", "workers.machines", "has %q, which network.own can't reach", m)
	}
	for _, src := range w.Sources {
		p, err := netip.ParsePrefix(src)
		c.want(err == nil && p.Addr().Is4(), "workers.sources", "has %q, want an IPv4 network such as 10.1.0.0/16", src)
	}
}

func (s *Scenario) checkPeople(c *checker) {
	g, m := &s.Groups, &s.Messages
	c.want(g.Count >= 0 && g.Count <= 50_000_000, "groups.count", "is %d, want 0 to 50 million", g.Count)
	if g.Count > 0 {
		c.want(g.Min >= 2 && g.Min <= g.Max, "groups.min", "is %d, want 2 to groups.max", g.Min)
		c.want(g.Max <= 256 && g.Max <= s.Users.Count, "groups.max", "is %d, want at most 256, and at most users.count", g.Max)
		c.want(g.Tail > 0.1 && g.Tail <= 10, "groups.tail", "is %v, want 0.1 to 10", g.Tail)
	}
	c.atLeast(s.Ramp.Rate, 1, "ramp.rate")
	c.want(s.Ramp.Window >= 1, "ramp.window", "is %d, want at least 1", s.Ramp.Window)
	c.want(s.Ramp.Gateways >= 0, "ramp.gateways", "is negative")
	c.want(s.Ramp.Settle >= 0, "ramp.settle", "is negative")
	c.atLeast(m.Rate, 0, "messages.rate")
	c.atLeast(m.PerUserHour, 0, "messages.perUserHour")
	c.want(m.Rise >= 0, "messages.rise", "is negative")
	c.want(m.Bytes >= 80 && m.Bytes <= 4000, "messages.bytes", "is %d, want 80 to 4,000", m.Bytes)
	c.share(m.GroupShare, "messages.groupShare")
	c.share(m.MediaShare, "messages.mediaShare")
	c.want(m.MediaBytes >= 100 && m.MediaBytes <= 8<<20, "messages.mediaBytes", "is %d, want 100 to 8 MiB", m.MediaBytes)
	c.want(m.Reply >= 0 && m.Reply < 1, "messages.reply", "is %v, want a share below 1: answers are answered too", m.Reply)
	c.want(m.Think >= 0, "messages.think", "is negative")
	c.share(s.Reading.Share, "reading.share")
	c.share(s.Typing.Share, "typing.share")
	c.want(s.Reading.After >= 0, "reading.after", "is negative")
	c.want(s.Typing.Before >= 0, "typing.before", "is negative")
}

func (s *Scenario) checkEvents(c *checker) {
	c.atLeast(s.Churn.PerHour, 0, "churn.perHour")
	c.share(s.Churn.Rude, "churn.rude")
	c.want(s.Churn.Away >= 0, "churn.away", "is negative")
	st := &s.Storm
	c.want(st.Count >= 0 && st.Count <= s.Users.Count, "storm.count", "is %d, want 0 to users.count", st.Count)
	if st.Count > 0 {
		c.want(st.At >= 0 && st.At+st.Away < s.Duration, "storm.at", "is %s: with storm.away that is after the end (%s)", st.At, s.Duration)
		c.want(st.Spread >= 0, "storm.spread", "is negative")
		c.want(st.Pending >= 0 && st.Pending <= 10000, "storm.pending", "is %d, want 0 to 10,000", st.Pending)
		c.want(st.Pending == 0 || st.Away > 0, "storm.pending", "is %d, but nobody is away (storm.away)", st.Pending)
		c.want(st.Pending == 0 || st.Count <= s.Users.Count/2, "storm.count", "is %d: with storm.pending at most half of the users, somebody must write to them", st.Count)
	}
	c.share(s.Restart.Share, "restart.share")
	c.want(s.Restart.Share == 0 || s.Server.Engine == Cluster, "restart.share", "needs engine cluster")
	c.want(s.Restart.Share == 0 || s.Restart.At >= 0 && s.Restart.At < s.Duration, "restart.at", "is %s, after the end (%s)", s.Restart.At, s.Duration)
	c.want(s.Check.Quiet > 0, "check.quiet", "is %s, want a time", s.Check.Quiet)
	c.want(s.Check.Again >= 0, "check.again", "is negative")
	c.want(s.Check.Histories >= 0, "check.histories", "is negative")
}
