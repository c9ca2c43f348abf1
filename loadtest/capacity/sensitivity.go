package capacity

import (
	"math"
	"slices"
)

// Effect is what a quantity does to the number of machines when it is half and when it is double.
type Effect struct {
	Quantity Quantity
	Half     int // machines, all kinds and datacenters
	Double   int
	Base     int
}

// Size is by how much the quantity moves the answer, as a share of it.
func (e *Effect) Size() float64 {
	return math.Max(math.Abs(float64(e.Half-e.Base)), math.Abs(float64(e.Double-e.Base))) / float64(e.Base)
}

// fixed are quantities that aren't varied: what is asked, and counts that can't be halved.
var fixed = []string{"users", "messages", "datacenters", "spare-datacenters", "replicas"}

// Sensitivity varies each quantity alone and returns the effects, the largest first. Shares go to
// 1 at most, and nobody has less than one device.
func Sensitivity(l Load, m *Measured, s Shape) ([]Effect, error) {
	base, err := Compute(l, &m.Costs, s)
	if err != nil {
		return nil, err
	}
	var out []Effect
	c := m.Costs
	for _, list := range []struct {
		slots []slot
		of    []Quantity
	}{{c.slots(), m.Quantities()}, {l.slots(), l.Quantities()}, {s.slots(), s.Quantities()}} {
		for i, at := range list.slots {
			if slices.Contains(fixed, at.name) || *at.at == 0 {
				continue
			}
			e := Effect{Quantity: list.of[i], Base: base.Machines()}
			kept := *at.at
			for _, v := range []struct {
				times float64
				to    *int
			}{{0.5, &e.Half}, {2, &e.Double}} {
				*at.at = kept * v.times
				switch {
				case isShare(at.name):
					*at.at = math.Min(*at.at, most(at.name))
				case at.name == "devices":
					*at.at = math.Max(*at.at, 1)
				}
				p, err := Compute(l, &c, s)
				if err != nil {
					*at.at = kept
					return nil, err
				}
				*v.to = p.Machines()
			}
			*at.at = kept
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Effect) int {
		switch d := b.Size() - a.Size(); {
		case d > 0:
			return 1
		case d < 0:
			return -1
		}
		return 0
	})
	return out, nil
}

func isShare(name string) bool {
	return slices.Contains([]string{"group-share", "mean-to-peak", "spare-gateways", "full-cpu", "full-memory", "full-disk", "full-network"}, name)
}

// most is the largest value of a share.
func most(name string) float64 {
	if name == "spare-gateways" {
		return 0.9
	}
	return 1
}
