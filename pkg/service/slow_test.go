package service

import (
	"context"
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/admit"
	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// waiting is an admission that takes its time, as while Redis can't be trusted, and then has a new id made.
type waiting struct {
	admit.Admission
	during func()
	held   int // claims that nobody is done with
}

func (w *waiting) Admit(ctx context.Context, r admit.Request) (admit.Decision, error) {
	w.during()
	d, err := w.Admission.Admit(ctx, r)
	if err == nil && d.Fresh {
		d.Held.Message, err = r.Renew()
		w.held++
	}
	return d, err
}

func (w *waiting) Done(c store.Claim) { w.held--; w.Admission.Done(c) }

// A send that had to wait is judged by who is a member afterwards: a removal counts five seconds later, and the wait is longer.
func TestMembershipAfterALongWait(t *testing.T) {
	r := newRig(t)
	p := r.people(3)
	group := r.create(p[0], chat.Group, "g", p[1], p[2])
	w := &waiting{Admission: r.admit}
	r.admit = w
	send := func() (SendResult, error) {
		r.pushes.take(0)
		return r.Send(context.Background(), p[1], SendRequest{Conversation: group, ClientMessage: chat.NewClientMessageID(time.Now()), Content: "x", ContentType: chat.Text, Resend: true})
	}
	remove := func(c Caller) func() {
		return func() {
			if err := r.RemoveMember(context.Background(), p[0], group, c.User); err != nil {
				t.Error(err)
			}
			r.poll()
		}
	}
	w.during = remove(p[2])
	res, err := send()
	if err != nil {
		t.Fatal(err)
	}
	for _, push := range r.pushes.take(chat.PushMessage) {
		for _, u := range push.Recipients {
			if u == p[2].User {
				t.Error("pushed to a member who was removed before the message was made")
			}
		}
	}
	page, err := r.store.Inbox.Read(context.Background(), p[2].User, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Events {
		if e.Message == res.Message.ID {
			t.Error("in the log of a member who was removed before the message was made")
		}
	}
	w.during = remove(p[1])
	if _, err := send(); chat.CodeOf(err) != chat.CodeForbidden {
		t.Errorf("a sender who was removed meanwhile: %v", err)
	}
	if w.held != 0 {
		t.Errorf("%d claims are still under way", w.held)
	}
}
