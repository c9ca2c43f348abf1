package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/protocol"
	"github.com/murre-chat/murre/pkg/session"
)

// handoverTime bounds how long a connection waits until the device's older one, here or elsewhere, has stored what it acked. Without
// it, what was acked last is sent once more, which clients take for what it is.
const handoverTime = 2 * time.Second

// handovers are devices on their way from one gateway to another.
type handovers struct {
	mu     sync.Mutex
	ending map[deviceKey]*ending  // of devices whose connection here ends
	coming map[deviceKey]expected // of devices whose older connection elsewhere is to end
}

type deviceKey struct {
	user   chat.UserID
	device chat.DeviceID
}

// ending counts the connections of a device that are being ended here, and who is to be told when the last is.
type ending struct {
	n     int
	heirs []heir
	done  chan struct{} // closed with the last one's end
}

type heir struct {
	gateway session.GatewayID
	seq     int64
}

type expected struct {
	seq  int64
	done chan struct{}
}

// begin notes that a connection of a device ends here.
func (h *handovers) begin(k deviceKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(k).n++
}

// of returns the entry of a device, which it makes when there is none. h.mu is held.
func (h *handovers) of(k deviceKey) *ending {
	if h.ending == nil {
		h.ending = make(map[deviceKey]*ending)
	}
	e := h.ending[k]
	if e == nil {
		e = &ending{done: make(chan struct{})}
		h.ending[k] = e
	}
	return e
}

// inherit notes who waits for the end of a device's connections here. It reports false, and notes nothing, when none is
// ending, unless one will (sure).
func (h *handovers) inherit(k deviceKey, who heir, sure bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !sure && h.ending[k] == nil {
		return false
	}
	e := h.of(k)
	e.heirs = append(e.heirs, who)
	return true
}

// end notes that a connection has ended, all of it stored, and returns who is to be told.
func (h *handovers) end(k deviceKey) []heir {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.ending[k]
	if e.n--; e.n > 0 {
		return nil
	}
	delete(h.ending, k)
	close(e.done)
	return e.heirs
}

// underWay reports whether a connection of a device is being ended here.
func (h *handovers) underWay(k deviceKey) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ending[k] != nil
}

// wait returns once no connection of a device is being ended here.
func (h *handovers) wait(ctx context.Context, k deviceKey) {
	h.mu.Lock()
	e := h.ending[k]
	h.mu.Unlock()
	if e == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	select {
	case <-e.done:
	case <-ctx.Done():
	}
}

// expect waits for word that a device's older connection elsewhere has ended.
func (h *handovers) expect(k deviceKey, seq int64) (done <-chan struct{}, forget func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.coming == nil {
		h.coming = make(map[deviceKey]expected)
	}
	e := expected{seq: seq, done: make(chan struct{})}
	h.coming[k] = e
	return e.done, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.coming[k] == e {
			delete(h.coming, k)
		}
	}
}

// released carries out the word that an older connection has ended.
func (h *handovers) released(k deviceKey, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.coming[k]; ok && e.seq == seq {
		delete(h.coming, k)
		close(e.done)
	}
}

// takeOver asks the gateway that holds an older connection of a device to close it, and waits until it has stored what the
// device acked there.
func (g *Gateway) takeOver(ctx context.Context, c *conn, from session.GatewayID) {
	if g.o.Tell == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	done, forget := g.handovers.expect(deviceKey{c.user, c.device}, c.seq)
	defer forget()
	err := g.o.Tell(ctx, from, &chat.Push{
		Kind: chat.PushControl, Recipients: []chat.UserID{c.user}, OnlyDevice: c.device,
		Control: &chat.Control{Kind: chat.ControlReplaced, Seq: c.seq, Gateway: g.o.Self.Name, Epoch: g.o.Self.Epoch},
	})
	if err != nil {
		return // that gateway is gone, or nothing reaches it: there is nobody to wait for
	}
	select {
	case <-done:
	case <-ctx.Done():
		g.o.Log.Debug("the gateway of an older connection didn't answer in time", "gateway", from.Name)
	}
}

// replaced closes the older connection of a device that is connected elsewhere now, and says so once all of it is stored.
func (g *Gateway) replaced(p *chat.Push) {
	k, from := p.Control, session.GatewayID{Name: p.Control.Gateway, Epoch: p.Control.Epoch}
	for _, u := range p.Recipients {
		key, who := deviceKey{u, p.OnlyDevice}, heir{from, k.Seq}
		waits := false
		g.hub.of(u, func(c *conn) {
			if c.device != p.OnlyDevice || c.seq >= k.Seq {
				return
			}
			// Under the hub's lock: its end, which comes after it has left the hub, is still to come.
			waits = g.handovers.inherit(key, who, true)
			c.close(protocol.CloseReplaced)
		})
		if !waits && !g.handovers.inherit(key, who, false) {
			g.crew.do(task{release: func() { g.release(key, []heir{who}) }})
		}
	}
}

// release tells those who wait for a device.
func (g *Gateway) release(k deviceKey, heirs []heir) {
	if g.o.Tell == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.base()), handoverTime)
	defer cancel()
	for _, h := range heirs {
		_ = g.o.Tell(ctx, h.gateway, &chat.Push{ // who can't be told waits no longer than handoverTime
			Kind: chat.PushControl, Recipients: []chat.UserID{k.user}, OnlyDevice: k.device,
			Control: &chat.Control{Kind: chat.ControlReleased, Seq: h.seq},
		})
	}
}
