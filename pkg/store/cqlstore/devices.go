package cqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// maxDeviceRows bounds a list: chat.MaxDevices, those of a race, and what late writes left of deleted ones.
	maxDeviceRows = 200
	// overtake is by how much the next attempt to write a device that a deletion outranks is ahead of the last: gateways' clocks
	// differ by less than the sum of all.
	overtake         = time.Second
	overtakeAttempts = 5
)

const deviceColumns = "device_id, name, kind, created_at, seen_at, session, dc, acked_to, acked_base, acked_beyond, WRITETIME(acked_to)"

var (
	listDevices = written(forDevice, "SELECT "+deviceColumns+" FROM devices WHERE user_id = ? LIMIT ?", "user_id", "limit")
	getDevice   = written(forDevice, "SELECT "+deviceColumns+" FROM devices WHERE user_id = ? AND device_id = ?", "user_id", "device_id")
	newDevice   = written(forDevice, "INSERT INTO devices (user_id, device_id, name, kind, created_at, seen_at, session, dc, acked_to, acked_base, acked_beyond) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"user_id", "device_id", "name", "kind", "created_at", "seen_at", "session", "dc", "acked_to", "acked_base", "acked_beyond", "timestamp")
	putDevice = written(forDevice, "UPDATE devices USING TIMESTAMP ? SET name = ?, kind = ?, created_at = ?, seen_at = ?, session = ?, dc = ? WHERE user_id = ? AND device_id = ?",
		"timestamp", "name", "kind", "created_at", "seen_at", "session", "dc", "user_id", "device_id")
	setCursor = written(forCursor, "UPDATE devices USING TIMESTAMP ? SET acked_to = ? WHERE user_id = ? AND device_id = ?",
		"timestamp", "acked_to", "user_id", "device_id")
	saveAcks = written(forAcks, "UPDATE devices USING TIMESTAMP ? SET acked_base = ?, acked_beyond = ? WHERE user_id = ? AND device_id = ?",
		"timestamp", "acked_base", "acked_beyond", "user_id", "device_id")
	deleteDevice = written(forDevice, "DELETE FROM devices USING TIMESTAMP ? WHERE user_id = ? AND device_id = ?",
		"timestamp", "user_id", "device_id")
)

type deviceKey struct {
	user   chat.UserID
	device chat.DeviceID
}

// devices implements store.Devices.
type devices struct{ d *DB }

// deviceRow is what deviceColumns are scanned into. generation is the cursor's: see SetCursor.
type deviceRow struct {
	chat.Device
	created    *int64
	session    []byte
	beyond     []int64
	generation int64
}

func (r *deviceRow) dest() []any {
	return []any{(*[16]byte)(&r.ID), &r.Name, &r.Kind, &r.created, &r.SeenAt, &r.session, &r.DC, (*int64)(&r.AckedTo), (*int64)(&r.AckedBeyondBase), &r.beyond, &r.generation}
}

// device makes a device of the row; false: there is none, only what a late write left of a deleted one.
func (r *deviceRow) device() (chat.Device, bool) {
	if r.created == nil {
		return chat.Device{}, false
	}
	out := r.Device
	out.CreatedAt = *r.created
	copy(out.Session[:], r.session)
	if len(r.beyond) > 0 {
		out.AckedBeyond = make([]chat.EventID, len(r.beyond))
		for i, e := range r.beyond {
			out.AckedBeyond[i] = chat.EventID(e)
		}
	}
	return out, true
}

// know remembers a cursor's generation.
func (d *DB) know(user chat.UserID, device chat.DeviceID, generation int64) {
	d.cursors.update(deviceKey{user, device}, func(was int64) int64 { return max(was, generation) })
}

// List returns the devices of a user.
func (s devices) List(ctx context.Context, user chat.UserID) (out []chat.Device, err error) {
	r := &deviceRow{}
	err = s.d.rows(ctx, listDevices, maxDeviceRows, []any{uuid(user), maxDeviceRows}, r.dest(), func() (bool, error) {
		if dev, ok := r.device(); ok {
			dev.User = user
			s.d.know(user, dev.ID, r.generation)
			out = append(out, dev)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Get returns one device.
func (s devices) Get(ctx context.Context, user chat.UserID, device chat.DeviceID) (chat.Device, error) {
	r, err := s.read(ctx, user, device)
	if err != nil {
		return chat.Device{}, err
	}
	out, ok := r.device()
	if !ok {
		return chat.Device{}, fmt.Errorf("cqlstore: device: %w", store.ErrNotFound)
	}
	s.d.know(user, device, r.generation)
	return out, nil
}

func (s devices) read(ctx context.Context, user chat.UserID, device chat.DeviceID) (*deviceRow, error) {
	r := &deviceRow{}
	if err := s.d.one(ctx, getDevice, []any{uuid(user), uuid(device)}, r.dest()...); err != nil {
		return nil, err
	}
	r.User, r.ID = user, device
	return r, nil
}

// Put writes the descriptive columns. A device that isn't there is written whole, and read again: a deletion by a gateway whose
// clock is ahead may outrank it, then it is written with a later timestamp.
func (s devices) Put(ctx context.Context, d chat.Device) error {
	have, err := s.read(ctx, d.User, d.ID)
	if errors.Is(err, store.ErrNotFound) {
		have, err = &deviceRow{}, nil
	}
	if err != nil {
		return err
	}
	if have.created != nil {
		return s.d.exec(ctx, putDevice, s.d.stamp(), d.Name, d.Kind, d.CreatedAt, d.SeenAt, d.Session[:], d.DC, uuid(d.User), uuid(d.ID))
	}
	at := max(s.d.stamp(), have.generation+1)
	for attempt := 1; ; attempt++ {
		err := s.d.exec(ctx, newDevice, uuid(d.User), uuid(d.ID), d.Name, d.Kind, d.CreatedAt, d.SeenAt, d.Session[:], d.DC,
			int64(d.AckedTo), int64(d.AckedBeyondBase), eventInts(d.AckedBeyond), at)
		if err != nil {
			return err
		}
		have, err = s.read(ctx, d.User, d.ID)
		if err == nil && have.created != nil {
			s.d.know(d.User, d.ID, have.generation)
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if attempt == overtakeAttempts {
			return fmt.Errorf("cqlstore: device: %w: a deletion outranks the device, %d attempts", store.ErrUnavailable, attempt)
		}
		at += overtake.Microseconds()
	}
}

func eventInts(in []chat.EventID) []int64 {
	out := make([]int64, len(in)) // empty, not null: a null is a tombstone
	for i, e := range in {
		out[i] = int64(e)
	}
	return out
}

// SetCursor moves the cursor. Its write timestamp is its generation: within one the larger value wins whatever order writes
// come in, as those of equal timestamps do; going back begins the next. The generation is known from the last read of the
// device, which every connection begins with.
func (s devices) SetCursor(ctx context.Context, user chat.UserID, device chat.DeviceID, to chat.EventID, back bool) error {
	generation, known := s.d.cursors.get(deviceKey{user, device})
	if !known || back {
		r, err := s.read(ctx, user, device)
		if errors.Is(err, store.ErrNotFound) {
			return nil // deleted: there is no cursor to move
		}
		if err != nil {
			return err
		}
		if r.created == nil {
			return nil
		}
		generation = max(generation, r.generation)
		s.d.know(user, device, generation)
	}
	if !back {
		return s.d.exec(ctx, setCursor, generation, int64(to), uuid(user), uuid(device))
	}
	next := max(s.d.stamp(), generation+1)
	if err := s.d.exec(ctx, setCursor, next, int64(to), uuid(user), uuid(device)); err != nil {
		s.d.cursors.forget(deviceKey{user, device}) // it may have been done
		return err
	}
	s.d.know(user, device, next)
	return nil
}

// SaveAcks replaces what was acked beyond the cursor.
func (s devices) SaveAcks(ctx context.Context, user chat.UserID, device chat.DeviceID, base chat.EventID, beyond []chat.EventID) error {
	return s.d.exec(ctx, saveAcks, s.d.stamp(), int64(base), eventInts(beyond), uuid(user), uuid(device))
}

// Delete removes the device, its cursor and its channel cursors, whatever their timestamps.
func (s devices) Delete(ctx context.Context, user chat.UserID, device chat.DeviceID) error {
	at := s.d.stamp()
	r, err := s.read(ctx, user, device)
	switch {
	case err == nil:
		at = max(at, r.generation+1)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if c := s.d.clock.Load(); c != nil {
		at = max(at, micros((*c).Last())) // channel cursors carry the time of events
	}
	if err := s.d.exec(ctx, deleteChannelCursors, at, uuid(user), uuid(device)); err != nil {
		return err
	}
	if err := s.d.exec(ctx, deleteDevice, at, uuid(user), uuid(device)); err != nil {
		return err
	}
	s.d.cursors.forget(deviceKey{user, device})
	return nil
}
