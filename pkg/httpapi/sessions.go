package httpapi

import (
	"context"
	"net/http"

	"github.com/murre-chat/murre/pkg/auth"
	"github.com/murre-chat/murre/pkg/chat"
)

type sessionsOutput struct {
	Body struct {
		Sessions []Session `json:"sessions" nullable:"false"`
	}
}

type devicesOutput struct {
	Body struct {
		Devices []Device `json:"devices" nullable:"false"`
	}
}

func (a *API) sessionRoutes() {
	route(a, endpoint{
		id: "sessions", method: http.MethodGet, path: "/me/sessions", tag: "Account", summary: "The caller's sign-ins, newest first", limited: true,
	}, func(ctx context.Context, w who, _ *struct{}) (*sessionsOutput, error) {
		ss, err := a.o.Sessions.Sessions(ctx, w.User)
		if err != nil {
			return nil, err
		}
		out := &sessionsOutput{}
		out.Body.Sessions = make([]Session, 0, len(ss))
		for i := range ss {
			out.Body.Sessions = append(out.Body.Sessions, sessionView(&ss[i], w.Session))
		}
		return out, nil
	})

	type revokeAllInput struct {
		KeepCurrent bool `query:"keepCurrent" doc:"All but the one that asks"`
	}
	route(a, endpoint{
		id: "revoke-sessions", method: http.MethodDelete, path: "/me/sessions", tag: "Account", summary: "End all sign-ins",
		description: "Open sockets close with 4002 within 5 seconds.", limited: true,
	}, func(ctx context.Context, w who, in *revokeAllInput) (*none, error) {
		var keep [32]byte
		if in.KeepCurrent {
			keep = w.Session
		}
		return &none{}, a.o.Sessions.RevokeAll(ctx, w.User, keep)
	})

	type revokeInput struct {
		Session string `path:"sessionId"`
	}
	route(a, endpoint{
		id: "revoke-session", method: http.MethodDelete, path: "/me/sessions/{sessionId}", tag: "Account", summary: "End one sign-in",
		description: "Its open sockets close with 4002 within 5 seconds.", limited: true,
	}, func(ctx context.Context, w who, in *revokeInput) (*none, error) {
		h, ok := auth.ParseSessionID(in.Session)
		if !ok {
			return nil, chat.Invalid("sessionId", "is not a session id")
		}
		return &none{}, a.o.Sessions.Revoke(ctx, w.User, h)
	})

	route(a, endpoint{
		id: "devices", method: http.MethodGet, path: "/me/devices", tag: "Account", summary: "The caller's devices",
	}, func(ctx context.Context, w who, _ *struct{}) (*devicesOutput, error) {
		ds, err := a.o.Service.Devices(ctx, w.Caller)
		if err != nil {
			return nil, err
		}
		out := &devicesOutput{}
		out.Body.Devices = make([]Device, 0, len(ds))
		for _, d := range ds {
			out.Body.Devices = append(out.Body.Devices, Device{ID: d.ID.String(), Name: d.Name, Kind: d.Kind, CreatedAt: Time(d.CreatedAt), SeenAt: Time(d.SeenAt)})
		}
		return out, nil
	})

	type deviceInput struct {
		Device chat.DeviceID `path:"deviceId" doc:"UUID"`
	}
	route(a, endpoint{
		id: "remove-device", method: http.MethodDelete, path: "/me/devices/{deviceId}", tag: "Account", summary: "Forget a device",
		description: "Its socket closes with 4002, and what waits for it is dropped.",
	}, func(ctx context.Context, w who, in *deviceInput) (*none, error) {
		return &none{}, a.o.Service.RemoveDevice(ctx, w.Caller, in.Device)
	})
}
