package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// table is what the template writes as one.
type table struct {
	Title string
	Note  string
	Head  []cell
	Rows  [][]cell
}

// cell is one of a table; its text is escaped by the template.
type cell struct {
	Text  string
	Class string // "n": a number; "ok", "bad": a verdict
}

func word(text string) cell   { return cell{Text: text} }
func number(text string) cell { return cell{Text: text, Class: "n"} }

func heads(names ...string) []cell {
	out := make([]cell, len(names))
	for i, n := range names {
		out[i] = word(n)
		if i > 0 {
			out[i].Class = "n"
		}
	}
	return out
}

func verdict(ok bool, good, wrong string) cell {
	if ok {
		return cell{"✓ " + good, "ok"}
	}
	return cell{"✗ " + wrong, "bad"}
}

// tables of one run, in the order in which they are read; those without rows are left out.
func tables(r *result.Run) []table {
	all := []table{thresholds(r), checker(r), violations(r), latencies(r), totals(r), errorCodes(r)}
	for _, m := range r.Memory {
		all = append(all, account(&m))
	}
	all = append(all, slopes(r), events(r), setting(r), machines(r))
	return slices.DeleteFunc(all, func(t table) bool { return len(t.Rows) == 0 })
}

// measured writes a value in a threshold's unit.
func measured(v float64, unitName string) string {
	switch unitName {
	case "bytes", "B":
		return notation.Bytes(v)
	case "ms":
		return notation.Millis.Text(v)
	case "":
		if v == math.Trunc(v) {
			return notation.Whole(v)
		}
		return notation.Digits(v)
	}
	return notation.Digits(v) + " " + unitName
}

func thresholds(r *result.Run) table {
	t := table{Title: "Thresholds", Note: "Limits that the scenario sets; one that isn't kept makes murre-load end with status 1.", Head: heads("threshold", "limit", "measured", "verdict")}
	for _, l := range r.Limits {
		sign := "≤ "
		if l.Least {
			sign = "≥ "
		}
		t.Rows = append(t.Rows, []cell{word(l.Name), number(sign + measured(l.Limit, l.Unit)), number(measured(l.Got, l.Unit)), verdict(l.OK, "kept", "missed")})
	}
	return t
}

func checker(r *result.Run) table {
	c := &r.Check
	t := table{
		Title: "Checker", Head: heads("what was judged", ""),
		Note: "Every acknowledged message must be received by each member's devices, once, in order and by nobody else; statuses may only move forward; synced must not lie.",
	}
	t.Rows = [][]cell{
		{word("verdict"), verdict(c.OK, "green", "promises were broken")},
		{word("acknowledged messages judged"), number(notation.Whole(float64(c.Messages)))},
		{word("receptions judged"), number(notation.Whole(float64(c.Receptions)))},
		{word("conversations with messages"), number(notation.Whole(float64(c.Conversations)))},
		{word("sent and never answered (neither expected nor forbidden)"), number(notation.Whole(float64(c.Unknown)))},
		{word("most that the checker held in memory"), number(notation.Bytes(float64(c.StateBytes)))},
	}
	for _, f := range c.Found {
		t.Rows = append(t.Rows, []cell{{Text: f.Kind + " (invariant " + strconv.Itoa(f.Invariant) + ")"}, {Text: notation.Whole(float64(f.Count)), Class: "n bad"}})
	}
	return t
}

func violations(r *result.Run) table {
	t := table{Title: "Broken promises, examples", Head: []cell{word("kind"), {"at", "n"}, word("user"), word("conversation"), word("message"), word("what happened")}}
	for _, v := range r.Check.Examples {
		t.Rows = append(t.Rows, []cell{{v.Kind, "bad"}, number(notation.Clock(v.At)), word(v.User), word(v.Conversation), word(v.Message), word(v.Detail)})
	}
	return t
}

