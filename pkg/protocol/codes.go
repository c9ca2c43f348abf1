package protocol

import "github.com/murre-chat/murre/pkg/chat"

// Subprotocols named at the WebSocket upgrade.
const (
	// SubprotocolJSON is the subprotocol of the frames in this package.
	SubprotocolJSON = "murre.json.v1"
	// SubprotocolBearer is the prefix of the second subprotocol that a browser offers to present a token.
	SubprotocolBearer = "murre.bearer."
)

// Limits of the transport.
const (
	// MaxFrameBytes is the size of a message whole, all fragments together. 10,000 code points, JSON-escaped, fit.
	MaxFrameBytes = 128 << 10
	// MaxFragments is how many fragments one message may come in.
	MaxFragments = 16
	// MaxControlPerSecond is how many WebSocket control frames a client may send in a second.
	MaxControlPerSecond = 10
	// MaxMalformedPerMinute malformed frames close the connection with ClosePolicy.
	MaxMalformedPerMinute = 20
	// MaxDepth is how deeply a frame's JSON may be nested.
	MaxDepth = 64
)

// CloseCode is a WebSocket close code that Murre sends.
type CloseCode uint16

// The close codes.
const (
	CloseDrain       CloseCode = 1001 // the server goes away: come back elsewhere
	ClosePolicy      CloseCode = 1008 // broke a rule of the protocol
	CloseTooBig      CloseCode = 1009 // a message over MaxFrameBytes
	CloseTooSlow     CloseCode = 1013 // didn't read or didn't acknowledge in time
	CloseReplaced    CloseCode = 4001 // the same device connected again
	CloseRevoked     CloseCode = 4002 // signed out, revoked, or the device was removed
	CloseAuthExpired CloseCode = 4003 // the authentication has run out
)

// CloseInfo says what a close code means and what a client does about it.
type CloseInfo struct {
	Code      CloseCode
	Reason    string // goes into the close frame; at most 123 bytes
	Reconnect bool   // a client may come back by itself
}

var closes = [...]CloseInfo{
	{CloseDrain, "server is draining", true},
	{ClosePolicy, "policy violation", true},
	{CloseTooBig, "message too big", true},
	{CloseTooSlow, "too slow", true},
	{CloseReplaced, "replaced by a newer connection of this device", false},
	{CloseRevoked, "signed out", false},
	{CloseAuthExpired, "authentication expired", false},
}

// CloseCodes returns the table of close codes.
func CloseCodes() []CloseInfo { return append([]CloseInfo(nil), closes[:]...) }

// Reason returns the text that goes with a code into the close frame; "" for codes that are not in the table.
func (c CloseCode) Reason() string {
	for i := range closes {
		if closes[i].Code == c {
			return closes[i].Reason
		}
	}
	return ""
}

// MayReconnect reports whether a client may come back by itself after this code; codes not in the table: yes.
func (c CloseCode) MayReconnect() bool {
	for i := range closes {
		if closes[i].Code == c {
			return closes[i].Reconnect
		}
	}
	return true
}

// Limits is what `welcome` tells a client about the limits it must keep.
type Limits struct {
	FrameBytes    int `json:"frameBytes"`    // bytes of one message
	Content       int `json:"content"`       // code points of a message's content
	AckIDs        int `json:"ackIds"`        // ids in one ack
	PresenceUsers int `json:"presenceUsers"` // ids in one presence frame
	Batch         int `json:"batch"`         // entries of one pending_messages
	GroupMembers  int `json:"groupMembers"`  // members of a group
	MediaBytes    int `json:"mediaBytes"`    // bytes of one upload, 0: not said
}

// DefaultLimits are the limits of the protocol itself; MediaBytes is for the server to fill.
func DefaultLimits() Limits {
	return Limits{
		FrameBytes: MaxFrameBytes, Content: chat.MaxContent, AckIDs: chat.MaxAckIDs, PresenceUsers: chat.MaxPresenceUsers,
		Batch: chat.MaxBatch, GroupMembers: chat.MaxGroupMembers,
	}
}
