package capacity

import (
	"fmt"
	"math"
	"strings"

	"github.com/murre-chat/murre/loadtest/notation"
	"github.com/murre-chat/murre/loadtest/result"
)

// Size is a load that the tables have a column of.
type Size struct {
	Users    float64
	Messages float64 // a second
}

// Sizes are the ones of docs/capacity.md. At 7.2 messages an hour and user, 500 million users send a million a second.
func Sizes() []Size {
	return []Size{{1e6, 2e3}, {50e6, 100e3}, {500e6, 1e6}, {1e6, 1e6}, {50e6, 1e6}}
}

// table writes rows as Markdown; the first is the head.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(row)) + "\n")
		}
	}
	return b.String()
}

// value writes a quantity's value in its unit.
func value(v float64, unit string) string {
	switch unit {
	case "B":
		return notation.Bytes(v)
	case "disk":
		return disk(v)
	case "bit/s":
		return bits(v)
	case "s", "s/s":
		switch {
		case v == 0:
			return "0 " + unit
		case v < 1e-3:
			return notation.Digits(v*1e6) + " µ" + unit
		case v < 1:
			return notation.Digits(v*1e3) + " m" + unit
		}
		return notation.Digits(v) + " " + unit
	case "":
		return notation.Plain.Text(v)
	}
	return notation.Plain.Text(v) + " " + unit
}

func bits(v float64) string {
	for _, m := range []struct {
		size float64
		name string
	}{{1e12, "Tbit/s"}, {1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}} {
		if v >= m.size {
			return notation.Digits(v/m.size) + " " + m.name
		}
	}
	return notation.Digits(v) + " bit/s"
}

// disk writes bytes as disks are sold, in decimal multiples.
func disk(v float64) string {
	for _, m := range []struct {
		size float64
		name string
	}{{1e18, "EB"}, {1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}} {
		if v >= m.size {
			return notation.Digits(v/m.size) + " " + m.name
		}
	}
	return notation.Digits(v/1e6) + " MB"
}

// QuantityTable lists quantities with their sources.
func QuantityTable(qs []Quantity) string {
	rows := [][]string{{"name", "value", "what", "from"}}
	for _, q := range qs {
		rows = append(rows, []string{"`" + q.Name + "`", value(q.Value, q.Unit), q.What, q.Source})
	}
	return table(rows)
}

func units(p Part) string { return fmt.Sprintf("%s (%s)", notation.Whole(float64(p.Units)), p.Bound) }

// PlanTable sets plans beside each other, one a column.
func PlanTable(plans []*Plan) string {
	rows := [][]string{{""}}
	row := func(name string, of func(p *Plan) string) {
		r := []string{name}
		for _, p := range plans {
			r = append(r, of(p))
		}
		rows = append(rows, r)
	}
	for _, p := range plans {
		rows[0] = append(rows[0], fmt.Sprintf("%s users, %s", notation.Plain.Text(p.Load.Users), notation.Rate.Text(p.Load.Messages)))
	}
	row("connections", func(p *Plan) string { return notation.Plain.Text(p.Connections) })
	row("connects", func(p *Plan) string { return notation.Rate.Text(p.Connects) })
	row("receptions by users", func(p *Plan) string { return notation.Rate.Text(p.Recipients) })
	row("CQL statements", func(p *Plan) string { return notation.Rate.Text(p.Statements) })
	row("Redis round trips", func(p *Plan) string { return notation.Rate.Text(p.Trips) })
	row("**gateways** in a datacenter", func(p *Plan) string { return units(p.Gateways) })
	row("**store nodes**", func(p *Plan) string { return units(p.Store) })
	row("**Redis shards**, each with a replica", func(p *Plan) string { return units(p.Redis) })
	row("machines of them", func(p *Plan) string { return notation.Whole(float64(p.RedisMachines)) })
	row("to clients", func(p *Plan) string { return bits(p.ClientBits) })
	row("in and out of all gateways", func(p *Plan) string { return bits(p.GatewayBits) })
	if len(plans) > 0 && plans[0].Load.Datacenters > 1 {
		row("from each datacenter to the others", func(p *Plan) string { return bits(p.BetweenBits) })
	}
	row("rows, one copy", func(p *Plan) string { return disk(p.KeepBytes) })
	row("on disks in a datacenter", func(p *Plan) string { return disk(p.DiskBytes) })
	row("**machines in all**", func(p *Plan) string { return "**" + notation.Whole(float64(p.Machines())) + "**" })
	return table(rows)
}

// EffectTable lists the largest effects.
func EffectTable(effects []Effect, most int) string {
	rows := [][]string{{"name", "value", "machines at half of it", "at double"}}
	for _, e := range effects[:min(most, len(effects))] {
		if e.Half == e.Base && e.Double == e.Base {
			break
		}
		rows = append(rows, []string{"`" + e.Quantity.Name + "`", value(e.Quantity.Value, e.Quantity.Unit), change(e.Half, e.Base), change(e.Double, e.Base)})
	}
	return table(rows)
}

func change(n, base int) string {
	return fmt.Sprintf("%s (%+.0f %%)", notation.Whole(float64(n)), 100*float64(n-base)/float64(base))
}

// CheckTable lists predictions beside measurements.
func CheckTable(runs []*result.Run, c *Costs) string {
	rows := [][]string{{"run", "connections", "messages/s", "what", "predicted", "measured", "ratio"}}
	for _, r := range runs {
		for _, p := range Check(r, c) {
			rows = append(rows, []string{p.Run, notation.Whole(float64(p.Connections)), notation.Digits(p.Rate), p.What, value(p.Predicted, p.Unit), value(p.Measured, p.Unit), notation.Digits(math.Round(p.Off()*100) / 100)})
		}
	}
	if len(rows) == 1 {
		return "No run's result is there to be checked against.\n"
	}
	return table(rows)
}
