package cqlstore

import (
	"fmt"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
	"github.com/murre-chat/murre/pkg/transfer"
)

var (
	importConversation = written(forCopy, "INSERT INTO members (conversation_id, version, kind, name, avatar, created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"conversation_id", "version", "kind", "name", "avatar", "created_by", "created_at", "timestamp")
	importMember = written(forCopy, "INSERT INTO members (conversation_id, user_id, role, joined_at, joined_id, left_id) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"conversation_id", "user_id", "role", "joined_at", "joined_id", "left_id", "timestamp")
	importListed = written(forCopy, "INSERT INTO user_conversations (user_id, conversation_id, kind, listed, muted, archived) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
		"user_id", "conversation_id", "kind", "listed", "muted", "archived", "timestamp")
	importHead = written(forCopy, "INSERT INTO conversation_heads (conversation_id, head) VALUES (?, (?, ?, ?)) USING TIMESTAMP ?",
		"conversation_id", "last", "sender", "preview", "timestamp")
	importEvent = written(forCopy, "INSERT INTO inbox (user_id, bucket, event_id, kind, change, conversation_id, message_id, actor_id, subject_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
		"user_id", "bucket", "event_id", "kind", "change", "conversation_id", "message_id", "actor_id", "subject_id", "timestamp", "ttl")
	importClaim = written(forCopy, "INSERT INTO claims (user_id, client_message_id, message_id, conversation_id, digest) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
		"user_id", "client_message_id", "message_id", "conversation_id", "digest", "timestamp", "ttl")
)

// keptMillis is what the tables' default_time_to_live says of logs and claims.
const keptMillis = 30 * dayMillis

// line is a row of a table: how it is written, and what must be read back.
type line struct {
	sheet *sheet
	key   []any
	want  []any   // of the sheet's columns: nil is null, []any a tuple
	at    []int64 // when each was written, Unix µs
	puts  []bound
	ends  int64 // Unix ms; the statements' last value is the TTL then. 0: never
	size  int   // bytes, roughly
	// uncounted: other rows of the source lead to the same line.
	uncounted bool
}

// over reports whether a line has ended, or will before it was of use.
func (l *line) over(now int64) bool { return l.ends > 0 && l.ends-now < nearlyOver.Milliseconds() }

// values are the values of columns that are all written at one time.
func (l *line) values(at int64, values ...any) *line {
	for _, v := range values {
		if v == gocql.UnsetValue {
			v = nil
		}
		l.want, l.at = append(l.want, v), append(l.at, at)
	}
	return l
}

func (l *line) put(s *statement, values ...any) *line {
	l.puts = append(l.puts, bound{s, values})
	return l
}

func newLine(s *sheet, key ...any) *line { return &line{sheet: s, key: key} }

// lines turns rows of a source into rows of the tables.
func (i *Importer) lines(rows []transfer.Row) ([]*line, error) {
	out := make([]*line, 0, len(rows))
	var last bucketKey
	for k := range rows {
		from := len(out)
		switch v := rows[k].Value.(type) {
		case chat.User:
			out = i.user(out, v)
		case transfer.BlockRow:
			at := stamp(v.At)
			out = append(out, newLine(sheetBlocks, uuid(v.User), uuid(v.Blocked)).values(at, v.At).
				put(blockInsert, uuid(v.User), uuid(v.Blocked), v.At, at))
		case chat.Session:
			out = i.session(out, v)
		case chat.Device:
			out = append(out, i.device(v))
		case transfer.ChannelCursorRow:
			out = append(out, newLine(sheetChannels, uuid(v.User), uuid(v.Device), uuid(v.Channel)).values(micros(v.To), int64(v.To)).
				put(setChannelCursor, uuid(v.User), uuid(v.Device), uuid(v.Channel), int64(v.To), micros(v.To)))
		case transfer.ConversationRow:
			out = append(out, i.conversation(v))
		case transfer.MemberRow:
			values := []any{v.Role.String(), v.JoinedAt, int64(v.JoinedID), int64(v.LeftID)}
			out = append(out, i.whole(sheetMembers, importMember, values, uuid(v.Conversation), uuid(v.User)))
		case transfer.ListedRow:
			values := []any{v.Kind.String(), v.Listed, v.Muted, v.Archived}
			out = append(out, i.whole(sheetListed, importListed, values, uuid(v.User), uuid(v.Conversation)))
		case store.Head:
			cell := []any{int64(v.Last), uuid(v.Sender), v.Preview}
			out = append(out, newLine(sheetHeads, uuid(v.Conversation)).values(micros(v.Last), cell).
				put(importHead, uuid(v.Conversation), int64(v.Last), uuid(v.Sender), v.Preview, micros(v.Last)))
		case transfer.MarkRow:
			out = marks(out, v)
		case chat.Media:
			out = i.media(out, v)
		case transfer.MessageRow:
			if b := (bucketKey{v.Conversation, MessageBucket(v.Kind, v.ID)}); b != last {
				last = b
				l := newLine(sheetBuckets, uuid(b.conversation), b.bucket).put(putBucket, uuid(b.conversation), b.bucket, b.bucket*1000)
				l.uncounted = true
				out = append(out, l)
			}
			out = append(out, i.message(v))
		case transfer.ReactionRow:
			c, b, m := uuid(v.Conversation), MessageBucket(v.Kind, v.Message), int64(v.Message)
			out = append(out, newLine(sheetReactions, c, b, m, uuid(v.User)).values(micros(v.At), []any{int64(v.At), v.Emoji}).
				put(putReaction, c, b, m, uuid(v.User), int64(v.At), v.Emoji, micros(v.At)))
		case transfer.LogRow:
			out = append(out, event(v))
		case store.Claim:
			values := []any{int64(v.Message), uuid(v.Conversation), v.Digest[:]}
			l := newLine(sheetClaims, uuid(v.User), uuid(v.ClientMessage)).values(micros(v.Message), values...)
			l.ends = id.ID(v.Message).UnixMillis() + keptMillis
			out = append(out, l.put(importClaim, append(append([]any{}, l.key...), append(values, micros(v.Message))...)...))
		default:
			return nil, fmt.Errorf("cqlstore: copy: no table for a %T", v)
		}
		for _, l := range out[from:] {
			l.size = rows[k].Size + 100
		}
	}
	return out, nil
}

// made is the write time of rows that have none of their own.
func (i *Importer) made() int64 { return stamp(i.o.Made) }

// whole is a line whose statement binds the key, then every column, then the time.
func (i *Importer) whole(s *sheet, st *statement, values []any, key ...any) *line {
	l := newLine(s, key...).values(i.made(), values...)
	return l.put(st, append(append(append([]any{}, key...), values...), i.made())...)
}

func (i *Importer) user(out []*line, u chat.User) []*line {
	values := []any{u.Username, u.DisplayName, orUnset(u.Avatar, uuid(u.Avatar)), orUnset(u.Password, u.Password), orUnset(u.External, u.External), u.CreatedAt}
	l := i.whole(sheetUsers, userInsert, values, uuid(u.ID))
	if u.LastSeen > 0 {
		l.values(stamp(u.LastSeen), u.LastSeen).put(userSeen, stamp(u.LastSeen), u.LastSeen, uuid(u.ID))
	} else {
		l.values(0, nil)
	}
	out = append(out, l, i.name(sheetNames, usernames, u.Username, u)) // claimed before
	if u.External != "" {
		out = append(out, i.name(sheetSubjects, subjects, u.External, u))
	}
	for _, n := range searchNames(u.Username, u.DisplayName) {
		out = append(out, i.whole(sheetSearch, searchInsert, nil, searchPrefix(n), n, uuid(u.ID)))
	}
	return out
}

// name is the line of a name that was claimed before, or that is nobody's.
func (i *Importer) name(s *sheet, n names, name string, u chat.User) *line {
	l := newLine(s, name).values(0, uuid(u.ID))
	if i.o.Alone {
		l.put(n.put, name, uuid(u.ID), u.CreatedAt, i.made())
	}
	return l
}

func (i *Importer) session(out []*line, x chat.Session) []*line {
	at, seen := stamp(x.CreatedAt), stamp(max(x.SeenAt, x.CreatedAt))
	device := orUnset(x.Device, uuid(x.Device))
	l := newLine(sheetSessions, x.TokenHash[:]).values(at, uuid(x.User), device, x.CreatedAt, x.UserAgent, x.Address).values(seen, x.SeenAt, x.Expires).
		put(sessionInsert, x.TokenHash[:], uuid(x.User), device, x.CreatedAt, x.SeenAt, x.Expires, x.UserAgent, x.Address, at)
	if seen > at {
		l.put(sessionExtend, seen, x.SeenAt, x.Expires, x.TokenHash[:])
	}
	return append(out, l, newLine(sheetSignIns, uuid(x.User), x.TokenHash[:]).put(signInInsert, uuid(x.User), x.TokenHash[:], at))
}

func (i *Importer) device(d chat.Device) *line {
	values := []any{d.Name, d.Kind, d.CreatedAt, d.SeenAt, d.Session[:], d.DC, int64(d.AckedTo), int64(d.AckedBeyondBase), eventInts(d.AckedBeyond)}
	return i.whole(sheetDevices, newDevice, values, uuid(d.User), uuid(d.ID))
}

func (i *Importer) conversation(c transfer.ConversationRow) *line {
	values := []any{c.Version, c.Kind.String(), c.Name, orUnset(c.Avatar, uuid(c.Avatar)), uuid(c.CreatedBy), c.CreatedAt}
	return i.whole(sheetConvs, importConversation, values, uuid(c.ID))
}

func marks(out []*line, m transfer.MarkRow) []*line {
	if m.DeliveredTo <= 0 && m.ReadTo <= 0 {
		return out // as if it had never been set
	}
	c, u := uuid(m.Conversation), uuid(m.User)
	l := newLine(sheetMarks, c, u)
	for _, half := range []struct {
		to chat.MessageID
		s  *statement
	}{{m.DeliveredTo, putDelivered}, {m.ReadTo, putRead}} {
		if half.to <= 0 {
			l.values(0, nil)
			continue
		}
		l.values(micros(half.to), int64(half.to)).put(half.s, micros(half.to), int64(half.to), c, u)
	}
	return append(out, l)
}

func (i *Importer) media(out []*line, m chat.Media) []*line {
	values := []any{uuid(m.Owner), orUnset(m.Conversation, uuid(m.Conversation)), m.Avatar, m.ContentType, m.Size, m.Name, orUnset(m.SHA256, m.SHA256[:]),
		m.Width, m.Height, m.Thumb, m.Ready, m.CreatedAt}
	out = append(out, i.whole(sheetMedia, mediaInsert, values, uuid(m.ID)))
	if !m.Ready {
		out = append(out, i.whole(sheetUploads, uploadInsert, []any{m.CreatedAt}, uploadBucket(m.CreatedAt), uuid(m.ID)))
	}
	return out
}

// message writes a message as the engine would have: the row at its id's time, the edit at its own. A deletion is dated after
// everything that the source holds.
func (i *Importer) message(m transfer.MessageRow) *line {
	c, b, n, at := uuid(m.Conversation), MessageBucket(m.Kind, m.ID), int64(m.ID), micros(m.ID)
	var content, reply any = m.Content, gocql.UnsetValue
	if m.Version != 0 || m.Deleted {
		content = gocql.UnsetValue // the text is the edit's, and the first one isn't known any more
	}
	if m.ReplyTo != 0 {
		reply = int64(m.ReplyTo)
	}
	client, media := orUnset(m.ClientMessageID, uuid(m.ClientMessageID)), orUnset(m.MediaID, uuid(m.MediaID))
	l := newLine(sheetMessages, c, b, n).
		put(putMessage, c, b, n, uuid(m.Sender), client, m.ContentType.String(), content, media, reply, at)
	l.values(at, uuid(m.Sender), client, m.ContentType.String(), content, media, reply)
	const contentColumn = 3
	cell := []any{int64(m.Version), m.EditedAt, m.Content}
	switch {
	case m.Deleted:
		erased := i.made() + erasedAhead.Microseconds()
		l.want[contentColumn], l.at[contentColumn] = "", erased
		return l.values(erased, true, cell).put(eraseMessage, erased, int64(m.Version), m.EditedAt, c, b, n)
	case m.Version != 0:
		return l.values(0, nil).values(micros(m.Version), cell).put(editMessage, micros(m.Version), int64(m.Version), m.EditedAt, m.Content, c, b, n)
	}
	return l.values(0, nil, nil)
}

func event(e transfer.LogRow) *line {
	var change any = gocql.UnsetValue
	if e.Change != 0 {
		change = e.Change.String()
	}
	at := micros(e.ID)
	values := []any{eventKind(e.Kind), change, uuid(e.Conversation), int64(e.Message), uuid(e.Actor), orUnset(e.Subject, uuid(e.Subject))}
	l := newLine(sheetInbox, uuid(e.User), InboxBucket(e.ID), int64(e.ID)).values(at, values...)
	l.ends = id.ID(e.ID).UnixMillis() + keptMillis
	return l.put(importEvent, append(append(append([]any{}, l.key...), values...), at)...)
}
