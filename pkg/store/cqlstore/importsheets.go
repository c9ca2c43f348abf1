package cqlstore

import "strings"

// sheet is a table, or a part of one, as the importer reads it back.
type sheet struct {
	label string // under which it is counted
	table string
	key   []string // the partition's columns first
	parts int      // how many of those there are
	cols  []column
	// named is the number of key columns that a read fixes; the one after them is restricted to some values.
	named int
	// ranged: to a range, as it is a number. UUIDs are named one by one, as their order is the servers' own.
	ranged bool
	read   *statement
}

// column is one that isn't part of the key. The driver takes tuples apart.
type column struct {
	name  string
	width int
}

func col(name string) column          { return column{name, 1} }
func tuple(name string, n int) column { return column{name, n} }
func cols(names ...string) (out []column) {
	for _, n := range names {
		out = append(out, col(n))
	}
	return out
}

// clustered is a table whose partitions are read by their first clustering column; key has parts columns of the partition.
func clustered(table string, parts int, ranged bool, key []string, cols ...column) *sheet {
	return newSheet(&sheet{label: table, table: table, key: key, parts: parts, cols: cols, named: parts, ranged: ranged}, "SELECT ")
}

// single is a table of partitions of one row.
func single(table string, key []string, cols ...column) *sheet {
	return newSheet(&sheet{label: table, table: table, key: key, parts: len(key), cols: cols, named: len(key) - 1}, "SELECT ")
}

// static is the part of a table that each partition has once.
func static(table, label string, key []string, cols ...column) *sheet {
	return newSheet(&sheet{label: label, table: table, key: key, parts: len(key), cols: cols, named: len(key) - 1}, "SELECT DISTINCT ")
}

func newSheet(s *sheet, what string) *sheet {
	names := append([]string(nil), s.key...)
	for _, c := range s.cols {
		names = append(names, c.name)
	}
	var where []string
	for _, k := range s.key[:s.named] {
		where = append(where, k+" = ?")
	}
	if last := s.key[s.named]; s.ranged {
		where = append(where, last+" >= ?", last+" <= ?")
	} else {
		where = append(where, last+" IN ?")
	}
	s.read = written(forCopy, what+strings.Join(names, ", ")+" FROM "+s.table+" WHERE "+strings.Join(where, " AND "), s.key[:s.named+1]...)
	return s
}

// written is when a column of one row was written.
func (s *sheet) written(column string) *statement {
	var where []string
	for _, k := range s.key {
		where = append(where, k+" = ?")
	}
	return written(forCopy, "SELECT WRITETIME("+column+") FROM "+s.table+" WHERE "+strings.Join(where, " AND "), s.key...)
}

var (
	sheetUsers     = single("users", []string{"user_id"}, cols("username", "display_name", "avatar", "password", "external", "created_at", "last_seen")...)
	sheetNames     = single("usernames", []string{"username"}, col("user_id"))
	sheetSubjects  = single("external_subjects", []string{"subject"}, col("user_id"))
	sheetSearch    = clustered("user_search", 1, false, []string{"prefix", "name", "user_id"})
	sheetBlocks    = clustered("blocks", 1, false, []string{"user_id", "blocked_id"}, col("at"))
	sheetSessions  = single("sessions", []string{"token_hash"}, cols("user_id", "device_id", "created_at", "user_agent", "address", "seen_at", "expires")...)
	sheetSignIns   = clustered("user_sessions", 1, false, []string{"user_id", "token_hash"})
	sheetDevices   = clustered("devices", 1, false, []string{"user_id", "device_id"}, cols("name", "kind", "created_at", "seen_at", "session", "dc", "acked_to", "acked_base", "acked_beyond")...)
	sheetChannels  = clustered("channel_cursors", 1, false, []string{"user_id", "device_id", "channel_id"}, col("acked_to"))
	sheetConvs     = static("members", "members (conversations)", []string{"conversation_id"}, cols("version", "kind", "name", "avatar", "created_by", "created_at")...)
	sheetMembers   = clustered("members", 1, false, []string{"conversation_id", "user_id"}, cols("role", "joined_at", "joined_id", "left_id")...)
	sheetListed    = clustered("user_conversations", 1, false, []string{"user_id", "conversation_id"}, cols("kind", "listed", "muted", "archived")...)
	sheetHeads     = single("conversation_heads", []string{"conversation_id"}, tuple("head", 3))
	sheetMarks     = clustered("watermarks", 1, false, []string{"conversation_id", "user_id"}, cols("delivered_to", "read_to")...)
	sheetMedia     = single("media", []string{"media_id"}, cols("owner_id", "conversation_id", "avatar", "content_type", "size", "name", "sha256", "width", "height", "thumb", "ready", "created_at")...)
	sheetUploads   = clustered("media_unfinished", 1, false, []string{"bucket", "media_id"}, col("created_at"))
	sheetMessages  = clustered("messages", 2, true, []string{"conversation_id", "bucket", "message_id"}, append(cols("sender_id", "client_message_id", "content_type", "content", "media_id", "reply_to", "deleted"), tuple("edit", 3))...)
	sheetBuckets   = clustered("message_buckets", 1, false, []string{"conversation_id", "bucket"})
	sheetReactions = clustered("reactions", 2, true, []string{"conversation_id", "bucket", "message_id", "user_id"}, tuple("reaction", 2))
	sheetInbox     = clustered("inbox", 2, true, []string{"user_id", "bucket", "event_id"}, cols("kind", "change", "conversation_id", "message_id", "actor_id", "subject_id")...)
	sheetClaims    = single("claims", []string{"user_id", "client_message_id"}, cols("message_id", "conversation_id", "digest")...)
)
