package servers

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/murre-chat/murre/deploy/native"
)

// S3Endpoint is an object server and its key.
type S3Endpoint struct {
	URL       string // http://host:port
	AccessKey string
	SecretKey string
}

// startLimit is how long a set may take to start, fetching and other test processes' turns included.
const startLimit = 8 * time.Minute

// Sets of servers. Each is a cluster of package native with a folder and a subnet of its own.
const (
	setCQL     = "cassandra"
	setRedis   = "redis"
	setMinIO   = "minio"
	setVersity = "versity"
	setThree   = "cassandra3"
	setTwoDC   = "twodc"
)

// Sets are the names of all sets, in the order of their subnets.
var sets = []string{setCQL, setRedis, setMinIO, setVersity, setThree, setTwoDC}

// options of a set.
func options(set string) (native.Options, error) {
	root, err := checkout()
	if err != nil {
		return native.Options{}, err
	}
	cache, err := native.Cache()
	if err != nil {
		return native.Options{}, err
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(root))
	opt := native.Options{
		Dir:    filepath.Join(cache, "test-servers", fmt.Sprintf("%08x", h.Sum32()), set),
		Subnet: fmt.Sprintf("127.%d.%d", 64+h.Sum32()%160, 1+slices.Index(sets, set)),
	}
	switch set {
	case setCQL:
		opt.Cassandra = []native.Node{{}}
	case setRedis:
		opt.Redis = true
	case setMinIO:
		opt.S3 = native.MinIO
	case setVersity:
		opt.S3 = native.Versity
	case setThree:
		opt.Cassandra = []native.Node{{HeapMB: 512}, {HeapMB: 512}, {HeapMB: 512}}
	case setTwoDC:
		opt.Cassandra = []native.Node{{DC: "dc1", HeapMB: 512}, {DC: "dc2", HeapMB: 512}}
	default:
		return native.Options{}, fmt.Errorf("servers: no set %q; there are %s", set, strings.Join(sets, ", "))
	}
	return opt, nil
}

// checkout is the folder of go.mod above the working folder: tests run in their package's.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("servers: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("servers: %s is not inside a checkout", dir)
		}
	}
}

// use is this process's use of one set.
type use struct {
	sync.Mutex
	mark *os.File // a share of the set's lock, while it is used
	up   *native.Cluster
}

// uses are one entry a set: what one process shares, however many of its tests ask.
var uses = func() map[string]*use {
	all := map[string]*use{}
	for _, set := range sets {
		all[set] = &use{}
	}
	return all
}()

// Up starts a set, or finds it running, and marks it as used by this process until Release or its end.
func Up(ctx context.Context, set string) (*native.Cluster, error) {
	opt, err := options(set)
	if err != nil {
		return nil, err
	}
	u := uses[set]
	u.Lock()
	defer u.Unlock()
	if u.up != nil && allRun(u.up) {
		return u.up, nil
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if u.mark == nil {
		if u.mark, err = share(opt.Dir + ".use"); err != nil {
			return nil, fmt.Errorf("servers: mark %s as used: %w", set, err)
		}
	}
	if u.up, err = native.Up(ctx, opt); err != nil {
		return nil, fmt.Errorf("servers: %s: %w", set, err)
	}
	return u.up, nil
}

// share takes a share of a lock; the system gives it back when the process ends.
func share(file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func allRun(c *native.Cluster) bool {
	return !slices.ContainsFunc(c.Members(), func(name string) bool { return c.Pid(name) == 0 })
}

// Release ends the use of servers by this process, and ends the clusters of several Cassandra nodes unless another process
// uses them. Call it at the end of TestMain.
func Release() error {
	var errs []error
	for set, u := range uses {
		errs = append(errs, u.release(set))
	}
	return errors.Join(errs...)
}

func (u *use) release(set string) error {
	u.Lock()
	defer u.Unlock()
	if u.mark == nil {
		return nil
	}
	// Upgrading the lock succeeds when nobody else holds a share.
	if (set == setThree || set == setTwoDC) && syscall.Flock(int(u.mark.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		if err := Down(context.Background(), set); err != nil {
			return err
		}
	}
	err := u.mark.Close()
	u.mark, u.up = nil, nil
	return err
}

// Down ends the named sets, or all, and deletes their data.
func Down(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		names = sets
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, set := range names {
		opt, err := options(set)
		if err != nil {
			return err
		}
		if err := native.Down(ctx, opt.Dir); err != nil {
			return fmt.Errorf("servers: %s: %w", set, err)
		}
		if err := native.Remove(opt.Dir); err != nil {
			return fmt.Errorf("servers: %s: %w", set, err)
		}
	}
	return nil
}

// CQL are the contact points (host:port) of one Cassandra node, dc1.
func CQL(t testing.TB) []string {
	t.Helper()
	if named := os.Getenv("MURRE_TEST_CQL"); named != "" {
		return strings.Split(named, ",")
	}
	return need(t, setCQL).CQL()
}

// Cassandra3 are the contact points (host:port) of three Cassandra nodes in dc1, for a replication of 3.
func Cassandra3(t testing.TB) []string {
	t.Helper()
	return need(t, setThree).CQL()
}

// TwoDC are the contact points (host:port) of two Cassandra nodes, the first in dc1, the second in dc2.
func TwoDC(t testing.TB) []string {
	t.Helper()
	return need(t, setTwoDC).CQL()
}

// Redis are the addresses (host:port) of a Redis Cluster of three masters and three replicas.
func Redis(t testing.TB) []string {
	t.Helper()
	if named := os.Getenv("MURRE_TEST_REDIS"); named != "" {
		return strings.Split(named, ",")
	}
	return need(t, setRedis).Redis()
}

// S3 is a MinIO server.
func S3(t testing.TB) S3Endpoint {
	t.Helper()
	if named := os.Getenv("MURRE_TEST_S3"); named != "" {
		u, err := url.Parse(named)
		if err != nil {
			t.Fatalf("MURRE_TEST_S3: %v", err)
		}
		secret, _ := u.User.Password()
		return S3Endpoint{URL: u.Scheme + "://" + u.Host, AccessKey: u.User.Username(), SecretKey: secret}
	}
	return endpoint(need(t, setMinIO))
}

// Versity is a versitygw server over a folder.
func Versity(t testing.TB) S3Endpoint {
	t.Helper()
	return endpoint(need(t, setVersity))
}

func endpoint(c *native.Cluster) S3Endpoint {
	return S3Endpoint{URL: c.S3(), AccessKey: native.S3AccessKey, SecretKey: native.S3SecretKey}
}

func need(t testing.TB, set string) *native.Cluster {
	t.Helper()
	c, err := Up(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// made counts Unique's names of this process.
var made atomic.Int64

// Unique is a name of lower-case letters and digits that no other test uses: for keyspaces, key prefixes, buckets.
func Unique(prefix string) string {
	return fmt.Sprintf("%s%dx%sx%d", prefix, os.Getpid(), time.Now().UTC().Format("0102150405"), made.Add(1))
}
