package population

import "math/bits"

// permutation is a random-looking order of 0..n-1 that can be asked in both directions and takes no memory: a Feistel network
// over the smallest even number of bits that holds n, walked on until the result is below n.
type permutation struct {
	n    uint64
	half uint
	keys [4]uint64
}

func newPermutation(n int, seed uint64) permutation {
	p := permutation{n: uint64(n), half: uint(bits.Len64(uint64(max(n, 2)-1))+1) / 2}
	for i := range p.keys {
		p.keys[i] = mix(seed + uint64(i)*0x9e3779b97f4a7c15)
	}
	return p
}

// at is the place of x.
func (p *permutation) at(x int) int {
	v := uint64(x)
	for {
		if v = p.forward(v); v < p.n {
			return int(v)
		}
	}
}

// of is who has a place: of(at(x)) == x.
func (p *permutation) of(place int) int {
	v := uint64(place)
	for {
		if v = p.backward(v); v < p.n {
			return int(v)
		}
	}
}

func (p *permutation) forward(v uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	l, r := v>>p.half, v&mask
	for _, k := range p.keys {
		l, r = r, l^mix(r^k)&mask
	}
	return l<<p.half | r
}

func (p *permutation) backward(v uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	l, r := v>>p.half, v&mask
	for i := len(p.keys) - 1; i >= 0; i-- {
		l, r = r^mix(l^p.keys[i])&mask, l
	}
	return l<<p.half | r
}

// mix scatters bits (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
