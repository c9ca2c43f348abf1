package cqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/breaker"
	"github.com/murre-chat/murre/pkg/store"
)

// translate turns a driver's error into one of the port's, with the driver's text and without its type.
func (d *DB) translate(ctx context.Context, what string, err error) error {
	var request gocql.RequestError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gocql.ErrNotFound):
		return fmt.Errorf("cqlstore: %s: %w", what, store.ErrNotFound)
	case errors.Is(err, gocql.ErrSessionClosed), d.closed.Load():
		return fmt.Errorf("cqlstore: %s: %w", what, store.ErrClosed)
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("cqlstore: %s: %w", what, err)
	case ctx.Err() != nil:
		return fmt.Errorf("cqlstore: %s: %w: %w", what, store.ErrUnavailable, ctx.Err())
	case errors.As(err, &request) && refused(request.Code()):
		return fmt.Errorf("cqlstore: %s: %s", what, err.Error())
	}
	return fmt.Errorf("cqlstore: %s: %w (unknown whether done): %s", what, store.ErrUnavailable, err.Error())
}

// refused: the statement itself is at fault, so that no other time or node would take it.
func refused(code int) bool {
	switch code {
	case gocql.ErrCodeSyntax, gocql.ErrCodeInvalid, gocql.ErrCodeUnauthorized, gocql.ErrCodeConfig, gocql.ErrCodeCredentials,
		gocql.ErrCodeProtocol, gocql.ErrCodeAlreadyExists:
		return true
	}
	return false
}

// uncertain reports whether an error of a compare-and-set leaves open if it was applied.
func uncertain(err error) bool { return errors.Is(err, store.ErrUnavailable) }

// silence reports whether an error means that nobody answered: it counts towards opening the circuit breaker. What a node said,
// though it be that others are missing, doesn't: other partitions may have their replicas. Nor does what was not tried again
// on another node, as one stopped node would else open the breaker for all.
func silence(err error) bool {
	var s *silent
	return errors.As(err, &s)
}

// silent marks an error that silence counts.
type silent struct{ error }

func (s *silent) Unwrap() error { return s.error }

// judge marks err when nobody answered. again: the statement was one that is tried on a second node.
func judge(err error, again, late bool) error {
	switch {
	case errors.Is(err, gocql.ErrNoConnections), errors.Is(err, gocql.ErrNoConnectionsInPool), errors.Is(err, gocql.ErrHostDown),
		errors.Is(err, gocql.ErrNoPool):
		return &silent{err}
	case errors.Is(err, gocql.ErrTimeoutNoResponse) && again, errors.Is(err, context.DeadlineExceeded) && again && late:
		return &silent{err}
	}
	return err
}

// outcomeOf says what an error tells of how much the store can do.
func outcomeOf(err error) outcome {
	var request gocql.RequestError
	switch {
	case err == nil:
		return answered
	case errors.Is(err, breaker.ErrOpen), errors.Is(err, context.Canceled):
		return unasked
	case errors.Is(err, gocql.ErrTimeoutNoResponse), errors.Is(err, context.DeadlineExceeded):
		return late
	case errors.As(err, &request):
		switch request.Code() {
		case gocql.ErrCodeOverloaded, gocql.ErrCodeReadTimeout, gocql.ErrCodeWriteTimeout:
			return late
		}
		return answered
	case errors.Is(err, gocql.ErrNotFound):
		return answered
	}
	return unasked
}

// retryOnce tries an idempotent statement on one more node. A timeout is unknown, so nothing else is tried again.
type retryOnce struct{ stats *counters }

// Attempt implements gocql.RetryPolicy.
func (r retryOnce) Attempt(q gocql.RetryableQuery) bool {
	i, ok := q.(interface{ IsIdempotent() bool })
	if !ok || !i.IsIdempotent() || q.Attempts() > 1 {
		return false
	}
	r.stats.retried.Add(1)
	return true
}

// GetRetryType implements gocql.RetryPolicy.
func (retryOnce) GetRetryType(err error) gocql.RetryType {
	var request gocql.RequestError
	if errors.As(err, &request) && refused(request.Code()) {
		return gocql.Rethrow
	}
	return gocql.RetryNextHost
}
