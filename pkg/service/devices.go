package service

import (
	"context"
	"errors"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Devices returns the caller's devices.
func (s *Service) Devices(ctx context.Context, c Caller) ([]chat.Device, error) {
	if err := s.other(ctx, c); err != nil {
		return nil, err
	}
	list, err := s.store.Devices.List(ctx, c.User)
	if err != nil {
		return nil, chat.Unavailable("read devices", err)
	}
	return list, nil
}

// RemoveDevice forgets a device of the caller's, its cursor and, unless another device or the caller's own request uses
// it too, the sign-in it connected with. Its open sockets close within 5 s.
func (s *Service) RemoveDevice(ctx context.Context, c Caller, device chat.DeviceID) error {
	if device.IsZero() {
		return chat.Invalid("deviceId", "is missing")
	}
	if err := s.other(ctx, c); err != nil {
		return err
	}
	list, err := s.store.Devices.List(ctx, c.User)
	if err != nil {
		return chat.Unavailable("read devices", err)
	}
	var gone *chat.Device
	shared := false
	for i := range list {
		if list[i].ID == device {
			gone = &list[i]
		}
	}
	if gone == nil {
		return chat.NotFound("no such device")
	}
	for i := range list {
		shared = shared || (list[i].ID != device && list[i].Session == gone.Session)
	}
	log := []store.ChangeEntry{{Kind: store.LogDevice, User: c.User, Device: device, Removed: true}}
	none := [32]byte{}
	signOut := gone.Session != none && !shared && (gone.Session != c.Session || device == c.Device)
	if signOut {
		if err := s.store.Sessions.Delete(ctx, gone.Session); err != nil && !errors.Is(err, store.ErrNotFound) {
			return chat.Unavailable("delete a session", err)
		}
		log = append(log, store.ChangeEntry{Kind: store.LogSession, User: c.User, Session: gone.Session, Removed: true})
	}
	err = s.store.Devices.Delete(ctx, c.User, device)
	if err == nil {
		err = s.store.Changes.Append(ctx, log)
	}
	s.caches.devices.drop(c.User) // also when the outcome is unknown
	if err != nil {
		return chat.Unavailable("remove a device", err)
	}
	to := []chat.UserID{c.User}
	s.router.Push(ctx, &chat.Push{Kind: chat.PushControl, Recipients: to, Control: &chat.Control{Kind: chat.ControlNewDevice}})
	s.router.Push(ctx, &chat.Push{Kind: chat.PushControl, Recipients: to, OnlyDevice: device, Control: &chat.Control{Kind: chat.ControlRevoked}})
	if signOut {
		s.router.Push(ctx, &chat.Push{Kind: chat.PushControl, Recipients: to, Control: &chat.Control{Kind: chat.ControlRevoked, Session: gone.Session}})
	}
	return nil
}
