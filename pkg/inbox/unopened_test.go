package inbox

import (
	"testing"

	"github.com/murre-chat/murre/pkg/chat"
)

// Frames may come right behind a handshake, before the device is open.
func TestDeviceThatIsNotOpenYet(t *testing.T) {
	var d Device
	if upTo, ok := d.Synced(); ok || upTo != 0 {
		t.Errorf("synced up to %d before it was opened", upTo)
	}
	d.AckMessages(1)
	d.AckEvents(1)
	d.AckBatch(1)
	d.Drained()
	d.Start()
	if d.Offer(&chat.Push{Kind: chat.PushMessage, Message: &chat.Message{ID: 1}, Event: chat.Event{ID: 1}}) {
		t.Error("took a push before it was opened")
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
