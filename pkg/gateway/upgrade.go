package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/gateway/wsconn"
	"github.com/murre-chat/murre/pkg/protocol"
)

// sessionCookie is the cookie a browser signs in with.
const sessionCookie = "murre_session"

// Upgrade implements wsconn.Handler: it authenticates, counts the connection against its limits, names the device, enters the
// connection everywhere and then reads what its device has.
func (g *Gateway) Upgrade(ctx context.Context, r *wsconn.Request) (wsconn.Accept, *wsconn.Refusal) {
	c, sub, err := g.admitConnection(ctx, r)
	if err != nil {
		g.Stats.Refused.Add(1)
		if code := chat.CodeOf(err); code == chat.CodeInternal || code == chat.CodeUnavailable {
			g.o.Log.Warn("a connection could not be admitted", "error", err)
		}
		return wsconn.Accept{}, refusal(err)
	}
	return wsconn.Accept{Peer: c, Subprotocol: sub}, nil
}

func (g *Gateway) admitConnection(ctx context.Context, r *wsconn.Request) (*conn, string, error) {
	if g.draining.Load() {
		return nil, "", &chat.Error{Code: chat.CodeUnavailable, Message: "the server is going down, come back in a moment", RetryAfter: retrySoon}
	}
	if g.unfit.Load() {
		return nil, "", &chat.Error{Code: chat.CodeUnavailable, Message: "this server can't serve now, another may", RetryAfter: retrySoon}
	}
	g.calm(ctx)
	if err := g.gate.Enter(); err != nil {
		return nil, "", err
	}
	addr := r.RemoteAddr.Addr().As16()
	if wait, err := g.o.Admit.Allow(ctx, admit.LimitConnectAddress, addr); err != nil || wait > 0 {
		return nil, "", limited("connections from your address", wait, err)
	}
	token, sub, cookie := credentials(r)
	if cookie && !g.o.Origins(r.Origin(), r.Host) {
		return nil, "", &chat.Error{Code: chat.CodeForbidden, Field: "Origin", Message: "this origin may not connect"}
	}
	if token == "" {
		return nil, "", &chat.Error{Code: chat.CodeUnauthenticated, Message: "a session cookie, a bearer token or a murre.bearer subprotocol is needed"}
	}
	who, err := g.o.Auth.Confirm(ctx, token)
	if err != nil {
		return nil, "", err
	}
	if wait, err := g.o.Admit.Allow(ctx, admit.LimitConnect, admit.Key(who.User)); err != nil || wait > 0 {
		return nil, "", limited("connections", wait, err)
	}
	device, back, err := placeQuery(r, who)
	if err != nil {
		return nil, "", err
	}
	c := &conn{g: g, user: who.User, device: device, session: who.Session, seq: g.nextSeq(), opening: &opening{back: back}}
	if who.Session == ([32]byte{}) {
		c.expires = who.Expires
	}
	c.enter(ctx)
	if err := c.look(ctx, r); err != nil {
		c.leave()
		return nil, "", err
	}
	return c, sub, nil
}

// Away says after how long somebody is to come again whose turn to be let in didn't come.
func (g *Gateway) Away() time.Duration { return g.gate.Away() }

// calmWait is how long a connection that comes waits for the store to have less to do, and calmLook how often it looks.
const (
	calmWait = 2 * time.Second
	calmLook = 50 * time.Millisecond
)

// calm waits for a while, as long as the store has too much to do. Those behind wait too: one who waits costs nothing, one who is
// refused comes again.
func (g *Gateway) calm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, calmWait)
	defer cancel()
	for g.gate.Busy() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(calmLook/2 + rand.N(calmLook)):
		}
	}
}

// look reads where the connection's device is in its log, and the first of its user's conversations. What can fail because the
// store has too much to do fails here, before the connection is open: who isn't let in costs least.
func (c *conn) look(ctx context.Context, r *wsconn.Request) error {
	name, kind := describe(r)
	row, sole, err := c.g.o.Service.OpenDevice(ctx, c.caller(), name, kind)
	if err != nil {
		return err
	}
	c.sole.CompareAndSwap(0, uint32(sole)) // unless another device came meanwhile
	o := c.opening
	o.place = c.g.o.Inbox.Place(row, o.back)
	if o.pending, err = c.g.o.Inbox.Look(ctx, &o.place); err != nil {
		return chat.Unavailable("look for pending events", err)
	}
	if o.listed, err = c.g.o.Store.Listing.Conversations(ctx, c.user, chat.ConversationID{}, listPage); err != nil {
		return chat.Unavailable("look for channels", err)
	}
	return nil
}

// credentials finds the token of a request and the subprotocol to answer; cookie says that a browser sent it by itself.
func credentials(r *wsconn.Request) (token, subprotocol string, cookie bool) {
	for _, p := range r.Subprotocols {
		if p == protocol.SubprotocolJSON {
			subprotocol = p
		} else if t, ok := strings.CutPrefix(p, protocol.SubprotocolBearer); ok {
			token = t
		}
	}
	if b := r.Bearer(); b != "" {
		return b, subprotocol, false
	}
	if token != "" {
		return token, subprotocol, false
	}
	v, _ := r.Cookie(sessionCookie)
	return v, subprotocol, v != ""
}

// placeQuery reads ?device= and ?cursor=. Without a device the sign-in names one: a client that knows nothing of devices
// has one a sign-in.
func placeQuery(r *wsconn.Request, who auth.Identity) (chat.DeviceID, chat.EventID, error) {
	q := r.Query()
	var device chat.DeviceID
	if v := q.Get("device"); v != "" {
		d, err := chat.ParseDeviceID(v)
		if err != nil || d.IsZero() {
			return device, 0, chat.Invalid("device", "must be a UUID")
		}
		device = d
	} else {
		sum := sha256.Sum256(append(append([]byte("murre device\x00"), who.User[:]...), who.Session[:]...))
		copy(device[:], sum[:])
		device[6], device[8] = device[6]&0x0f|0x80, device[8]&0x3f|0x80
	}
	var back chat.EventID
	if v := q.Get("cursor"); v != "" {
		if err := back.UnmarshalText([]byte(v)); err != nil {
			return device, 0, chat.Invalid("cursor", "must be an event id")
		}
	}
	return device, back, nil
}

func describe(r *wsconn.Request) (name, kind string) {
	name, kind = r.Header("User-Agent"), "app"
	if strings.HasPrefix(name, "Mozilla/") {
		kind = "browser"
	}
	if len(name) > chat.MaxName {
		name = strings.ToValidUTF8(name[:chat.MaxName], "")
	}
	return name, kind
}

// refusal turns an error into the HTTP answer of an upgrade: problem JSON as REST answers it.
func refusal(err error) *wsconn.Refusal {
	var e *chat.Error
	if !errors.As(err, &e) {
		e = &chat.Error{Code: chat.CodeInternal, Message: "something went wrong on our side"}
	}
	status := e.Code.HTTPStatus()
	body := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status, "code": e.Code.String(), "detail": e.Message}
	if e.Field != "" {
		body["field"] = e.Field
	}
	head := http.Header{}
	if e.RetryAfter > 0 {
		head.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if e.Code == chat.CodeUnauthenticated {
		head.Set("WWW-Authenticate", "Bearer")
	}
	text, _ := json.Marshal(body) // strings and an int: can't fail
	return &wsconn.Refusal{Status: status, Header: head, Body: text}
}

func limited(what string, wait time.Duration, err error) error {
	if err != nil {
		return chat.Unavailable("count a connection", err)
	}
	return &chat.Error{Code: chat.CodeRateLimited, Message: "too many " + what, RetryAfter: wait}
}
