package s3media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/media"
)

const (
	// PartSize of uploads in bytes; S3 wants at least 5 MiB. Clients that go through the gateway send as much at a time.
	PartSize = 8 << 20
	// maxParts of one blob, by S3's rules.
	maxParts = 10_000
	// maxDirect is how many presigned parts a client is given at most; a larger blob goes through the gateway.
	maxDirect = 1_000
	// writers at once, each with a buffer of PartSize. More wait a little, then are told to come again.
	writers = 8
	// longer is how many times Timeout a request may take that carries or joins parts.
	longer = 6
	// attempts of a request that fails in a way that may pass, and the pause after the first; the next is twice as long.
	attempts   = 3
	firstPause = 100 * time.Millisecond
)

// Bucket implements media.Blobs in a bucket of S3. Safe for concurrent use; many gateways share one bucket.
type Bucket struct {
	o        Options
	s3       *minio.Core
	public   *minio.Client // signs addresses for clients; never asked itself
	brk      *breaker.Breaker
	requests [opCount]atomic.Uint64
	failures [opCount]atomic.Uint64
	buffers  chan []byte // of PartSize, made on first use
	close    func()

	mu sync.Mutex
	// writing are the blobs that a request is writing or completing here now; guarded by mu.
	writing map[chat.MediaID]struct{}
}

var _ media.Blobs = (*Bucket)(nil)

// Open connects to the bucket, and makes it when it is missing and that is allowed. When S3 can't be reached Open succeeds
// all the same, with a warning in the log: chat doesn't wait for pictures. When S3 refuses, it fails.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	o.fill()
	if err := o.validate(); err != nil {
		return nil, err
	}
	transport := newTransport(o.Timeout)
	creds := credentials.NewStaticV4(o.AccessKey, o.SecretKey, "")
	core, err := minio.NewCore(o.Endpoint, &minio.Options{
		Creds: creds, Secure: o.Secure, Region: o.Region, Transport: transport, MaxRetries: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("--s3: %s", err.Error())
	}
	host, secure, err := o.public()
	if err != nil {
		return nil, err
	}
	public, err := minio.New(host, &minio.Options{Creds: creds, Secure: secure, Region: o.Region, Transport: transport})
	if err != nil {
		return nil, fmt.Errorf("--s3: public: %s", err.Error())
	}
	b := &Bucket{
		o: o, s3: core, public: public, close: transport.CloseIdleConnections,
		brk:     breaker.New(breaker.Options{Name: "s3", Failure: unavailable, Log: o.Log}),
		buffers: make(chan []byte, writers), writing: make(map[chat.MediaID]struct{}),
	}
	for range writers {
		b.buffers <- nil
	}
	switch err := b.ensure(ctx); {
	case err == nil:
	case unavailable(err) || errors.Is(err, breaker.ErrOpen):
		o.Log.Warn("S3 can't be reached; media wait for it", "endpoint", o.Endpoint, "err", err)
	default:
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	return b, nil
}

// Close ends idle connections.
func (b *Bucket) Close() error {
	b.close()
	return nil
}

// ensure makes the bucket when it is missing.
func (b *Bucket) ensure(ctx context.Context) error {
	var there bool
	err := b.call(ctx, opBucket, b.o.Timeout, func(ctx context.Context) (err error) {
		there, err = b.s3.BucketExists(ctx, b.o.Bucket)
		return err
	})
	if err != nil || there {
		return err
	}
	err = b.call(ctx, opBucket, b.o.Timeout, func(ctx context.Context) error {
		err := b.s3.MakeBucket(ctx, b.o.Bucket, minio.MakeBucketOptions{Region: b.o.Region})
		if minio.ToErrorResponse(err).Code == "BucketAlreadyOwnedByYou" {
			return nil // another gateway was faster
		}
		return err
	})
	if err == nil {
		b.o.Log.Info("bucket made", "bucket", b.o.Bucket)
	} else if !unavailable(err) {
		err = fmt.Errorf("the bucket %s is missing and may not be made with these keys; make it: %w", b.o.Bucket, err)
	}
	return err
}

// lock makes the caller the only writer of a blob in this process.
func (b *Bucket) lock(id chat.MediaID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, busy := b.writing[id]; busy {
		return media.ErrBusy
	}
	b.writing[id] = struct{}{}
	return nil
}

func (b *Bucket) unlock(id chat.MediaID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.writing, id)
}

func key(id chat.MediaID, v media.Variant) string {
	k := fmt.Sprintf("media/%02x/%s", id[15], id)
	if v == media.Thumb {
		k += ".thumb"
	}
	return k
}

func stateKey(id chat.MediaID) string { return "uploads/" + id.String() + ".json" }
func tailKey(id chat.MediaID) string  { return "uploads/" + id.String() + ".tail" }

// op names a kind of request, for counting.
type op uint8

const (
	opBucket op = iota
	opState
	opBegin
	opPart
	opList
	opJoin
	opAbort
	opStat
	opGet
	opPut
	opDelete
	opCount
)

func (o op) String() string {
	return [...]string{"bucket", "state", "begin", "part", "list", "join", "abort", "stat", "get", "put", "delete"}[o]
}

// Requests tells how many requests of each kind were made.
func (b *Bucket) Requests(emit func(kind string, n float64)) {
	for o := range opCount {
		emit(o.String(), float64(b.requests[o].Load()))
	}
}

// Failures tells how many requests of each kind failed because S3 couldn't be reached, was too slow, or failed itself.
func (b *Bucket) Failures(emit func(kind string, n float64)) {
	for o := range opCount {
		emit(o.String(), float64(b.failures[o].Load()))
	}
}

// Breaker is the circuit breaker before S3, for its state.
func (b *Bucket) Breaker() *breaker.Breaker { return b.brk }

// call makes one request, within a deadline for all its attempts and behind the breaker. f may be called several times. The
// driver doesn't retry by itself: its second attempt may hide what the first one was told. Errors are of the port's making.
func (b *Bucket) call(ctx context.Context, o op, limit time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := firstPause; ; pause *= 2 {
		err := b.brk.Do(func() error {
			b.requests[o].Add(1)
			return translate(f(ctx))
		})
		if !unavailable(err) {
			return err
		}
		b.failures[o].Add(1)
		if pause >= firstPause<<(attempts-1) {
			return err
		}
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

// drop deletes objects that nobody needs any more. They are found again when a blob is deleted.
func (b *Bucket) drop(ctx context.Context, keys ...string) {
	for _, k := range keys {
		if err := b.remove(ctx, k); err != nil {
			b.o.Log.Warn("a leftover of an upload stays in S3", "key", k, "err", err)
		}
	}
}

func (b *Bucket) remove(ctx context.Context, k string) error {
	err := b.call(ctx, opDelete, b.o.Timeout, func(ctx context.Context) error {
		return b.s3.RemoveObject(ctx, b.o.Bucket, k, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, media.ErrNotFound) {
		return nil
	}
	return err
}

var _ slog.LogValuer = Options{}

// LogValue keeps the secret out of logs.
func (o Options) LogValue() slog.Value {
	return slog.GroupValue(slog.String("endpoint", o.Endpoint), slog.String("bucket", o.Bucket), slog.String("public", o.Public))
}