func latencies(r *result.Run) table {
	t := table{
		Title: "Latency, ms", Head: heads("", "count", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "largest"),
		Note: "Of sending: from when a message was due. Histograms of all workers merged, three digits.",
	}
	for _, l := range r.Latencies {
		row := []cell{word(l.Name + ", " + l.Phase), number(notation.Whole(float64(l.Count)))}
		for _, v := range []float64{l.Mean, l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max} {
			row = append(row, number(notation.Digits(v)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func totals(r *result.Run) table {
	t := table{Title: "Totals", Head: heads("", "count", "a second")}
	c := &r.Totals
	for _, l := range []struct {
		name string
		n    int64
	}{
		{"messages due", c.Due}, {"sent", c.Sent}, {"sent again, unanswered before", c.Resent}, {"acknowledged", c.Acked}, {"refused", c.Refused},
		{"received by devices, first time", c.Delivered}, {"of them caught up", c.CaughtUp}, {"receipts", c.Receipts}, {"typing", c.Typing},
		{"connects", c.Connects}, {"connections that people ended", c.Leaves}, {"connections lost", c.Losses},
	} {
		t.Rows = append(t.Rows, []cell{word(l.name), number(notation.Whole(float64(l.n))), number(perSecond(float64(l.n), r.Seconds, notation.Rate))})
	}
	for _, l := range []struct {
		name string
		n    int64
	}{{"bytes from servers", c.BytesIn}, {"bytes to servers", c.BytesOut}} {
		t.Rows = append(t.Rows, []cell{word(l.name), number(notation.Bytes(float64(l.n))), number(perSecond(float64(l.n), r.Seconds, notation.Size))})
	}
	return t
}

func perSecond(n, seconds float64, u notation.Unit) string {
	if !(seconds > 0) {
		return ""
	}
	return u.Text(n / seconds)
}

func errorCodes(r *result.Run) table {
	t := table{Title: "Errors by code", Head: heads("code", "count", "of connects and sends")}
	for _, code := range codesOf(&r.Totals) {
		n := float64(r.Totals.Errors[code])
		t.Rows = append(t.Rows, []cell{word(code), number(notation.Whole(n)), number(percent(n, float64(r.Totals.Connects+r.Totals.Sent)))})
	}
	return t
}

// account is one account of memory; its note says what the sum is compared with.
func account(m *result.Memory) table {
	t := table{Title: "Memory, " + m.Moment + " (" + notation.Clock(m.At) + ", " + notation.Whole(float64(m.Connections)) + " connections)", Head: heads("part", "processes", "memory", "share", "a connection")}
	t.Head = append(t.Head, word("how it was found"))
	sum := 0.0
	for _, p := range m.Parts {
		processes, each := "", ""
		if p.Processes > 0 {
			processes = notation.Whole(float64(p.Processes))
		}
		if m.Connections > 0 {
			each = notation.Bytes(p.PerConn)
		}
		sum += float64(p.Bytes)
		t.Rows = append(t.Rows, []cell{word(p.Part), number(processes), number(notation.Bytes(float64(p.Bytes))), number(percent(float64(p.Bytes), float64(m.SumBytes))), number(each), word(p.Note)})
	}
	if len(m.Parts) == 0 {
		return t
	}
	each := ""
	if m.Connections > 0 {
		each = notation.Bytes(float64(m.SumBytes) / float64(m.Connections))
	}
	t.Rows = append(t.Rows, []cell{{"sum", "sum"}, {"", "sum"}, {notation.Bytes(float64(m.SumBytes)), "n sum"}, {"", "sum"}, {each, "n sum"}, {"", "sum"}})
	t.Note = explained(m, sum)
	return t
}

// explained says in words how the sum of an account relates to what the machine says.
func explained(m *result.Memory, parts float64) string {
	text := ""
	if math.Abs(parts-float64(m.SumBytes)) > 0.5 {
		text = fmt.Sprintf("The lines add up to %s and not to the sum that was written. ", notation.Bytes(parts))
	}
	if m.InUseBytes == 0 {
		return text + "What the machine itself had in use wasn't read."
	}
	grown := float64(m.InUseBytes - m.BeforeBytes)
	off := grown - float64(m.SumBytes)
	for _, p := range m.Parts {
		if p.Part == notFound { // the run's own line for what is left
			off += float64(p.Bytes)
		}
	}
	text += fmt.Sprintf("The machine had %s in use (all its memory less what is available), %s of it before anything of the run had started: the run took %s. ",
		notation.Bytes(float64(m.InUseBytes)), notation.Bytes(float64(m.BeforeBytes)), notation.Bytes(grown))
	switch {
	case math.Abs(off) <= 0.05*math.Max(grown, 1):
		return text + fmt.Sprintf("What was found adds up to that but for %s (%s).", notation.Bytes(math.Abs(off)), percent(math.Abs(off), grown))
	case off > 0:
		return text + fmt.Sprintf("%s (%s) weren't found: kernel memory that isn't listed, or programs beside the run.", notation.Bytes(off), percent(off, grown))
	}
	return text + fmt.Sprintf("What was found is %s more: programs beside the run gave memory back meanwhile, and pages of programs that the page cache holds anyway count as available.", notation.Bytes(-off))
}

// notFound is the part of an account that stands for what is in none of the others.
const notFound = "not found"

// foundBytes is the sum of an account's parts without that one, which holds whatever other programs did meanwhile.
func foundBytes(m *result.Memory) (sum float64) {
	for _, p := range m.Parts {
		if p.Part != notFound {
			sum += float64(p.Bytes)
		}
	}
	return sum
}

func slopes(r *result.Run) table {
	t := table{Title: "Growth over the steady time", Note: "A straight line through the series, by least squares.", Head: heads("", "at its begin", "at its end", "an hour")}
	for _, s := range r.Slopes {
		u := notation.Plain
		if s.Quantity == "bytes" || s.Quantity == "heapBytes" {
			u = notation.Size
		}
		sign := "+"
		if s.PerHour < 0 {
			sign = "−"
		}
		t.Rows = append(t.Rows, []cell{word(s.Group + ", " + s.Quantity), number(u.Text(s.First)), number(u.Text(s.Last)), number(sign + u.Text(math.Abs(s.PerHour)))})
	}
	return t
}

func events(r *result.Run) table {
	t := table{Title: "Events", Note: "Numbered as the vertical lines in the plots.", Head: []cell{{"", "n"}, {"at", "n"}, word("what"), {"how many", "n"}, {"took", "n"}}}
	for i, e := range r.Events {
		n, took := "", ""
		if e.N != 0 {
			n = notation.Whole(float64(e.N))
		}
		if e.Seconds != 0 {
			took = notation.Digits(e.Seconds) + " s"
		}
		t.Rows = append(t.Rows, []cell{number(strconv.Itoa(i + 1)), number(notation.Clock(e.At)), word(e.String()), number(n), number(took)})
	}
	return t
}

func setting(r *result.Run) table {
	t := table{Title: "Setting", Head: []cell{word(""), word("")}}
	add := func(name, value string) {
		if value != "" {
			t.Rows = append(t.Rows, []cell{word(name), word(value)})
		}
	}
	add("engine", r.Engine)
	add("gateways", notation.Whole(float64(r.Gateways)))
	add("server", r.Version)
	add("command", r.Command)
	add("seed", strconv.FormatUint(r.Seed, 10))
	add("users", notation.Whole(float64(r.Users)))
	add("conversations", notation.Whole(float64(r.Conversations)))
	add("groups among them", notation.Whole(float64(r.Groups)))
	if r.LargestGroup > 0 {
		add("members of the largest", notation.Whole(float64(r.LargestGroup)))
	}
	add("load averages before", r.Busy)
	if n := len(r.Workers); n > 0 {
		total, each := 0, make([]float64, 0, n)
		for _, w := range r.Workers {
			total += w.Connections
			each = append(each, w.BytesAConnection)
		}
		slices.Sort(each)
		add("workers", fmt.Sprintf("%d for %s connections; memory a connection: median %s, most %s", n, notation.Whole(float64(total)), notation.Bytes(each[n/2]), notation.Bytes(each[n-1])))
	}
	return t
}

func machines(r *result.Run) table {
	t := table{Title: "Machines", Head: []cell{word("machine"), word("CPU"), {"cores", "n"}, {"memory", "n"}, word("kernel"), word("network"), {"TCP buckets", "n"}}}
	for _, m := range r.Machines {
		network, buckets := "the machine's", "–"
		if m.OwnNetwork {
			network = "a namespace of its own"
		}
		if m.TCPBuckets > 0 {
			buckets = notation.Whole(float64(m.TCPBuckets))
		}
		t.Rows = append(t.Rows, []cell{word(m.Name), word(m.CPU), number(strconv.Itoa(m.Cores)), number(notation.Bytes(float64(m.MemoryBytes))), word(m.Kernel), word(network), number(buckets)})
	}
	return t
}
