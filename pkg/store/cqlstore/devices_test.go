package cqlstore

import (
	"testing"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
)

// A gateway that has an old generation of a cursor in memory can't undo a device's going back, and learns the new one when the
// device connects.
func testCursorGenerations(t *testing.T, r *rig) {
	a, b := devices{r.open(t, time.Second)}, devices{r.open(t, time.Second)}
	ctx := t.Context()
	dev := chat.Device{User: chat.NewUserID(time.Now()), ID: chat.NewDeviceID(time.Now()), AckedTo: 10, CreatedAt: 1}
	ok(t, a.Put(ctx, dev))
	cursor := func(want chat.EventID) {
		t.Helper()
		got, err := devices{r.open(t, time.Second)}.Get(ctx, dev.User, dev.ID)
		ok(t, err)
		if got.AckedTo != want {
			t.Fatalf("the cursor is at %d, want %d", got.AckedTo, want)
		}
	}
	ok(t, a.SetCursor(ctx, dev.User, dev.ID, 1000, false))
	ok(t, b.SetCursor(ctx, dev.User, dev.ID, 900, false)) // b hasn't read it: it learns the generation first
	cursor(1000)
	ok(t, b.SetCursor(ctx, dev.User, dev.ID, 500, true))
	ok(t, a.SetCursor(ctx, dev.User, dev.ID, 1100, false)) // late, from before the device went back
	cursor(500)
	_, err := a.Get(ctx, dev.User, dev.ID)
	ok(t, err)
	ok(t, a.SetCursor(ctx, dev.User, dev.ID, 600, false))
	ok(t, b.SetCursor(ctx, dev.User, dev.ID, 550, false))
	cursor(600)
	ok(t, b.Delete(ctx, dev.User, dev.ID))
	ok(t, a.SetCursor(ctx, dev.User, dev.ID, 2000, false))
	ok(t, a.SaveAcks(ctx, dev.User, dev.ID, 2000, []chat.EventID{2001}))
	if list, err := b.List(ctx, dev.User); err != nil || len(list) != 0 {
		t.Fatalf("a late write brought a deleted device back: %v, %v", list, err)
	}
	ok(t, b.Put(ctx, dev))
	got, err := a.Get(ctx, dev.User, dev.ID)
	ok(t, err)
	if got.AckedTo != 10 || got.AckedBeyondBase != 0 || len(got.AckedBeyond) != 0 {
		t.Fatalf("the device that came back has %+v", got)
	}
}

// A device that connects anew right after its removal works, though the remover's clock is ahead.
func testDeviceComesBack(t *testing.T, r *rig) {
	a, b := r.open(t, time.Second), r.open(t, time.Second)
	ahead := &setClock{Clock: id.NewClock(id.ClockOptions{})}
	ahead.set(2*time.Second, nil)
	b.SetClock(ahead)
	dev := chat.Device{User: chat.NewUserID(time.Now()), ID: chat.NewDeviceID(time.Now()), AckedTo: 10, CreatedAt: 1}
	for range 2 {
		ok(t, devices{a}.Put(t.Context(), dev))
		got, err := devices{b}.Get(t.Context(), dev.User, dev.ID)
		ok(t, err)
		if got.AckedTo != 10 {
			t.Fatalf("%+v", got)
		}
		ok(t, devices{a}.SetCursor(t.Context(), dev.User, dev.ID, 20, false))
		got, err = devices{b}.Get(t.Context(), dev.User, dev.ID)
		ok(t, err)
		if got.AckedTo != 20 {
			t.Fatalf("%+v", got)
		}
		ok(t, devices{b}.Delete(t.Context(), dev.User, dev.ID))
	}
}
