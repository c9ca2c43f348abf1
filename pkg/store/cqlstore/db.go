package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// reconnectEvery is how often nodes known to be down are tried.
	reconnectEvery = 5 * time.Second
	// busyReplica is how many requests may wait at a node before others are asked first: a stopped one collects them.
	busyReplica = 256
)

var errNoClock = errors.New("cqlstore: no clock was set")

// DB is a connection to the cluster: all ports of the store.
type DB struct {
	o       Options
	session gocqlx.Session
	quiet   *quietLast
	guard   *breaker.Breaker
	flow    *flow
	stats   counters
	clock   atomic.Pointer[Clock]
	hook    atomic.Pointer[intercept]
	// serialLevel is the level of compare-and-set, and of reads that settle one first.
	serialLevel gocql.Consistency

	closed atomic.Bool
	closes sync.Once
	// background are writes whose caller has gone; Close waits for them.
	background sync.WaitGroup

	deliveryState
}

// Open connects to the cluster and checks the schema. The DB must be closed.
func Open(ctx context.Context, o Options) (*DB, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &DB{o: o, serialLevel: gocql.LocalSerial}
	if o.GlobalSerial {
		d.serialLevel = gocql.Serial
	}
	if o.Clock != nil {
		d.SetClock(o.Clock)
	}
	d.flow = newFlow(d.o.attempt())
	d.guard = breaker.New(breaker.Options{Name: "cql", Failure: silence, Log: o.Log})
	if d.o.DC == "" {
		if d.o.DC, err = discoverDC(ctx, &d.o); err != nil {
			return nil, err
		}
	}
	d.session, d.quiet, err = connect(ctx, &d.o, o.Keyspace, d.serialLevel, retryOnce{&d.stats}, d.guard.Restore)
	if err != nil {
		return nil, withoutKeyspace(ctx, &d.o, err)
	}
	d.deliveryState.init(d)
	if !o.AnySchema {
		if err := d.checkSchema(ctx); err != nil {
			d.disconnect()
			return nil, err
		}
	}
	return d, nil
}

// SetClock sets the clock that makes events' ids. Until then writes that need one fail.
func (d *DB) SetClock(c Clock) { d.clock.Store(&c) }

// DC is the datacenter whose nodes are asked.
func (d *DB) DC() string { return d.o.DC }

// Ports are the ports of the store, all on this DB.
func (d *DB) Ports() store.Store {
	s := store.Store{
		Listing: listing{d}, Users: users{d}, Sessions: sessions{d}, Blocks: blocks{d}, Media: media{d}, Changes: changes{d},
		Leases: leases{d}, Engine: d,
	}
	d.deliveryPorts(&s)
	return s
}

var pingNow = written(forSchema, "SELECT now() FROM system.local")

// Ping asks any node of the datacenter for its time.
func (d *DB) Ping(ctx context.Context) error {
	var u gocql.UUID
	return d.one(ctx, pingNow, nil, &u)
}

// Close waits for writes under way in the background and ends the connections.
func (d *DB) Close() error {
	d.closes.Do(func() {
		d.closed.Store(true)
		d.background.Wait()
		d.disconnect()
	})
	return nil
}

func (d *DB) disconnect() {
	d.quiet.close()
	d.session.Close()
}

func (d *DB) nextEvent() (chat.EventID, error) {
	c := d.clock.Load()
	if c == nil {
		return 0, errNoClock
	}
	n, err := (*c).Next()
	if err != nil {
		return 0, fmt.Errorf("cqlstore: event id: %w", err)
	}
	return chat.EventID(n), nil
}

// cluster is the driver's configuration that every connection of this package has.
func cluster(o *Options) *gocql.ClusterConfig {
	hosts := make([]string, len(o.Hosts))
	for i, h := range o.Hosts {
		if _, _, err := net.SplitHostPort(h); err != nil {
			h = net.JoinHostPort(strings.Trim(h, "[]"), strconv.Itoa(o.Port))
		}
		hosts[i] = h
	}
	c := gocql.NewCluster(hosts...)
	c.ProtoVersion = 4 // what Cassandra 4.1, 5.0 and ScyllaDB share
	c.NumConns = o.Conns
	c.Timeout, c.WriteTimeout = o.attempt(), o.attempt()
	c.ConnectTimeout, c.ReadTimeout = o.Timeout, o.Timeout
	c.ReconnectInterval = reconnectEvery
	c.ReconnectionPolicy = &gocql.ExponentialReconnectionPolicy{MaxRetries: 5, InitialInterval: 200 * time.Millisecond, MaxInterval: 2 * time.Second}
	c.InitialReconnectionPolicy = &gocql.NoReconnectionPolicy{} // who opens a DB decides whether to try again
	c.DefaultIdempotence = false
	c.Logger = driverLog{o.Log}
	if o.Username != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: o.Username, Password: o.Password}
	}
	if o.TLS != nil {
		c.SslOpts = &gocql.SslOptions{Config: o.TLS.Clone(), EnableHostVerification: !o.TLS.InsecureSkipVerify}
	}
	return c
}

