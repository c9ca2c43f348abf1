package capacity

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/murre-chat/murre/loadtest/result"
)

// Documents have blocks that are computed: what stands between these two lines is replaced by Fill.
var blockLines = regexp.MustCompile(`(?s)<!-- computed: ([a-z0-9-]+) -->\n.*?<!-- end -->`)

// Fill puts computed blocks into a document. A block that isn't computed is an error.
func Fill(document string, blocks map[string]string) (string, error) {
	var unknown []string
	out := blockLines.ReplaceAllStringFunc(document, func(block string) string {
		name := blockLines.FindStringSubmatch(block)[1]
		text, ok := blocks[name]
		if !ok {
			unknown = append(unknown, name)
			return block
		}
		return "<!-- computed: " + name + " -->\n" + text + "<!-- end -->"
	})
	if len(unknown) > 0 {
		return "", fmt.Errorf("no block is named %q; there are %q", unknown, slices.Sorted(maps.Keys(blocks)))
	}
	return out, nil
}

// mostEffects is how many lines the tables of sensitivity have.
const mostEffects = 12

// Blocks are the computed parts of docs/capacity.md and docs/scaling.md: everything there that is a figure of the model.
func Blocks(m *Measured, runs []*result.Run) (map[string]string, error) {
	l, s := People(), Machines()
	blocks := map[string]string{
		"costs":    QuantityTable(m.Quantities()),
		"load":     QuantityTable(slices.DeleteFunc(l.Quantities(), func(q Quantity) bool { return q.Name == "users" || q.Name == "messages" })),
		"shape":    QuantityTable(s.Quantities()),
		"check":    CheckTable(runs, &m.Costs),
		"runs":     RunTable(runs),
		"lines":    LineTable(runs),
		"settled":  SettledTable(runs),
		"expected": ExpectTable(runs, 1_000_000, 54, 53), // as loadtest/scenarios/million.yaml
		"accounts": AccountTable(runs),
		"holds":    HoldTable(&m.Costs, s, runs, 20_000),
	}
	for name, datacenters := range map[string]int{"plan-1": 1, "plan-3": 3} {
		var plans []*Plan
		for _, size := range Sizes() {
			l := l.In(datacenters)
			l.Users, l.Messages = size.Users, size.Messages
			p, err := Compute(l, &m.Costs, s)
			if err != nil {
				return nil, err
			}
			plans = append(plans, p)
		}
		blocks[name] = PlanTable(plans)
	}
	for name, size := range map[string]Size{"sensitivity-quiet": {50e6, 100e3}, "sensitivity-busy": {50e6, 1e6}} {
		l := l.In(1)
		l.Users, l.Messages = size.Users, size.Messages
		effects, err := Sensitivity(l, m, s)
		if err != nil {
			return nil, err
		}
		blocks[name] = EffectTable(effects, mostEffects)
	}
	return blocks, nil
}
