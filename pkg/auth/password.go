package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/murre-chat/murre/pkg/chat"
)

// Parameters of argon2id: OWASP's first choice for few threads.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// Bounds of parameters read back from a stored hash, so that a damaged row can't take all memory.
const (
	maxArgonMemory = 1 << 20 // KiB
	maxArgonTime   = 16
	maxArgonLanes  = 16
)

var errBadHash = errors.New("malformed password hash")

// hasher runs argon2id for a bounded number of callers at once; a bounded number more wait.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	queue   int64
}

func newHasher(slots, queue int) *hasher {
	if slots <= 0 {
		slots = runtime.GOMAXPROCS(0)
	}
	if queue <= 0 {
		queue = 64 * slots
	}
	return &hasher{slots: make(chan struct{}, slots), queue: int64(queue)}
}

// enter waits for a slot. It fails at once when too many wait already.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > h.queue {
		h.waiting.Add(-1)
		return chat.Unavailable("hash password", errors.New("too many sign-ins at once"))
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return chat.Unavailable("hash password", ctx.Err())
	}
}

func (h *hasher) leave() { <-h.slots }

// make hashes a password into the PHC form.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	var salt [argonSalt]byte
	_, _ = rand.Read(salt[:]) // crypto/rand.Read never fails
	key := argon2.IDKey(normal(password), salt[:], argonTime, argonMemory, argonThreads, argonKey)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		enc.EncodeToString(salt[:]), enc.EncodeToString(key)), nil
}

// check compares a password with a stored hash. A hash that is empty or malformed costs as much as a good one and never
// matches, so that the time taken doesn't tell whether an account exists.
func (h *hasher) check(ctx context.Context, password, stored string) (ok, stale bool, err error) {
	p, perr := parsePHC(stored)
	if perr != nil {
		p = phc{memory: argonMemory, time: argonTime, lanes: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	key := argon2.IDKey(normal(password), p.salt, p.time, p.memory, p.lanes, uint32(len(p.key)))
	match := subtle.ConstantTimeCompare(key, p.key) == 1
	stale = p.memory != argonMemory || p.time != argonTime || p.lanes != argonThreads
	return match && perr == nil, stale, nil
}

// normal maps the ways to type one password to one (NFC, as RFC 8265 has it).
func normal(password string) []byte { return []byte(norm.NFC.String(password)) }

type phc struct {
	memory, time uint32
	lanes        uint8
	salt, key    []byte
}

func parsePHC(s string) (phc, error) {
	var p phc
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, errBadHash
	}
	var lanes uint32
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &lanes); err != nil || n != 3 {
		return p, errBadHash
	}
	if p.memory < 8*lanes || p.memory > maxArgonMemory || p.time < 1 || p.time > maxArgonTime || lanes < 1 || lanes > maxArgonLanes {
		return p, errBadHash
	}
	p.lanes = uint8(lanes)
	var err error
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(p.salt) < 8 {
		return p, errBadHash
	}
	if p.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(p.key) < 16 || len(p.key) > 64 {
		return p, errBadHash
	}
	return p, nil
}

// validPassword says why a new password is not allowed.
func validPassword(field, s string) error {
	if !utf8.ValidString(s) {
		return chat.Invalid(field, "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(s); n < chat.MinPassword || n > chat.MaxPassword {
		return chat.Invalid(field, "must have %d to %d characters", chat.MinPassword, chat.MaxPassword)
	}
	return nil
}
