package service

import (
	"context"
	"errors"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// seenEvery is how often a device that connects again is written although nothing of it changed.
const seenEvery = time.Hour

// OpenDevice returns the caller's device as stored, and makes it on its first use: its cursor then starts at the highest
// of the user's other devices, a first device's at the log's start. The eleventh device gets CONFLICT.
func (s *Service) OpenDevice(ctx context.Context, c Caller, name, kind string) (chat.Device, error) {
	now := s.now().UnixMilli()
	d, err := s.store.Devices.Get(ctx, c.User, c.Device)
	if err == nil {
		if d.Session != c.Session || now-d.SeenAt > seenEvery.Milliseconds() {
			d.Session, d.SeenAt = c.Session, now
			if err := s.store.Devices.Put(ctx, d); err != nil {
				return chat.Device{}, chat.Unavailable("write a device", err)
			}
		}
		return d, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return chat.Device{}, chat.Unavailable("read a device", err)
	}
	others, err := s.store.Devices.List(ctx, c.User)
	if err != nil {
		return chat.Device{}, chat.Unavailable("read devices", err)
	}
	if len(others) >= chat.MaxDevices {
		return chat.Device{}, &chat.Error{Code: chat.CodeConflict, Field: "device", Message: "you have the most devices already; remove one first"}
	}
	d = chat.Device{User: c.User, ID: c.Device, Name: name, Kind: kind, CreatedAt: now, SeenAt: now, Session: c.Session, AckedTo: s.store.Inbox.KeptSince()}
	for _, o := range others {
		d.AckedTo = max(d.AckedTo, o.AckedTo)
	}
	if err := s.store.Devices.Put(ctx, d); err != nil {
		return chat.Device{}, chat.Unavailable("write a device", err)
	}
	if len(others) > 0 { // a first device is nobody's news: no sender counted on another
		if err := s.store.Changes.Append(ctx, []store.ChangeEntry{{Kind: store.LogDevice, User: c.User, Device: c.Device}}); err != nil {
			return chat.Device{}, chat.Unavailable("log a new device", err)
		}
	}
	s.caches.devices.drop(c.User)
	s.router.Push(ctx, &chat.Push{Kind: chat.PushControl, Recipients: []chat.UserID{c.User}, Control: &chat.Control{Kind: chat.ControlNewDevice}})
	return d, nil
}
