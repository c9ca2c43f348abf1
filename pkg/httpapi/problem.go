package httpapi

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/murre-chat/murre/pkg/chat"
)

const problemType = "application/problem+json"

// Problem is the answer to a request that failed (RFC 9457), with the code that frames use too.
type Problem struct {
	Title        string         `json:"title" doc:"The HTTP status in words"`
	Status       int            `json:"status" doc:"HTTP status"`
	Code         string         `json:"code" doc:"Error code" enum:"INVALID_JSON,VALIDATION_ERROR,UNAUTHENTICATED,FORBIDDEN,NOT_FOUND,CONFLICT,RATE_LIMITED,TOO_LARGE,UNAVAILABLE,INTERNAL"`
	Detail       string         `json:"detail,omitempty" doc:"What went wrong, for people"`
	Field        string         `json:"field,omitempty" doc:"The input at fault, the first of errors"`
	Errors       []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"All inputs at fault"`
	RetryAfterMs int64          `json:"retryAfterMs,omitempty" doc:"When to try again, milliseconds"`
}

// FieldProblem says what is wrong with one input.
type FieldProblem struct {
	Field   string `json:"field" doc:"Name of the input, as in body.name without body"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	if p.RetryAfterMs <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {retryAfter(time.Duration(p.RetryAfterMs) * time.Millisecond)}}
}

// retryAfter is a duration in whole seconds, rounded up.
func retryAfter(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// problemOf turns an error into what a client may see. Causes are left out.
func problemOf(err error) *Problem {
	var e *chat.Error
	if !errors.As(err, &e) {
		e = &chat.Error{Code: chat.CodeInternal, Message: "something went wrong"}
	}
	p := &Problem{
		Status: e.Code.HTTPStatus(), Title: http.StatusText(e.Code.HTTPStatus()), Code: e.Code.String(), Detail: e.Message,
		Field: e.Field, RetryAfterMs: e.RetryAfter.Milliseconds(),
	}
	if e.Field != "" {
		p.Detail = e.Field + " " + e.Message
		p.Errors = []FieldProblem{{Field: e.Field, Message: e.Message}}
	}
	return p
}

// fail answers with a problem, and logs what is the server's fault.
func (a *API) fail(r *http.Request, err error) *Problem {
	p := problemOf(err)
	if p.Status >= 500 && r.Context().Err() == nil {
		a.o.Log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	return p
}

// write sends a problem outside of huma.
func (p *Problem) write(w http.ResponseWriter) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// A client that is gone misses its answer; nothing is to be done about it.
	_ = json.NewEncoder(w).Encode(p)
}

// missing is how huma says that a property is required.
var missing = regexp.MustCompile(`^expected required property (.+) to be present$`)

// asProblem turns huma's own errors into ours: the statuses and codes of the protocol, field names without huma's prefix,
// and without the values, which may be passwords.
func asProblem(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Status: e.Status, Detail: e.Detail, Code: chat.CodeValidation.String()}
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		p.Errors = append(p.Errors, fieldProblem(d))
	}
	switch e.Status {
	case http.StatusUnprocessableEntity:
		p.Status = http.StatusBadRequest
	case http.StatusBadRequest:
		p.Code = chat.CodeInvalidJSON.String()
	case http.StatusRequestEntityTooLarge:
		p.Code = chat.CodeTooLarge.String()
	case http.StatusRequestTimeout:
		p.Code = chat.CodeUnavailable.String()
	case http.StatusInternalServerError:
		// The body broke off with its connection: hardly anybody reads this.
		p.Code, p.Detail, p.Errors = chat.CodeInternal.String(), "the body could not be read", nil
	}
	if len(p.Errors) > 0 {
		p.Field = p.Errors[0].Field
		p.Detail = strings.TrimSpace(p.Field + " " + p.Errors[0].Message)
	}
	p.Title = http.StatusText(p.Status)
	return p, nil
}

func fieldProblem(d *huma.ErrorDetail) FieldProblem {
	where := d.Location
	for _, prefix := range []string{"body.", "path.", "query.", "header.", "cookie."} {
		if rest, ok := strings.CutPrefix(where, prefix); ok {
			where = rest
			break
		}
	}
	if m := missing.FindStringSubmatch(d.Message); m != nil {
		if where == "body" {
			return FieldProblem{Field: m[1], Message: "is required"}
		}
		return FieldProblem{Field: where + "." + m[1], Message: "is required"}
	}
	msg := d.Message
	if msg == "unexpected property" {
		msg = "is not known"
	}
	return FieldProblem{Field: where, Message: msg}
}

// oneStatus answers 400 where huma would answer 422: the protocol knows one status for bad input.
type oneStatus struct{ humaContext }

// humaContext has another name than its method Context.
type humaContext huma.Context

// Unwrap lets humago find its own context.
func (c oneStatus) Unwrap() huma.Context { return c.humaContext }

// SetStatus implements huma.Context.
func (c oneStatus) SetStatus(code int) {
	if code == http.StatusUnprocessableEntity {
		code = http.StatusBadRequest
	}
	c.humaContext.SetStatus(code)
}
