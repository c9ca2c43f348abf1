// Package lease holds this process's node slot: the number that makes its ids its own.
//
// A slot is a row in the durable store, changed by compare-and-set only and without expiry: holder, counter, high water. The
// holder raises the counter as it reserves ids; who wants another's slot must see holder and counter unchanged for a whole
// Term on its own monotonic clock. Ids stay below the high water reserved ahead, which ends before the term does, so a slot
// that changes hands never makes an id twice, whatever the clocks did. A crashed process doesn't wait for its slot: it takes
// a free one, and the old one is released by whoever sees it unchanged for long enough.
//
// It isn't the clock (chat/id) and keeps no sessions (session). Start with lease.go.
package lease
