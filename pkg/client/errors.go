package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
)

// Errors of a client. Those that the server says are *chat.Error, with code, field and RetryAfter.
var (
	// ErrClosed: Close was called, or Run has ended.
	ErrClosed = errors.New("client is closed")
	// ErrNotConnected: there is no connection now, and what was asked makes no sense later.
	ErrNotConnected = errors.New("not connected")
	// ErrOutboxFull: Options.Outbox sends are waiting for an answer.
	ErrOutboxFull = errors.New("outbox is full")
)

// RefusedError is an upgrade that the server answered with an HTTP status.
type RefusedError struct {
	Status int
	Err    *chat.Error // what the body said
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("connection refused with %d: %v", e.Status, e.Err)
}

// Unwrap returns the server's error.
func (e *RefusedError) Unwrap() error { return e.Err }

// Permanent reports whether trying again is of no use.
func (e *RefusedError) Permanent() bool {
	return e.Status >= 400 && e.Status < 500 && e.Status != 429 && e.Status != 408
}

// CloseError is a close frame of the server.
type CloseError struct {
	Code   protocol.CloseCode
	Reason string
}

// Error implements error.
func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d: %s", e.Code, e.Reason) }

// permanent reports whether a client must not come back by itself after err.
func permanent(err error) bool {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Permanent()
	}
	var closed *CloseError
	return errors.As(err, &closed) && !closed.Code.MayReconnect()
}

// retryAfter is how long the server asked to stay away.
func retryAfter(err error) time.Duration {
	var e *chat.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// fromPayload makes the error of an `error` frame.
func fromPayload(p *protocol.ErrorPayload) *chat.Error {
	code, ok := chat.ParseCode(p.Code)
	if !ok {
		code = chat.CodeInternal
	}
	return &chat.Error{
		Code: code, Field: p.Field, Message: p.Message,
		RetryAfter: time.Duration(p.RetryAfterMs) * time.Millisecond,
	}
}
