package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/store/faultstore"
)

// connections counts a user's connections in the hub.
func (g *Gateway) connections(u chat.UserID) (n int) {
	g.hub.of(u, func(*conn) { n++ })
	return n
}

// A connection is in the hub before its handshake ends. One whose client doesn't wait for that is taken out again.
func TestAClientThatLeavesDuringItsHandshake(t *testing.T) {
	r := newRig(t)
	p := r.person()
	p.connect(chat.DeviceID{})
	r.faults.Add(faultstore.Fault{Op: "Devices.Get", Delay: 300 * time.Millisecond, OnlyDelay: true})
	nc, err := net.Dial("tcp", r.addr)
	must(t, err)
	_, err = fmt.Fprintf(nc, "GET /ws?device=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer %s\r\n\r\n", chat.NewDeviceID(time.Now()), p.token)
	must(t, err)
	r.eventually("two in the hub", func() bool { return r.gateway.connections(p.id) == 2 })
	must(t, nc.Close())
	r.eventually("one in the hub", func() bool { return r.gateway.connections(p.id) == 1 })
}

// elsewhere is a registry in which another gateway holds every device.
type elsewhere struct{ session.Registry }

var other = session.GatewayID{Name: "other", Epoch: 1}

func (elsewhere) Register(_ context.Context, e session.Entry) (*session.Entry, error) {
	return &session.Entry{User: e.User, Device: e.Device, Gateway: other, Seq: e.Seq - 1}, nil
}

// A connection that took its device's place in the registry and never opens leaves none that nobody can reach.
func TestNeverOpenedAfterItWasRegistered(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault faultstore.Fault
		then  func(r *rig, p *person)
	}{
		{"refused", faultstore.Fault{Op: "Devices.Get", Times: 1}, func(*rig, *person) {}},
		{"revoked meanwhile", faultstore.Fault{Op: "Devices.Get", Times: 1, Delay: 500 * time.Millisecond, OnlyDelay: true}, func(r *rig, p *person) {
			r.eventually("it in the hub", func() bool { return r.gateway.connections(p.id) == 1 })
			r.gateway.Changed(&store.ChangeEntry{Kind: store.LogSession, User: p.id})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			p := r.person()
			told := make(chan *chat.Push, 1)
			r.gateway.o.Sessions = elsewhere{r.gateway.o.Sessions}
			r.gateway.o.Tell = func(_ context.Context, to session.GatewayID, x *chat.Push) error {
				if to == other && x.Control.Kind == chat.ControlReplaced {
					told <- x
				}
				return errors.New("nobody there")
			}
			r.faults.Add(c.fault)
			dialled := make(chan struct{})
			go func() {
				defer close(dialled)
				_, _ = r.dial("?device="+p.device.String(), bearer(p.token)) // how it ends is another test's
			}()
			c.then(r, p)
			<-dialled
			select {
			case x := <-told:
				if x.OnlyDevice != p.device {
					t.Errorf("told of device %v", x.OnlyDevice)
				}
			case <-time.After(patience):
				t.Error("the gateway of the older connection wasn't told")
			}
		})
	}
}

// What ends a connection before its handshake does ends it then.
func TestEndsBeforeTheHandshake(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(r *rig, p *person)
		code ws.StatusCode
	}{
		{"revoked", func(r *rig, p *person) { r.gateway.Changed(&store.ChangeEntry{Kind: store.LogSession, User: p.id}) }, 4002},
		{"sent away", func(r *rig, _ *person) { r.gateway.Suspend(true, time.Second) }, 1001},
		{"replaced", func(r *rig, p *person) { p.open(chat.DeviceID{}) }, 4001},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			p := r.person()
			r.faults.Add(faultstore.Fault{Op: "Devices.Get", Times: 1, Delay: 500 * time.Millisecond, OnlyDelay: true})
			came := make(chan *phone)
			go func() {
				ph, err := r.dial("?device="+p.device.String(), bearer(p.token))
				if err != nil {
					t.Error(err)
				}
				came <- ph
			}()
			r.eventually("it in the hub", func() bool { return r.gateway.connections(p.id) == 1 })
			c.end(r, p)
			if ph := <-came; ph != nil {
				ph.t = t
				ph.closed(c.code)
			}
		})
	}
}
