package cqlstore

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
)

const (
	// searchLetters is how much of a name its partition is called by.
	searchLetters = 3
	// maxSearched bounds the names that one search looks at: among more matches the first by name are found.
	maxSearched = 200
	// lastRune sorts after every name that goes on.
	lastRune = "\U0010FFFF"
)

var (
	searchInsert = built(forUser, qb.Insert("user_search").Columns("prefix", "name", "user_id").TimestampNamed("written"))
	searchDelete = built(forUser, qb.Delete("user_search").TimestampNamed("written").Where(qb.Eq("prefix"), qb.Eq("name"), qb.Eq("user_id")))
	searchSelect = built(forUser, qb.Select("user_search").Columns("user_id").
			Where(qb.Eq("prefix"), qb.GtOrEqNamed("name", "from"), qb.LtNamed("name", "to")).LimitNamed("limit"))
)

// searchNames are the names by which a user is found.
func searchNames(username, displayName string) []string {
	name, shown := fold(username), fold(displayName)
	if shown == "" || shown == name {
		return []string{name}
	}
	return []string{name, shown}
}

// searchPrefix is the partition of a name: its first letters, or all of a shorter one.
func searchPrefix(name string) string {
	end := 0
	for range searchLetters {
		_, n := utf8.DecodeRuneInString(name[end:])
		end += n
	}
	return name[:end]
}

func (s users) list(ctx context.Context, names []string, id chat.UserID, written int64) error {
	return together(ctx, len(names), func(ctx context.Context, i int) error {
		return s.d.exec(ctx, searchInsert, searchPrefix(names[i]), names[i], uuid(id), written)
	})
}

func (s users) unlist(ctx context.Context, names []string, id chat.UserID, written int64) error {
	return together(ctx, len(names), func(ctx context.Context, i int) error {
		return s.d.exec(ctx, searchDelete, written, searchPrefix(names[i]), names[i], uuid(id))
	})
}

// Search finds users by the beginning of their names. Of one or two letters it finds only names that have no more: names are
// kept by their first three.
func (s users) Search(ctx context.Context, prefix string, limit int) ([]chat.User, error) {
	prefix = fold(prefix)
	var ids []chat.UserID
	var id chat.UserID
	err := s.d.rows(ctx, searchSelect, maxSearched, []any{searchPrefix(prefix), prefix, prefix + lastRune, maxSearched},
		[]any{(*[16]byte)(&id)}, func() (bool, error) {
			ids = append(ids, id)
			return true, nil
		})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ids, chat.UserID.Compare)
	found, err := s.Batch(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	// A row of an earlier name may be there a moment longer, or for ever when whoever renamed died.
	found = slices.DeleteFunc(found, func(u chat.User) bool {
		return !slices.ContainsFunc(searchNames(u.Username, u.DisplayName), func(n string) bool { return strings.HasPrefix(n, prefix) })
	})
	slices.SortFunc(found, func(a, b chat.User) int { return strings.Compare(a.Username, b.Username) })
	return found[:min(len(found), max(limit, 1))], nil
}
