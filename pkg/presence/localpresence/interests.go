package localpresence

import (
	"time"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/presence"
)

const (
	maxInterests  = 1 << 20
	maxPerWatcher = 1000
	maxPerWatched = 1024
	sweepUsers    = 20_000
)

// interests is who wants to hear of whom. The mutex of Presence guards it.
type interests struct {
	of    map[chat.UserID][]interest // by watched user
	held  map[chat.UserID]int        // by watcher
	total int
}

type interest struct {
	watcher chat.UserID
	until   int32 // seconds
}

func (in *interests) add(watcher, user chat.UserID, now int32) {
	until := now + int32(presence.InterestFor/time.Second)
	list := in.of[user]
	for i := range list {
		if list[i].watcher == watcher {
			list[i].until = until
			return
		}
	}
	if len(list) >= maxPerWatched {
		list = in.prune(user, now)
	}
	if len(list) >= maxPerWatched || in.held[watcher] >= maxPerWatcher || in.total >= maxInterests {
		return
	}
	in.of[user] = append(list, interest{watcher: watcher, until: until})
	in.held[watcher]++
	in.total++
}

// watchers returns who wants to hear of a user now.
func (in *interests) watchers(user chat.UserID, now int32) []chat.UserID {
	list := in.prune(user, now)
	out := make([]chat.UserID, len(list))
	for i := range list {
		out[i] = list[i].watcher
	}
	return out
}

// prune forgets what has run out of a user's list and returns the rest.
func (in *interests) prune(user chat.UserID, now int32) []interest {
	list := in.of[user]
	kept := list[:0]
	for _, w := range list {
		if w.until > now {
			kept = append(kept, w)
			continue
		}
		in.total--
		if in.held[w.watcher]--; in.held[w.watcher] == 0 {
			delete(in.held, w.watcher)
		}
	}
	if len(kept) == 0 {
		delete(in.of, user)
		return nil
	}
	in.of[user] = kept
	return kept
}

// sweep prunes some users; iteration starts anywhere, so all come up in time.
func (in *interests) sweep(now int32) {
	n := 0
	for u := range in.of {
		in.prune(u, now)
		if n++; n == sweepUsers {
			return
		}
	}
}
