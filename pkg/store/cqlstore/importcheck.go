package cqlstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gocql/gocql"

	"github.com/murre-chat/murre/pkg/transfer"
)

// partitions groups lines that are in one partition of one table, in the order in which they come.
func partitions(lines []*line) [][]*line {
	return group(lines, func(s *sheet) (int, int) { return s.parts, len(lines) })
}

// reads groups lines that one statement reads.
func reads(lines []*line) [][]*line {
	return group(lines, func(s *sheet) (int, int) {
		if s.ranged {
			return s.named, len(lines)
		}
		return s.named, maxIn
	})
}

// group puts lines of one table together that agree in the first columns of their keys. by says for a table how many those are,
// and how many lines a group may have.
func group(lines []*line, by func(*sheet) (columns, limit int)) [][]*line {
	var out [][]*line
	open := make(map[string]int)
	var key []byte
	for _, l := range lines {
		columns, limit := by(l.sheet)
		key = append(append(key[:0], l.sheet.label...), 0)
		for _, v := range l.key[:columns] {
			key = appendKey(key, v)
		}
		at, ok := open[string(key)]
		if !ok || len(out[at]) == limit {
			at = len(out)
			open[string(key)] = at
			out = append(out, nil)
		}
		out[at] = append(out[at], l)
	}
	return out
}

// appendKey appends a key column's value so that different ones never look alike.
func appendKey(b []byte, v any) []byte {
	switch v := v.(type) {
	case [16]byte:
		return append(b, v[:]...)
	case int64:
		return binary.BigEndian.AppendUint64(b, uint64(v))
	case string:
		return append(binary.AppendUvarint(b, uint64(len(v))), v...)
	case []byte:
		return append(binary.AppendUvarint(b, uint64(len(v))), v...)
	}
	return fmt.Append(b, v)
}

// Check reads rows back and compares every cell, byte for byte.
func (i *Importer) Check(ctx context.Context, rows []transfer.Row) (transfer.Checked, error) {
	sum := transfer.Checked{Rows: make(map[string]int64), Sums: make(map[string]transfer.Sum)}
	lines, err := i.lines(rows)
	if err != nil {
		return sum, err
	}
	now := i.o.Now().UnixMilli()
	lines = slices.DeleteFunc(lines, func(l *line) bool {
		if !l.over(now) {
			return false
		}
		sum.Expired++
		return true
	})
	groups := reads(lines)
	var mu sync.Mutex
	err = together(ctx, len(groups), func(ctx context.Context, k int) error {
		c := &checker{i: i, lines: groups[k], sheet: groups[k][0].sheet}
		if err := c.check(ctx); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		c.addTo(&sum)
		return nil
	})
	return sum, err
}

// checker compares the lines of one read.
type checker struct {
	i     *Importer
	sheet *sheet
	lines []*line
	types []gocql.TypeInfo // of the key's columns, then of the others', tuples taken apart
	found map[string][]rawCell
	out   transfer.Checked
	good  transfer.Sum
	n     int64
}

func (c *checker) check(ctx context.Context) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	for _, l := range c.lines {
		want, err := c.marshal(l)
		if err != nil {
			return err
		}
		have, ok := c.found[rowKey(want[:len(c.sheet.key)])]
		if !ok {
			c.out.Missing++
			c.wrong(l, "missing")
			continue
		}
		what, newer, err := c.compare(ctx, l, want, have)
		switch {
		case err != nil:
			return err
		case newer:
			c.out.Newer++
		case what != "":
			c.out.Differ++
			c.wrong(l, what)
		case !l.uncounted:
			c.n++
			c.good.Row(append([]byte(c.sheet.label+"\x00"), rowKey(have)...))
		}
	}
	return nil
}

func (c *checker) wrong(l *line, what string) {
	if len(c.out.Wrong) < shownWrong {
		c.out.Wrong = append(c.out.Wrong, transfer.Difference{Table: c.sheet.label, Row: showKey(l), What: what})
	}
}

func (c *checker) addTo(sum *transfer.Checked) {
	sum.Missing, sum.Differ, sum.Newer = sum.Missing+c.out.Missing, sum.Differ+c.out.Differ, sum.Newer+c.out.Newer
	if room := shownWrong - len(sum.Wrong); room > 0 {
		sum.Wrong = append(sum.Wrong, c.out.Wrong[:min(room, len(c.out.Wrong))]...)
	}
	if c.n == 0 {
		return
	}
	sum.Rows[c.sheet.label] += c.n
	s := sum.Sums[c.sheet.label]
	s.Add(c.good)
	sum.Sums[c.sheet.label] = s
}

