package service

import (
	"context"
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// seenEvery is how often a device that connects again is written although nothing of it changed.
const seenEvery = time.Hour

// OpenDevice returns the caller's device as stored, and makes it on its first use: its cursor then starts at the highest
// of the user's other devices, a first device's at the log's start. Sole isn't 0 when there are no others. The eleventh device
// gets CONFLICT.
func (s *Service) OpenDevice(ctx context.Context, c Caller, name, kind string) (chat.Device, Sole, error) {
	now := s.now().UnixMilli()
	epoch := Sole(s.caches.epoch.Load())
	all, err := s.store.Devices.List(ctx, c.User)
	if err != nil {
		return chat.Device{}, 0, chat.Unavailable("read devices", err)
	}
	for _, d := range all {
		if d.ID != c.Device {
			continue
		}
		// Written when it was made, and never again: its maker may have ended before it told of it.
		untold := len(all) > 1 && d.SeenAt <= d.CreatedAt
		if untold {
			if err := s.tellOfDevice(ctx, c); err != nil {
				return chat.Device{}, 0, err
			}
		}
		if untold || d.Session != c.Session || now-d.SeenAt > seenEvery.Milliseconds() {
			d.Session, d.SeenAt = c.Session, max(now, d.CreatedAt+1)
			if err := s.store.Devices.Put(ctx, d); err != nil {
				return chat.Device{}, 0, chat.Unavailable("write a device", err)
			}
		}
		if len(all) > 1 {
			epoch = 0
		}
		return d, epoch, nil
	}
	if len(all) >= chat.MaxDevices {
		return chat.Device{}, 0, &chat.Error{Code: chat.CodeConflict, Field: "device", Message: "you have the most devices already; remove one first"}
	}
	d := chat.Device{User: c.User, ID: c.Device, Name: name, Kind: kind, CreatedAt: now, SeenAt: now, Session: c.Session, AckedTo: s.store.Inbox.KeptSince()}
	for _, o := range all {
		d.AckedTo = max(d.AckedTo, o.AckedTo)
	}
	if err := s.store.Devices.Put(ctx, d); err != nil {
		return chat.Device{}, 0, chat.Unavailable("write a device", err)
	}
	if len(all) == 0 { // a first device is nobody's news, for no list without any is kept; but two may be the first at once
		if all, err = s.store.Devices.List(ctx, c.User); err != nil {
			return chat.Device{}, 0, chat.Unavailable("read devices", err)
		}
		if len(all) <= 1 {
			return d, 0, nil
		}
	}
	if err := s.tellOfDevice(ctx, c); err != nil {
		return chat.Device{}, 0, err
	}
	return d, 0, nil
}

// tellOfDevice tells all gateways that a user has one more device.
func (s *Service) tellOfDevice(ctx context.Context, c Caller) error {
	if err := s.store.Changes.Append(ctx, []store.ChangeEntry{{Kind: store.LogDevice, User: c.User, Device: c.Device}}); err != nil {
		return chat.Unavailable("log a new device", err)
	}
	s.caches.devices.drop(c.User)
	s.router.Push(ctx, &chat.Push{Kind: chat.PushControl, Recipients: []chat.UserID{c.User}, Control: &chat.Control{Kind: chat.ControlNewDevice}})
	return nil
}
