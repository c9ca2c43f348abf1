package protocol

import (
	"encoding/binary"
	"math/bits"
)

// field numbers every name that the codec reads from a payload; names that mean nothing to a frame's type are ignored.
type field uint8

const (
	fConversationID field = iota
	fContent
	fContentType
	fClientMessageID
	fMediaID
	fReplyToID
	fResend
	fIsTyping
	fMessageID
	fMessageIDs
	fEventIDs
	fEventID
	fUpToMessageID
	fEmoji
	fUserIDs
	// Read from servers only.
	fID
	fSenderID
	fCreatedAt
	fEditedAt
	fDeleted
	fStatus
	fUserID
	fAt
	fMedia
	fReactions
	fMessages
	fEvents
	fMore
	fields
	fNone = fields
)

var fieldNames = [fields]string{
	"payload.conversationId", "payload.content", "payload.contentType", "payload.clientMessageId", "payload.mediaId",
	"payload.replyToId", "payload.resend", "payload.isTyping", "payload.messageId", "payload.messageIds", "payload.eventIds",
	"payload.eventId", "payload.upToMessageId", "payload.emoji", "payload.userIds", "payload.id", "payload.senderId",
	"payload.createdAt", "payload.editedAt", "payload.deleted", "payload.status", "payload.userId", "payload.at",
	"payload.media", "payload.reactions", "payload.messages", "payload.events", "payload.more",
}

func fieldOf(key []byte) field {
	switch string(key) {
	case "conversationId":
		return fConversationID
	case "content":
		return fContent
	case "contentType":
		return fContentType
	case "clientMessageId":
		return fClientMessageID
	case "mediaId":
		return fMediaID
	case "replyToId":
		return fReplyToID
	case "resend":
		return fResend
	case "isTyping":
		return fIsTyping
	case "messageId":
		return fMessageID
	case "messageIds":
		return fMessageIDs
	case "eventIds":
		return fEventIDs
	case "eventId":
		return fEventID
	case "upToMessageId":
		return fUpToMessageID
	case "emoji":
		return fEmoji
	case "userIds":
		return fUserIDs
	case "id":
		return fID
	case "senderId":
		return fSenderID
	case "createdAt":
		return fCreatedAt
	case "editedAt":
		return fEditedAt
	case "deleted":
		return fDeleted
	case "status":
		return fStatus
	case "userId":
		return fUserID
	case "at":
		return fAt
	case "media":
		return fMedia
	case "reactions":
		return fReactions
	case "messages":
		return fMessages
	case "events":
		return fEvents
	case "more":
		return fMore
	}
	return fNone
}

// kind is the kind of a JSON value.
type kind uint8

const (
	kAbsent kind = iota // also null
	kString
	kNumber
	kBool
	kArray
	kObject
)

// value is a stretch of the input: the inside of a string without its quotes, everything else whole.
type value struct {
	start, end int32
	kind       kind
	escaped    bool // a string with a backslash in it
	yes        bool // a bool that is true
}

// envelope is a frame after the one pass over its bytes: all of it is known to be JSON, and where the known fields are.
type envelope struct {
	object  bool // the text is an object
	typ     value
	payload value
	dupType bool
	dupLoad bool
	dup     uint32 // fields seen twice
	vals    [fields]value
}

// scan checks that data is one JSON text and finds the fields of a frame in it.
func (e *envelope) scan(data []byte) bool {
	i := skipSpace(data, 0)
	if i >= len(data) {
		return false
	}
	if data[i] != '{' {
		_, i = scanValue(data, i, 0)
	} else {
		e.object = true
		i = e.members(data, i+1)
	}
	return i > 0 && skipSpace(data, i) == len(data)
}

// members reads the frame's own object from behind its brace and returns where it ends, -1 when it is not JSON.
func (e *envelope) members(data []byte, i int) int {
	i = skipSpace(data, i)
	if i < len(data) && data[i] == '}' {
		return i + 1
	}
	var scratch [16]byte
	for {
		var key []byte
		if key, i = scanKey(data, i, scratch[:]); i < 0 {
			return -1
		}
		switch string(key) {
		case "type":
			e.dupType = e.dupType || e.typ.end != 0
			e.typ, i = scanValue(data, i, 1)
		case "payload":
			e.dupLoad = e.dupLoad || e.payload.end != 0
			if i < len(data) && data[i] == '{' {
				start := i
				i = e.fields(data, i+1)
				e.payload = value{start: int32(start), end: int32(i), kind: kObject}
			} else {
				e.payload, i = scanValue(data, i, 1)
			}
		default:
			_, i = scanValue(data, i, 1)
		}
		if i < 0 {
			return -1
		}
		var done bool
		if i, done = nextMember(data, i); i < 0 || done {
			return i
		}
	}
}

// fields reads the payload's object from behind its brace.
func (e *envelope) fields(data []byte, i int) int {
	i = skipSpace(data, i)
	if i < len(data) && data[i] == '}' {
		return i + 1
	}
	var scratch [16]byte
	for {
		var key []byte
		if key, i = scanKey(data, i, scratch[:]); i < 0 {
			return -1
		}
		var v value
		f := fieldOf(key)
		if v, i = scanValue(data, i, 2); i < 0 {
			return -1
		}
		if f != fNone {
			if e.vals[f].end != 0 {
				e.dup |= 1 << f
			}
			e.vals[f] = v
		}
		var done bool
		if i, done = nextMember(data, i); i < 0 || done {
			return i
		}
	}
}