// read fetches the rows, and others that lie between them.
func (c *checker) read(ctx context.Context) error {
	s, first := c.sheet, c.lines[0]
	values := slices.Clone(first.key[:s.named])
	if s.ranged {
		low, high := first.key[s.named].(int64), first.key[s.named].(int64)
		for _, l := range c.lines {
			n := l.key[s.named].(int64)
			low, high = min(low, n), max(high, n)
		}
		values = append(values, low, high)
	} else {
		values = append(values, c.some())
	}
	width := len(s.key)
	for _, col := range s.cols {
		width += col.width
	}
	c.found = make(map[string][]rawCell, len(c.lines))
	return c.i.d.run(ctx, s.read, func(ctx context.Context) error {
		it := c.i.d.query(ctx, s.read, values).PageSize(500).Iter()
		c.types = c.types[:0]
		for _, col := range it.Columns() {
			if t, ok := col.TypeInfo.(gocql.TupleTypeInfo); ok {
				c.types = append(c.types, t.Elems...)
				continue
			}
			c.types = append(c.types, col.TypeInfo)
		}
		for {
			row := make([]rawCell, width)
			dest := make([]any, width)
			for k := range row {
				dest[k] = &row[k]
			}
			if !it.Scan(dest...) {
				return it.Close()
			}
			c.found[rowKey(row[:len(s.key)])] = row
		}
	})
}

// some are the values, each once, of the column that the read restricts, as the driver binds a list of them.
func (c *checker) some() any {
	switch c.lines[0].key[c.sheet.named].(type) {
	case [16]byte:
		return distinct[[16]byte](c)
	case string:
		return distinct[string](c)
	case int64:
		return distinct[int64](c)
	}
	out := make([][]byte, len(c.lines))
	for k, l := range c.lines {
		out[k], _ = l.key[c.sheet.named].([]byte)
	}
	return out
}

func distinct[T comparable](c *checker) (out []T) {
	seen := make(map[T]struct{}, len(c.lines))
	for _, l := range c.lines {
		v, _ := l.key[c.sheet.named].(T)
		if _, ok := seen[v]; !ok {
			seen[v] = struct{}{}
			out = append(out, v)
		}
	}
	return out
}

// marshal is the line as the server should send it.
func (c *checker) marshal(l *line) ([]rawCell, error) {
	out := make([]rawCell, 0, len(c.types))
	values := l.key
	for k, col := range c.sheet.cols {
		var v any
		if k < len(l.want) {
			v = l.want[k]
		}
		if col.width == 1 {
			values = append(values[:len(values):len(values)], v)
			continue
		}
		elems, _ := v.([]any)
		if elems == nil {
			elems = make([]any, col.width)
		}
		values = append(values[:len(values):len(values)], elems...)
	}
	if len(values) != len(c.types) {
		return nil, fmt.Errorf("cqlstore: copy: %s: %d values for %d columns", c.sheet.label, len(values), len(c.types))
	}
	for k, v := range values {
		if v == nil {
			out = append(out, nil)
			continue
		}
		b, err := gocql.Marshal(c.types[k], v)
		if err != nil {
			return nil, fmt.Errorf("cqlstore: copy: %s: %w", c.sheet.label, err)
		}
		out = append(out, b)
	}
	return out, nil
}

// compare says which columns differ. newer: all of those were written in the target later than the source's.
func (c *checker) compare(ctx context.Context, l *line, want, have []rawCell) (what string, newer bool, err error) {
	at := len(c.sheet.key)
	var differ []string
	newer = true
	for k, col := range c.sheet.cols {
		same := true
		for n := range col.width {
			w, h := want[at+n], have[at+n]
			same = same && (w == nil) == (h == nil) && bytes.Equal(w, h)
		}
		if !same {
			var when *int64
			if err := c.i.d.one(ctx, c.sheet.written(col.name), l.key, &when); err != nil {
				return "", false, err
			}
			newer = newer && when != nil && *when > l.at[k]
			differ = append(differ, fmt.Sprintf("%s is %s, not %s", col.name, showCells(have[at:at+col.width]), showCells(want[at:at+col.width])))
		}
		at += col.width
	}
	if len(differ) == 0 {
		return "", false, nil
	}
	return strings.Join(differ, "; "), newer, nil
}

// rowKey joins cells so that no two rows of different ones are equal.
func rowKey(cells []rawCell) string {
	var b []byte
	for _, c := range cells {
		if c == nil {
			b = append(b, 0)
			continue
		}
		b = append(binary.AppendUvarint(append(b, 1), uint64(len(c))), c...)
	}
	return string(b)
}

// showCells prints cells without what people wrote: lengths of the longer ones.
func showCells(cells []rawCell) string {
	out := make([]string, len(cells))
	for k, c := range cells {
		switch {
		case c == nil:
			out[k] = "null"
		case len(c) <= 16:
			out[k] = fmt.Sprintf("0x%x", []byte(c))
		default:
			out[k] = fmt.Sprintf("%d bytes", len(c))
		}
	}
	return strings.Join(out, ", ")
}

func showKey(l *line) string {
	out := make([]string, len(l.key))
	for k, v := range l.key {
		if u, ok := v.([16]byte); ok {
			v = gocql.UUID(u).String()
		}
		if b, ok := v.([]byte); ok {
			v = fmt.Sprintf("0x%x", b)
		}
		out[k] = fmt.Sprintf("%s %v", l.sheet.key[k], v)
	}
	return strings.Join(out, ", ")
}
