package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// devices implements store.Devices.
type devices struct{ d *DB }

func cursorValue[T ~int64](to T) []byte {
	return binary.BigEndian.AppendUint64([]byte{valueVersion}, uint64(to))
}

// List returns the devices of a user.
func (s devices) List(ctx context.Context, user chat.UserID) (out []chat.Device, err error) {
	prefix := oneKey(tabDevice, user)
	err = s.d.read(ctx, "devices", func(v *view) (err error) {
		out, err = v.devices(user, prefix, after(prefix))
		return err
	})
	return out, err
}

// Get returns one device.
func (s devices) Get(ctx context.Context, user chat.UserID, device chat.DeviceID) (out chat.Device, err error) {
	err = s.d.read(ctx, "device", func(v *view) error {
		all, err := v.devices(user, deviceKey(nil, user, device, partDevice), deviceKey(nil, user, device, partAcks+1))
		if err == nil && len(all) == 0 {
			err = store.ErrNotFound
		}
		if err == nil {
			out = all[0]
		}
		return err
	})
	return out, err
}

// devices puts the parts of devices together. Parts without the device itself are leftovers of a deleted one.
func (v *view) devices(user chat.UserID, from, to []byte) (out []chat.Device, err error) {
	err = v.scan(from, to, func(key, value []byte) (bool, error) {
		id := chat.DeviceID(key[17:33])
		if key[33] == partDevice {
			d, err := scanDevice(value, user, id)
			out = append(out, d)
			return true, err
		}
		if len(out) == 0 || out[len(out)-1].ID != id {
			return true, nil
		}
		d := &out[len(out)-1]
		var err error
		switch key[33] {
		case partCursor:
			var n int64
			n, err = scanCursor(value)
			d.AckedTo = chat.EventID(n)
		case partAcks:
			d.AckedBeyondBase, d.AckedBeyond, err = scanAcks(value)
		}
		return true, err
	})
	return out, err
}

// Put writes the descriptive columns; on the first write the cursor too.
func (s devices) Put(ctx context.Context, d chat.Device) error {
	return s.d.write(ctx, "put device", func(t *tx) error {
		key := deviceKey(nil, d.User, d.ID, partDevice)
		_, err := t.get(key)
		isNew := errors.Is(err, pebble.ErrNotFound)
		if err != nil && !isNew {
			return err
		}
		acks := deviceKey(nil, d.User, d.ID, partAcks)
		leftover := false // written late, after the device was deleted
		if isNew {
			_, err := t.get(acks)
			if leftover = err == nil; !leftover && !errors.Is(err, pebble.ErrNotFound) {
				return err
			}
		}
		t.set(key, putDevice(&d))
		if isNew {
			t.set(deviceKey(nil, d.User, d.ID, partCursor), cursorValue(d.AckedTo))
		}
		if leftover {
			t.del(acks)
		}
		return nil
	})
}

// SetCursor moves the cursor forward; with back, to where it says.
func (s devices) SetCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, to chat.EventID, back bool) error {
	return s.d.write(ctx, "set cursor", func(t *tx) error {
		key := deviceKey(nil, user, device, partCursor)
		if back {
			t.set(key, cursorValue(to))
		} else {
			t.merge(key, cursorValue(to))
		}
		return nil
	})
}

// SaveAcks replaces what was acked beyond the cursor.
func (s devices) SaveAcks(ctx context.Context, user chat.UserID, device chat.DeviceID, base chat.EventID, beyond []chat.EventID) error {
	value := putAcks(base, beyond)
	return s.d.write(ctx, "save acks", func(t *tx) error {
		t.set(deviceKey(nil, user, device, partAcks), value)
		return nil
	})
}

// Delete removes the device, its cursor and its channel cursors.
func (s devices) Delete(ctx context.Context, user chat.UserID, device chat.DeviceID) error {
	return s.d.write(ctx, "delete device", func(t *tx) error {
		for part := partDevice; part <= partAcks; part++ {
			t.del(deviceKey(nil, user, device, part))
		}
		prefix := pairKey(tabChannel, user, device)
		t.delRange(prefix, after(prefix))
		return nil
	})
}

// channels implements store.ChannelCursors.
type channels struct{ d *DB }

// ChannelCursor returns a device's cursor in a channel.
func (s channels) ChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID) (out chat.EventID, err error) {
	err = s.d.read(ctx, "channel cursor", func(v *view) error {
		b, err := v.get(channelKey(nil, user, device, c))
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := scanCursor(b)
		out = chat.EventID(n)
		return err
	})
	return out, err
}

// SetChannelCursor moves it forward.
func (s channels) SetChannelCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, c chat.ConversationID, to chat.EventID) error {
	return s.d.write(ctx, "set channel cursor", func(t *tx) error {
		t.merge(channelKey(nil, user, device, c), cursorValue(to))
		return nil
	})
}
