// Package httpapi is the REST API, the health checks and the reference pages: everything on the port that is not an
// upgrade of /ws.
//
// It isn't where decisions are made (service, auth) nor where sockets live (gateway): a handler reads a request, calls a
// use case and shows the answer. The routes are described in code (huma), from which the OpenAPI document is made; what
// the description demands of a request is checked before a handler sees it. Answers to errors are problem JSON (RFC 9457)
// with the codes of chat.Error.
//
// The client's address is http.Request.RemoteAddr, where whoever hands connections over has put what a PROXY header
// says; Options.ClientAddr resolves X-Forwarded-For, request by request.
//
// Start with api.go, then route.go.
package httpapi
