package inbox

import (
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// A cursor of the future must not come back as the place to go on from: it would skip what is sent until then.
func TestSyncFromTheFuture(t *testing.T) {
	r := newRig(t, true)
	r.post(t, "x")
	p, err := r.log.Sync(r.ctx, r.b, chat.EventID(id.At(time.Now().Add(time.Hour))), 50)
	if err != nil || len(p.Items) != 0 {
		t.Fatalf("%d items, %v", len(p.Items), err)
	}
	later := r.post(t, "y")
	p, err = r.log.Sync(r.ctx, r.b, p.Last, 50)
	if err != nil || len(p.Items) != 1 || p.Items[0].Event.ID != later.Event.ID {
		t.Fatalf("%d items, %v: the later one was skipped", len(p.Items), err)
	}
}
