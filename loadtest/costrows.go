package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store/cqlstore"
)

// wording makes texts whose entropy is that of people's messages, roughly: words of a small vocabulary in any order, where
// a fixed filler would be compressed away.
type wording struct{ rng *rand.Rand }

func newWording(seed uint64) *wording { return &wording{rand.New(rand.NewPCG(seed, 0x77))} }

var vocabulary = strings.Fields(`the and you that was for are with they this have from one had word but not what all were when your can said
there use each which she how their will other about out many then them these some her would make like him into time has look two more write
go see number way could people my than first water been call who oil its now find long down day did get come made may part tomorrow train
station coffee later sorry running late minutes dinner tonight yes okay great thanks love home work meeting call back weekend photo funny
really maybe where already almost kitchen window garden morning evening message answer friend sister brother mother father children school`)

// text is about so many bytes of words.
func (w *wording) text(bytes int) string {
	var b strings.Builder
	for b.Len() < bytes {
		b.WriteString(vocabulary[w.rng.IntN(len(vocabulary))])
		b.WriteByte(' ')
	}
	return b.String()[:bytes]
}

// rows writes rows of messages as cqlstore does, stops the store in peace, which flushes them, and weighs the tables.
func (c *costing) rows(ctx context.Context) error {
	c.step("rows of %d messages", c.o.Rows)
	b, err := openBareDriver(c.fleet.c.StoreURL())
	if err != nil {
		return err
	}
	err = c.writeRows(ctx, b)
	b.close()
	if err != nil {
		return err
	}
	// The gateways first: they would count their store's absence as a fault, and write what they gathered.
	if err := c.fleet.endGateways(ctx); err != nil {
		return err
	}
	if err := c.fleet.c.End(ctx, "cassandra-1"); err != nil {
		return err
	}
	weight, err := tableBytes(filepath.Join(c.fleet.dir, "data", "cassandra-1", "data", "murre"))
	if err != nil {
		return err
	}
	for _, w := range []struct {
		table string
		n     int
	}{{"messages", c.o.Rows + c.sent}, {"claims", c.o.Rows + c.sent}, {"inbox", c.o.Rows + c.events}} {
		if weight[w.table] == 0 {
			return fmt.Errorf("table %s has no files", w.table)
		}
		c.res.other("costs", "disk bytes a row of "+w.table, "B", float64(weight[w.table])/float64(w.n),
			fmt.Sprintf("flushed, compressed, %d rows; texts of %d bytes", w.n, textBytes))
	}
	return nil
}

// writeRows spreads the messages over the conversations, 30 each at least.
func (c *costing) writeRows(ctx context.Context, b *bareDriver) error {
	w := newWording(3)
	convs := min(len(c.convs), max(1, c.o.Rows/30))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i := range c.o.Rows {
		content, p := w.text(textBytes), i%convs
		from, to := c.ps[2*p].id, c.ps[2*p+1].id
		m := id.Make(time.Now().UnixMilli()-id.EpochMillis, bareSlot, i%id.MaxSeq)
		key := chat.NewClientMessageID(time.Now())
		g.Go(func() error {
			micros := m.UnixMillis() * 1000
			digest := make([]byte, 16)
			for j := range digest {
				digest[j] = byte(rand.Uint32())
			}
			return errors.Join(
				b.exec(ctx, bareMessage, gocql.UUID(c.convs[p]), cqlstore.MessageBucket(chat.Direct, chat.MessageID(m)), int64(m), gocql.UUID(from), gocql.UUID(key), "text", content, micros),
				b.exec(ctx, bareClaim, gocql.UUID(from), gocql.UUID(key), int64(m), gocql.UUID(c.convs[p]), digest, micros),
				b.exec(ctx, bareInbox, gocql.UUID(to), cqlstore.InboxBucket(chat.EventID(m)), int64(m), "message", gocql.UUID(c.convs[p]), int64(m), gocql.UUID(from), micros),
			)
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}

// tableBytes weighs the files of each table in a keyspace's folder, whose folders are TABLE-ID.
func tableBytes(dir string) (map[string]int64, error) {
	sum := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		folder, _, _ := strings.Cut(rel, string(filepath.Separator))
		table, _, _ := strings.Cut(folder, "-")
		sum[table] += info.Size()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("weigh the tables: %w", err)
	}
	return sum, nil
}

// socketCaches are the kernel's caches of what an open TCP socket with a place in epoll consists of, but for its entry of the
// directory cache, which has millions of others.
var socketCaches = []string{"TCP", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq"}

// socketBytes is what the kernel's own objects for sockets take, by /proc/slabinfo, which only root may read.
func socketBytes() (int64, error) {
	b, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0, fmt.Errorf("memory of sockets: %w", err)
	}
	return socketBytesIn(string(b))
}

func socketBytesIn(slabinfo string) (sum int64, err error) {
	var sockets, entry float64
	for line := range strings.Lines(slabinfo) {
		// name, objects in use, objects, size of one, objects in a slab, pages of a slab
		var name string
		var used, all, size, each, pages float64
		if n, _ := fmt.Sscan(line, &name, &used, &all, &size, &each, &pages); n < 6 || each == 0 {
			continue // heads
		}
		switch {
		case name == "dentry":
			entry = pages * float64(os.Getpagesize()) / each
		case slices.Contains(socketCaches, name):
			sum += int64(used * pages * float64(os.Getpagesize()) / each)
			if name == "sock_inode_cache" {
				sockets = used
			}
		}
	}
	if sockets == 0 || entry == 0 {
		return 0, errors.New("memory of sockets: /proc/slabinfo doesn't name their caches")
	}
	return sum + int64(sockets*entry), nil
}

// ioBytes is what a process has read and written by read and write calls, of sockets too.
func ioBytes(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, fmt.Errorf("bytes read and written: %w", err)
	}
	var sum int64
	for line := range strings.Lines(string(b)) {
		if name, v, ok := strings.Cut(line, ":"); ok && (name == "rchar" || name == "wchar") {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("bytes read and written: %w", err)
			}
			sum += n
		}
	}
	return sum, nil
}
