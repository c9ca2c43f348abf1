package cqlstore

import (
	"context"

	"github.com/gocql/gocql"
)

const (
	// rowsABatch is the most rows that go to a node in one statement: Cassandra warns of more partitions than that.
	rowsABatch = 10
	// largeRow is from which size on, in bytes of a text in it, a row goes alone: Cassandra warns of batches over 5 KiB.
	largeRow = 2 << 10
)

// share is the rows of a write that one statement carries: they have their first replica in common.
type share struct {
	node *gocql.HostInfo
	rows []bound
}

// write writes rows of any partitions, in no order, and returns when every statement has: nil when all rows are written, else the
// first error, and any of them may be. Rows that the same node would be sent go to it together, in unlogged batches: a statement
// costs gateway and database more than the few hundred bytes it carries. Not so large, and only with what is idempotent.
func (d *DB) write(ctx context.Context, rows []bound) error {
	shares := d.shares(rows)
	return d.each(ctx, len(shares), func(ctx context.Context, i int) error {
		s := shares[i].rows
		if len(s) == 1 {
			return d.exec(ctx, s[0].s, s[0].values...)
		}
		return d.batch(ctx, purposeOf(s), s)
	})
}

func (b *bound) large() bool {
	for _, v := range b.values {
		if text, ok := v.(string); ok && len(text) >= largeRow {
			return true
		}
	}
	return false
}

// shares deals rows out by the node they go to. The rows of one share are in the order of rows.
func (d *DB) shares(rows []bound) []share {
	// A batch over several partitions may be done in part: what stands between the rows in tests sees each of them.
	single := len(rows) == 1 || d.hook.Load() != nil
	out := make([]share, 0, len(rows)/rowsABatch+1)
	for i := range rows {
		r := &rows[i]
		if single || r.large() {
			out = append(out, share{rows: []bound{*r}})
			continue
		}
		node := d.quiet.first(d.session.Session.Query(r.s.cql, r.values...))
		var mine *share
		for k := len(out) - 1; k >= 0 && mine == nil; k-- { // the last one of a node is the one that is not full
			if out[k].node == node && node != nil {
				mine = &out[k]
			}
		}
		if mine == nil || len(mine.rows) == rowsABatch {
			out = append(out, share{node: node, rows: make([]bound, 0, min(len(rows)-i, rowsABatch))})
			mine = &out[len(out)-1]
		}
		mine.rows = append(mine.rows, *r)
	}
	return out
}

// purposeOf is what rows written together count as.
func purposeOf(rows []bound) purpose {
	p := rows[0].s.purpose
	for i := range rows[1:] {
		if rows[i+1].s.purpose != p {
			return forCommit
		}
	}
	return p
}
