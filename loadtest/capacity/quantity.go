package capacity

import "slices"

// Quantity is a number with its name, unit and source.
type Quantity struct {
	Name   string
	Unit   string // "" for counts and shares
	What   string
	Source string // the file and figure it was read from, "assumed" or "chosen"
	Value  float64
}

// slot is where a quantity stands in a struct, so that all of them can be listed, set by name, and varied.
type slot struct {
	name, unit, what string
	at               *float64
}

func quantities(slots []slot, source func(name string) string) []Quantity {
	out := make([]Quantity, len(slots))
	for i, s := range slots {
		out[i] = Quantity{Name: s.name, Unit: s.unit, What: s.what, Source: source(s.name), Value: *s.at}
	}
	return out
}

func find(slots []slot, name string) *slot {
	if i := slices.IndexFunc(slots, func(s slot) bool { return s.name == name }); i >= 0 {
		return &slots[i]
	}
	return nil
}
