package capacity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/murre-chat/murre/loadtest/result"
)

// Measured are costs with where each was read.
type Measured struct {
	Costs   Costs
	sources map[string]string
}

// Quantities lists the costs with their sources.
func (m *Measured) Quantities() []Quantity {
	return quantities(m.Costs.slots(), func(name string) string { return m.sources[name] })
}

// Set replaces a cost, an assumption or a size by name, for what-if.
func Set(name string, value float64, m *Measured, l *Load, s *Shape) error {
	for _, list := range [][]slot{m.Costs.slots(), l.slots(), s.slots()} {
		if at := find(list, name); at != nil {
			*at.at = value
			m.sources[name] = "said"
			return nil
		}
	}
	return fmt.Errorf("no quantity %q", name)
}

// origin says which figure of which file of docs/bench a cost is, and what it is multiplied by.
type origin struct {
	cost   string
	file   string
	figure string
	times  float64
}

const (
	costsFile   = "costs.json"
	clusterFile = "cluster.json"
	groupOf     = 10 // members of the group of costs.json
)

// origins, in the costs' order. Costs of further recipients are computed from two figures (see further).
var origins = []origin{
	{"connection-memory", clusterFile, "idle: RSS a connection", 1024},
	{"kernel-memory", costsFile, "kernel bytes a connection's end", 1},
	{"gateway-base", costsFile, "no connections: RSS of a gateway", 1 << 20},
	{"gateway-cpu", costsFile, "no connections: gateway CPU for a gateway, an hour", 1.0 / 3600},
	{"message-gateway-cpu", costsFile, "message: gateway CPU for 100,000", 1e-5},
	{"connect-gateway-cpu", costsFile, "connect: gateway CPU for 1,000", 1e-3},
	{"idle-gateway-cpu", costsFile, "idle: gateway CPU for 1,000 connections, an hour", 1e-3 / 3600},
	{"store-cpu", costsFile, "no connections: store CPU, an hour", 1.0 / 3600},
	{"redis-cpu", costsFile, "no connections: Redis CPU, an hour", 1.0 / 3600},
	{"message-store-cpu", costsFile, "message: store CPU for 100,000", 1e-5},
	{"connect-store-cpu", costsFile, "connect: store CPU for 1,000", 1e-3},
	{"message-redis-cpu", costsFile, "message: Redis CPU for 100,000", 1e-5},
	{"connect-redis-cpu", costsFile, "connect: Redis CPU for 1,000", 1e-3},
	{"message-statements", costsFile, "message: CQL statements", 1},
	{"connect-statements", costsFile, "connect: CQL statements", 1},
	{"gateway-statements", costsFile, "no connections: CQL statements a gateway and second", 1},
	{"message-trips", costsFile, "message: Redis round trips", 1},
	{"connect-trips", costsFile, "connect: Redis round trips", 1},
	{"message-bytes", costsFile, "message: bytes of gateways", 1},
	{"connect-bytes", costsFile, "connect: bytes of gateways", 1},
	{"message-client-bytes", costsFile, "message: bytes of clients", 1},
	{"connect-client-bytes", costsFile, "connect: bytes of clients", 1},
	{"message-row", costsFile, "disk bytes a row of messages", 1},
	{"claim-row", costsFile, "disk bytes a row of claims", 1},
	{"inbox-row", costsFile, "disk bytes a row of inbox", 1},
	{"session-memory", costsFile, "Redis bytes a connected device", 1},
	{"claim-memory", costsFile, "Redis bytes a claim", 1},
}

// further are costs of each recipient after the first: what a message to a group costs more, by recipient.
var further = []origin{
	{"recipient-gateway-cpu", costsFile, "gateway CPU for 100,000", 1e-5},
	{"recipient-store-cpu", costsFile, "store CPU for 100,000", 1e-5},
	{"recipient-redis-cpu", costsFile, "Redis CPU for 100,000", 1e-5},
	{"recipient-statements", costsFile, "CQL statements", 1},
	{"recipient-trips", costsFile, "Redis round trips", 1},
	{"recipient-bytes", costsFile, "bytes of gateways", 1},
	{"recipient-client-bytes", costsFile, "bytes of clients", 1},
}

// instead are figures that are read where the first choice's file doesn't have one.
var instead = map[string]origin{
	"connection-memory": {"connection-memory", "standard.json", "idle: RSS a connection", 1024},
}

// withoutPeople are costs that no plan needs, as machines have room for them, but only the check against small runs: they
// may be missing, and are 0 then.
var withoutPeople = []string{"store-cpu", "redis-cpu"}

// figures are the medians of a bench's JSON file, by name.
type figures map[string]float64

func readFigures(file string) (figures, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("measured costs: %w", err)
	}
	var bench struct {
		Figures []struct {
			Name   string
			Median float64
		}
	}
	if err := json.Unmarshal(text, &bench); err != nil {
		return nil, fmt.Errorf("measured costs: %s: %w", file, err)
	}
	out := figures{}
	for _, f := range bench.Figures {
		out[f.Name] = f.Median
	}
	return out, nil
}

// Read reads the costs from a folder of measurements, docs/bench. A figure that is in no file is an error that names it.
func Read(dir string) (*Measured, error) {
	read := map[string]figures{}
	for _, file := range []string{costsFile, clusterFile, "standard.json"} {
		f, err := readFigures(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) && file != costsFile {
			continue
		}
		if err != nil {
			return nil, err
		}
		read[file] = f
	}
	m := &Measured{sources: map[string]string{}}
	slots := m.Costs.slots()
	var missing []string
	set := func(o origin, value float64) {
		*find(slots, o.cost).at = value * o.times
		m.sources[o.cost] = o.file + ": " + o.figure
	}
	for _, o := range origins {
		v, ok := read[o.file][o.figure]
		if other, has := instead[o.cost]; !ok && has {
			o = other
			v, ok = read[o.file][o.figure]
		}
		if !ok && slices.Contains(withoutPeople, o.cost) {
			m.sources[o.cost] = "not measured"
			continue
		}
		if !ok {
			missing = append(missing, fmt.Sprintf("%s: %q", o.file, o.figure))
			continue
		}
		set(o, v)
	}
	for _, o := range further {
		one, ok1 := read[o.file]["message: "+o.figure]
		many, ok2 := read[o.file][fmt.Sprintf("message to a group of %d: %s", groupOf, o.figure)]
		if !ok1 || !ok2 {
			missing = append(missing, fmt.Sprintf("%s: %q", o.file, "message to a group of 10: "+o.figure))
			continue
		}
		o.figure = "message to a group of 10, less a direct one, by 8: " + o.figure
		set(o, max(0, many-one)/(groupOf-2))
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("measured costs: no figure %s (murre-load capacity measure, murre-load bench)", strings.Join(missing, ", "))
	}
	return m, nil
}

// ReadRuns reads the results of load runs in a folder and its subfolders, those with fewest users first. JSON files that
// are something else, such as a bench's figures, are passed over.
func ReadRuns(dir string) ([]*result.Run, error) {
	var runs []*result.Run
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var head struct {
			Format  int             `json:"format"`
			Machine json.RawMessage `json:"machines"`
		}
		if json.Unmarshal(text, &head) != nil || head.Format == 0 || head.Machine == nil {
			return nil
		}
		r, err := result.Read(path)
		if err != nil {
			return err
		}
		runs = append(runs, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("measured runs: %w", err)
	}
	slices.SortStableFunc(runs, func(a, b *result.Run) int { return a.Users - b.Users })
	return runs, nil
}
