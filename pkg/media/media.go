package media

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
)

// Limits of blobs.
const (
	// DefaultMaxSize of one blob, in bytes.
	DefaultMaxSize = 100 << 20
	// ResumeAbove: a larger blob had better be sent in parts; any may be.
	ResumeAbove = 8 << 20
	// MaxFileName is the longest name of a file, in code points.
	MaxFileName = 255
	// UploadLife is how long an upload may take; afterwards what has come is swept away.
	UploadLife = 24 * time.Hour
)

// Errors that engines return (wrapped).
var (
	ErrNotFound = errors.New("media: not found")
	// ErrOffset: the bytes don't continue what is there; ask Offset.
	ErrOffset = errors.New("media: wrong offset")
	// ErrIncomplete: fewer bytes have come than were declared.
	ErrIncomplete = errors.New("media: incomplete")
	// ErrTooLarge: more bytes came than were declared. None beyond are kept.
	ErrTooLarge = errors.New("media: larger than declared")
	// ErrBusy: another request is writing this blob now.
	ErrBusy = errors.New("media: being written")
	// ErrFull: no room. What is stored stays readable.
	ErrFull = errors.New("media: no space left")
)

// Variant of a blob.
type Variant uint8

// The variants.
const (
	Original Variant = iota
	Thumb
)

// Target says where a client sends a blob's bytes. An empty URL: to this server, which passes them to Write.
type Target struct {
	URL     string
	Method  string
	Headers map[string]string
	// Parts, when there are any, are where the bytes may be sent in place of URL, each stretch by a request of its own,
	// in any order and again when it failed.
	Parts []Part
}

// Part is one stretch of a blob and where a client sends exactly it, by Target's Method and with its Headers.
type Part struct {
	URL          string
	Offset, Size int64 // bytes
}

// Blob is an opened blob, closed by who opened it.
type Blob struct {
	io.ReadSeekCloser
	Size        int64
	ModTime     time.Time
	ContentType string // of a thumbnail, where the engine keeps it; otherwise ""
	// Redirect, unless nil, signs an address where clients had better fetch the content themselves, for a few minutes. It
	// answers with these headers. It makes no request.
	Redirect func(contentType, disposition string) (string, error)
}

// Blobs is the port to bytes. Names derive from ids alone; nothing that a client wrote gets into a path.
type Blobs interface {
	// Create prepares the upload of size bytes. Doing it again keeps what has come. ErrFull.
	Create(ctx context.Context, id chat.MediaID, size int64, contentType string) (Target, error)
	// Write stores what r yields from offset on and returns the offset reached, also beside an error: what came before a
	// broken connection stays. offset is what Offset says (ErrOffset), or 0 to start over. ErrTooLarge, ErrFull, ErrBusy.
	Write(ctx context.Context, id chat.MediaID, offset, size int64, r io.Reader) (reached int64, err error)
	// Offset returns how many bytes have come, size when it is complete. ErrNotFound.
	Offset(ctx context.Context, id chat.MediaID) (int64, error)
	// Complete makes the blob durable and returns the SHA-256 of its content; doing it twice is no error. ErrIncomplete.
	Complete(ctx context.Context, id chat.MediaID, size int64) ([32]byte, error)
	// Open opens a complete blob or its thumbnail. ErrNotFound.
	Open(ctx context.Context, id chat.MediaID, v Variant) (Blob, error)
	// PutThumb stores a thumbnail, durably.
	PutThumb(ctx context.Context, id chat.MediaID, data []byte) error
	// Delete removes all of a blob, complete or not. A missing one is no error.
	Delete(ctx context.Context, id chat.MediaID) error
}
