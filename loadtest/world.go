package loadtest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/loadtest/wire"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/client"
)

func cores() int { return runtime.NumCPU() }

// person is a user of the server under test.
type person struct {
	subject string
	token   string
	id      chat.UserID // known after meet
	rest    *client.REST
}

// people mints n people of a family; they exist on the server once they were met or connected.
func people(s *Server, family string, n int) []*person {
	ps := make([]*person, n)
	for i := range ps {
		subject := fmt.Sprintf("%s%d", family, i)
		ps[i] = &person{subject: subject, token: population.Token(s.Secret, subject)}
	}
	return ps
}

// device is a person's n-th device, the same in every run.
func (p *person) device(n int) chat.DeviceID {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(p.subject), uint32(n)))
	var d chat.DeviceID
	copy(d[:], sum[:])
	d[6], d[8] = d[6]&0x0f|0x80, d[8]&0x3f|0x80
	return d
}

// restTransport is shared by all people: a few warm connections to the server.
func restTransport() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16, MaxConnsPerHost: 16}}
}

// meet learns everybody's user id; it makes the users on the server.
func meet(ctx context.Context, s *Server, ps []*person) error {
	base, err := client.NewREST(s.URL, "", restTransport())
	if err != nil {
		return fmt.Errorf("rest client: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, p := range ps {
		g.Go(func() error {
			p.rest = base.WithToken(p.token)
			if !p.id.IsZero() {
				return nil
			}
			u, err := patiently(ctx, func() (client.User, error) { return p.rest.Me(ctx) })
			if err != nil {
				return fmt.Errorf("who is %s: %w", p.subject, err)
			}
			p.id = u.ID
			return nil
		})
	}
	return g.Wait()
}

// directs makes the direct conversation of each pair (people 2i and 2i+1).
func directs(ctx context.Context, ps []*person) ([]chat.ConversationID, error) {
	out := make([]chat.ConversationID, len(ps)/2)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range out {
		g.Go(func() error {
			c, err := patiently(ctx, func() (client.Conversation, error) { return ps[2*i].rest.Direct(ctx, ps[2*i+1].id) })
			if err != nil {
				return fmt.Errorf("direct conversation %d: %w", i, err)
			}
			out[i] = c.ID
			return nil
		})
	}
	return out, g.Wait()
}

// group makes a group of all.
func group(ctx context.Context, ps []*person) (chat.ConversationID, error) {
	ids := make([]chat.UserID, 0, len(ps)-1)
	for _, p := range ps[1:] {
		ids = append(ids, p.id)
	}
	// One that was made unknown to us is a group in which nobody writes.
	c, err := patiently(ctx, func() (client.Conversation, error) {
		return ps[0].rest.CreateConversation(ctx, chat.Group, "load", ids...)
	})
	if err != nil {
		return chat.ConversationID{}, fmt.Errorf("make a group of %d: %w", len(ps), err)
	}
	return c.ID, nil
}

// patience is how long REST calls that are no part of a measurement are tried.
const patience = 60 * time.Second

// patiently calls until the answer isn't UNAVAILABLE: a cluster that has just lost a part, or all of a busy machine, says so.
func patiently[T any](ctx context.Context, call func() (T, error)) (T, error) {
	for end := time.Now().Add(patience); ; {
		v, err := call()
		var refused *chat.Error
		if err == nil || !errors.As(err, &refused) || refused.Code != chat.CodeUnavailable || time.Now().After(end) {
			return v, err
		}
		t := time.NewTimer(500 * time.Millisecond)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return v, err
		}
	}
}

// socket is a person's n-th device as a client of the loop.
func (p *person) socket(l *wire.Loop, s *Server, n int, h wire.Handler, data int) *wire.Client {
	return &wire.Client{Loop: l, Target: s.target(), Token: p.token, Device: p.device(n), User: p.id, Handler: h, Data: data}
}