// scanKey reads a member's name and its colon and returns where the value starts. A name with escapes is decoded into
// scratch when it fits; one that doesn't is none of ours.
func scanKey(data []byte, i int, scratch []byte) ([]byte, int) {
	if i >= len(data) || data[i] != '"' {
		return nil, -1
	}
	end, escaped := scanString(data, i+1)
	if end < 0 {
		return nil, -1
	}
	key := data[i+1 : end]
	if escaped {
		if n, ok := unescapedLen(key); !ok || n > len(scratch) {
			key = nil
		} else {
			unescape(scratch[:n], key)
			key = scratch[:n]
		}
	}
	i = skipSpace(data, end+1)
	if i >= len(data) || data[i] != ':' {
		return nil, -1
	}
	return key, skipSpace(data, i+1)
}

// nextMember steps from behind a value to the next member's name, or behind the closing brace.
func nextMember(data []byte, i int) (next int, done bool) {
	i = skipSpace(data, i)
	if i >= len(data) {
		return -1, false
	}
	switch data[i] {
	case ',':
		return skipSpace(data, i+1), false
	case '}':
		return i + 1, true
	}
	return -1, false
}

// scanValue reads any value at i, which lies depth levels deep, and returns where it ends, -1 when it is not JSON.
func scanValue(data []byte, i, depth int) (value, int) {
	if i >= len(data) {
		return value{}, -1
	}
	v := value{start: int32(i)}
	switch c := data[i]; c {
	case '"':
		end, escaped := scanString(data, i+1)
		if end < 0 {
			return v, -1
		}
		v.start, v.end, v.kind, v.escaped = int32(i+1), int32(end), kString, escaped
		return v, end + 1
	case '{', '[':
		v.kind = kObject
		if c == '[' {
			v.kind = kArray
		}
		i = scanContainer(data, i, depth)
	case 't', 'f':
		v.kind, v.yes = kBool, c == 't'
		i = scanLiteral(data, i)
	case 'n':
		i = scanLiteral(data, i)
	default:
		v.kind = kNumber
		i = scanNumber(data, i)
	}
	v.end = int32(i)
	return v, i
}

// scanContainer walks an object or array without recursion: one bit a level says which of the two it is.
func scanContainer(data []byte, i, depth int) int {
	var objects uint64
	level := 0
	for {
		// At the start of a value.
		if i >= len(data) {
			return -1
		}
		switch c := data[i]; c {
		case '{', '[':
			if depth+level >= MaxDepth {
				return -1
			}
			objects <<= 1
			level++
			i = skipSpace(data, i+1)
			if i >= len(data) {
				return -1
			}
			if c == '{' {
				objects |= 1
				if data[i] != '}' {
					if i = scanName(data, i); i < 0 {
						return -1
					}
					continue
				}
			} else if data[i] != ']' {
				continue
			}
			i++
			level--
			objects >>= 1
		case '"':
			end, _ := scanString(data, i+1)
			if end < 0 {
				return -1
			}
			i = end + 1
		case 't', 'f', 'n':
			i = scanLiteral(data, i)
		default:
			i = scanNumber(data, i)
		}
		if i < 0 {
			return -1
		}
		// Behind a value: close what closes, then to the next value.
		for {
			if level == 0 {
				return i
			}
			if i = skipSpace(data, i); i >= len(data) {
				return -1
			}
			if data[i] == ',' {
				break
			}
			if (objects&1 == 1 && data[i] != '}') || (objects&1 == 0 && data[i] != ']') {
				return -1
			}
			i++
			level--
			objects >>= 1
		}
		i = skipSpace(data, i+1)
		if objects&1 == 1 {
			if i = scanName(data, i); i < 0 {
				return -1
			}
		}
	}
}

// scanName reads a member's name that nobody asks for, and its colon.
func scanName(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	end, _ := scanString(data, i+1)
	if end < 0 {
		return -1
	}
	i = skipSpace(data, end+1)
	if i >= len(data) || data[i] != ':' {
		return -1
	}
	return skipSpace(data, i+1)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanString finds the closing quote of a string that starts at i, and checks its escapes. -1: not JSON.
func scanString(data []byte, i int) (end int, escaped bool) {
	for {
		// Eight bytes at a time up to the first quote, backslash or control character.
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			q := w ^ ones*'"'
			b := w ^ ones*'\\'
			m := ((q - ones) &^ q) | ((b - ones) &^ b) | ((w - ones*0x20) &^ w)
			if m &= highs; m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return -1, false
		}
		switch c := data[i]; {
		case c == '"':
			return i, escaped
		case c == '\\':
			escaped = true
			if i+1 >= len(data) {
				return -1, false
			}
			switch data[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(data) || hex4(data[i+2:]) < 0 {
					return -1, false
				}
				i += 6
			default:
				return -1, false
			}
		case c < 0x20:
			return -1, false
		default:
			i++
		}
	}
}

func scanLiteral(data []byte, i int) int {
	for _, s := range [...]string{"true", "false", "null"} {
		if data[i] == s[0] {
			if len(data)-i >= len(s) && string(data[i:i+len(s)]) == s {
				return i + len(s)
			}
			return -1
		}
	}
	return -1
}

// scanNumber checks the grammar of a number; how large it is doesn't matter, no field of a client is one.
func scanNumber(data []byte, i int) int {
	digits := func() bool {
		s := i
		for i < len(data) && data[i]-'0' <= 9 {
			i++
		}
		return i > s
	}
	if data[i] == '-' {
		i++
	}
	switch {
	case i < len(data) && data[i] == '0':
		i++
	case !digits():
		return -1
	}
	if i < len(data) && data[i] == '.' {
		i++
		if !digits() {
			return -1
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		if !digits() {
			return -1
		}
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}