// connect opens a session that asks only the nodes of o.DC, replicas first, and those that don't answer last; answers is told
// when one of these does.
func connect(ctx context.Context, o *Options, keyspace string, serial gocql.Consistency, retry gocql.RetryPolicy, answers func()) (gocqlx.Session, *quietLast, error) {
	c := cluster(o)
	c.Keyspace = keyspace
	c.Consistency = gocql.LocalQuorum
	if o.Consistency == Quorum {
		c.Consistency = gocql.Quorum
	}
	c.SerialConsistency = serial
	c.RetryPolicy = retry
	// A LOCAL_QUORUM that another datacenter answers is its quorum, not ours: never fail over to one.
	quiet := newQuietLast(gocql.TokenAwareHostPolicy(
		gocql.DCAwareRoundRobinPolicy(o.DC, gocql.HostPolicyOptionDisableDCFailover), gocql.AvoidSlowReplicas(busyReplica)), o.attempt(), answers, o.Log)
	c.PoolConfig.HostSelectionPolicy = quiet
	s, err := dial(ctx, o, c)
	if err != nil {
		quiet.close()
	}
	return s, quiet, err
}

// discoverDC asks the first host that answers where it stands.
func discoverDC(ctx context.Context, o *Options) (dc string, err error) {
	c := cluster(o)
	c.Consistency = gocql.LocalOne
	c.NumConns = 1
	c.DisableInitialHostLookup = true
	s, err := dial(ctx, o, c)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if err := s.Session.Query("SELECT data_center FROM system.local").WithContext(ctx).Scan(&dc); err != nil {
		return "", fmt.Errorf("cqlstore: datacenter of %s: %w: %s", strings.Join(o.Hosts, ", "), store.ErrUnavailable, err.Error())
	}
	return dc, nil
}

// withoutKeyspace explains an error of connect: the driver says only that there are no connections when a keyspace is missing.
func withoutKeyspace(ctx context.Context, o *Options, err error) error {
	c := cluster(o)
	c.Consistency = gocql.LocalOne
	c.NumConns = 1
	s, dialled := dial(ctx, o, c)
	if dialled != nil {
		return err
	}
	defer s.Close()
	if _, _, found, asked := replicationOf(ctx, s.Session, o.Keyspace); asked != nil || found {
		return err
	}
	return fmt.Errorf("%w: there is no keyspace %s: run murre migrate", ErrSchema, o.Keyspace)
}

// dial opens a session. The driver takes no context for it; when ctx ends first, the session is closed once it is there.
func dial(ctx context.Context, o *Options, c *gocql.ClusterConfig) (gocqlx.Session, error) {
	type opened struct {
		s   gocqlx.Session
		err error
	}
	ready := make(chan opened, 1)
	go func() {
		s, err := gocqlx.WrapSession(c.CreateSession())
		ready <- opened{s, err}
	}()
	select {
	case r := <-ready:
		if r.err != nil {
			return gocqlx.Session{}, fmt.Errorf("cqlstore: connect to %s: %w: %s", strings.Join(o.Hosts, ", "), store.ErrUnavailable, r.err.Error())
		}
		return r.s, nil
	case <-ctx.Done():
		go func() {
			if r := <-ready; r.err == nil {
				r.s.Close()
			}
		}()
		return gocqlx.Session{}, fmt.Errorf("cqlstore: connect to %s: %w: %w", strings.Join(o.Hosts, ", "), store.ErrUnavailable, ctx.Err())
	}
}

// driverLog passes on what the driver logs. It does so without levels: most of it is about nodes that come and go.
type driverLog struct{ log *slog.Logger }

func (l driverLog) Print(v ...any)            { l.say(fmt.Sprint(v...)) }
func (l driverLog) Printf(f string, v ...any) { l.say(fmt.Sprintf(f, v...)) }
func (l driverLog) Println(v ...any)          { l.say(fmt.Sprint(v...)) }

func (l driverLog) say(s string) { l.log.Debug("cql driver", "said", strings.TrimSpace(s)) }
