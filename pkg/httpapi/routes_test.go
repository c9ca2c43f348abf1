package httpapi_test

import (
	"encoding/json"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// routes are those of the protocol. A change here is a change of the API.
var routes = []string{
	"DELETE /blocks/{userId}",
	"DELETE /conversations/{conversationId}/members/{userId}",
	"DELETE /conversations/{conversationId}/messages/{messageId}",
	"DELETE /conversations/{conversationId}/messages/{messageId}/reactions",
	"DELETE /me/devices/{deviceId}",
	"DELETE /me/sessions",
	"DELETE /me/sessions/{sessionId}",
	"GET /blocks",
	"GET /conversations",
	"GET /conversations/{conversationId}",
	"GET /conversations/{conversationId}/members",
	"GET /conversations/{conversationId}/messages",
	"GET /conversations/{conversationId}/messages/{messageId}",
	"GET /conversations/{conversationId}/messages/{messageId}/receipts",
	"GET /conversations/{conversationId}/receipts",
	"GET /me",
	"GET /me/devices",
	"GET /me/sessions",
	"GET /media/{mediaId}",
	"GET /media/{mediaId}/thumb",
	"GET /presence",
	"GET /sync",
	"GET /users",
	"GET /users/{userId}",
	"HEAD /media/{mediaId}/upload",
	"PATCH /conversations/{conversationId}",
	"PATCH /conversations/{conversationId}/me",
	"PATCH /conversations/{conversationId}/members/{userId}",
	"PATCH /conversations/{conversationId}/messages/{messageId}",
	"PATCH /me",
	"POST /auth/login",
	"POST /auth/logout",
	"POST /auth/register",
	"POST /blocks/{userId}",
	"POST /conversations",
	"POST /conversations/{conversationId}/members",
	"POST /conversations/{conversationId}/messages",
	"POST /conversations/{conversationId}/messages/{messageId}/reactions",
	"POST /me/password",
	"POST /media",
	"POST /media/{mediaId}/complete",
	"PUT /media/{mediaId}/upload",
}

// TestOpenAPI: the description has every route, says of each what it answers, and is whole.
func TestOpenAPI(t *testing.T) {
	s := newStack(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Responses   map[string]any
		}
		Components struct {
			Schemas map[string]json.RawMessage
		}
	}
	raw := s.do("GET", "/openapi.json", nil, nil).body
	require.NoError(t, json.Unmarshal(raw, &doc))
	require.Equal(t, "3.1.0", doc.OpenAPI)
	var got []string
	names := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			r := strings.ToUpper(method) + " " + strings.TrimPrefix(path, api)
			got = append(got, r)
			require.NotEmpty(t, op.Summary, r)
			require.False(t, names[op.OperationID], "%s: two operations are named %s", r, op.OperationID)
			names[op.OperationID] = true
			require.Contains(t, op.Responses, "default", r)
			require.GreaterOrEqual(t, len(op.Responses), 2, r)
		}
	}
	sort.Strings(got)
	sort.Strings(routes)
	require.Equal(t, routes, got)
	require.Contains(t, doc.Components.Schemas, "Problem")
	require.NotContains(t, doc.Components.Schemas, "ErrorModel")
	for _, ref := range strings.Split(string(raw), `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		require.Contains(t, doc.Components.Schemas, name)
	}
	// Lists are there, if only empty: no client meets null in one's place.
	require.NotContains(t, string(raw), `"null"`)
}
