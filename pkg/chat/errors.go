package chat

import (
	"errors"
	"fmt"
	"time"
)

// Code is an error code that clients see.
type Code uint8

// The codes. The table below says for each what a client does and which HTTP status it has.
const (
	CodeInvalidJSON Code = iota + 1
	CodeValidation
	CodeUnauthenticated
	CodeForbidden
	CodeNotFound
	CodeConflict
	CodeRateLimited
	CodeTooLarge
	CodeUnavailable
	CodeInternal
)

var codes = [...]struct {
	name  string
	http  int
	retry bool
}{
	CodeInvalidJSON:     {"INVALID_JSON", 400, false},
	CodeValidation:      {"VALIDATION_ERROR", 400, false},
	CodeUnauthenticated: {"UNAUTHENTICATED", 401, false},
	CodeForbidden:       {"FORBIDDEN", 403, false},
	CodeNotFound:        {"NOT_FOUND", 404, false},
	CodeConflict:        {"CONFLICT", 409, false},
	CodeRateLimited:     {"RATE_LIMITED", 429, true},
	CodeTooLarge:        {"TOO_LARGE", 413, false},
	CodeUnavailable:     {"UNAVAILABLE", 503, true},
	CodeInternal:        {"INTERNAL", 500, true},
}

// String returns the protocol's name.
func (c Code) String() string { return codes[c].name }

// ParseCode reads the protocol's name.
func ParseCode(s string) (Code, bool) {
	for i := 1; i < len(codes); i++ {
		if codes[i].name == s {
			return Code(i), true
		}
	}
	return 0, false
}

// HTTPStatus returns the status of a REST answer with this code.
func (c Code) HTTPStatus() int { return codes[c].http }

// Retryable says whether a client may send the same again.
func (c Code) Retryable() bool { return codes[c].retry }

// Error is an error a client may see. Internal causes are wrapped, logged by whoever answers, and never shown.
type Error struct {
	Code       Code
	Field      string // the input field at fault, "" if none
	Message    string
	RetryAfter time.Duration
	Cause      error
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Code.String() + ": " + e.Message
	if e.Field != "" {
		s = e.Code.String() + ": " + e.Field + ": " + e.Message
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Invalid is a VALIDATION_ERROR that names its field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeValidation, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Forbidden is a FORBIDDEN error.
func Forbidden(message string) *Error { return &Error{Code: CodeForbidden, Message: message} }

// NotFound is a NOT_FOUND error.
func NotFound(message string) *Error { return &Error{Code: CodeNotFound, Message: message} }

// Unavailable wraps the failure of something that may work again soon.
func Unavailable(op string, cause error) *Error {
	return &Error{Code: CodeUnavailable, Message: "temporarily unavailable, try again", Cause: fmt.Errorf("%s: %w", op, cause), RetryAfter: time.Second}
}

// CodeOf returns the code of an error; anything that is not an *Error is INTERNAL.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
