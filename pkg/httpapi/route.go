package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/service"
)

// endpoint describes one route.
type endpoint struct {
	id, method, path string
	tag, summary     string
	description      string
	status           int  // of success; default 200, or 204 without a body
	public           bool // no sign-in needed
	limited          bool // counted here: the use case behind it doesn't
	signIn           bool // counted by address
}

// who is the caller of a request.
type who struct {
	service.Caller
	identity auth.Identity
	r        *http.Request
}

type whoKey struct{}

// none is the answer without a body.
type none struct{}

// operation is the OpenAPI description of an endpoint.
func (a *API) operation(e endpoint) huma.Operation {
	op := huma.Operation{
		OperationID: e.id, Method: e.method, Path: base + e.path, Tags: []string{e.tag}, Summary: e.summary, Description: e.description,
		DefaultStatus: e.status, MaxBodyBytes: maxBody + 1, // huma refuses a body of exactly the limit
		Responses:   map[string]*huma.Response{"default": a.problemResponse()},
		Middlewares: huma.Middlewares{a.admitting(e)},
	}
	if !e.public {
		op.Security = []map[string][]string{{"bearer": {}}, {"cookie": {}}}
	}
	return op
}

func (a *API) problemResponse() *huma.Response {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(problemGoType, true, "Problem")
	return &huma.Response{
		Description: "The request failed",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

// route registers a handler.
func route[I, O any](a *API, e endpoint, fn func(ctx context.Context, w who, in *I) (*O, error)) {
	huma.Register(a.huma, a.operation(e), func(ctx context.Context, in *I) (*O, error) {
		w, _ := ctx.Value(whoKey{}).(who) // always set by admitting
		out, err := fn(ctx, w, in)
		if err != nil {
			return nil, a.fail(w.r, err)
		}
		return out, nil
	})
}

// stream registers a handler that reads the request's body, or writes the answer, as it comes.
func (a *API) stream(op huma.Operation, fn func(w http.ResponseWriter, r *http.Request, c who)) {
	a.huma.OpenAPI().AddOperation(&op)
	a.huma.Adapter().Handle(&op, op.Middlewares.Handler(func(ctx huma.Context) {
		c, _ := ctx.Context().Value(whoKey{}).(who) // always set by admitting
		_, w := humago.Unwrap(ctx)
		fn(w, c.r, c)
	}))
}

// admitting says who asks and whether they may ask now, before anything of the request is looked at.
func (a *API) admitting(e endpoint) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		c, err := a.admit(r, e)
		if err != nil {
			p := a.fail(r, err)
			if p.Status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="murre"`)
			}
			p.write(w)
			return
		}
		next(oneStatus{huma.WithValue(ctx, whoKey{}, c)})
	}
}

func (a *API) admit(r *http.Request, e endpoint) (who, error) {
	c := who{r: r}
	if e.signIn {
		if err := a.allow(r.Context(), admit.LimitAuthAddress, addressKey(r)); err != nil {
			return c, err
		}
	}
	token, from := auth.Credential(r.Header.Get("Authorization"), cookieHeader(r), nil)
	// A page of another origin can make a browser act with its cookie, or sign it in as somebody else.
	if unsafe(r.Method) && (from == auth.FromCookie || e.public) {
		if !a.o.Origins.Allowed(r.Header.Get("Origin"), r.Host, from == auth.FromCookie && !e.public) {
			return c, foreignOrigin()
		}
	}
	if e.public {
		return c, nil
	}
	id, err := a.o.Accounts.Authenticate(r.Context(), token)
	if err != nil {
		return c, err
	}
	c.identity = id
	c.Caller = service.Caller{User: id.User, Session: id.Session}
	if e.limited {
		if err := a.allow(r.Context(), admit.LimitOther, admit.Key(id.User)); err != nil {
			return c, err
		}
	}
	return c, nil
}
