package wsconn

import "sync"

// Buffers for messages that come in several reads or fragments. They grow with the bytes that really came, from class to
// class, and go back when the message is delivered. Larger ones are left to the garbage collector.
var classes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10}

var pools = [len(classes)]sync.Pool{
	{New: func() any { return new([1 << 10]byte) }},
	{New: func() any { return new([4 << 10]byte) }},
	{New: func() any { return new([16 << 10]byte) }},
	{New: func() any { return new([64 << 10]byte) }},
	{New: func() any { return new([128 << 10]byte) }},
}

// appendPooled appends part to b, moving to a larger buffer when needed.
func appendPooled(b, part []byte) []byte {
	need := len(b) + len(part)
	if need <= cap(b) {
		return append(b, part...)
	}
	larger := borrow(need, cap(b))
	larger = append(append(larger, b...), part...)
	giveBack(b)
	return larger
}

func borrow(need, had int) []byte {
	for i, size := range classes {
		if size < need {
			continue
		}
		switch p := pools[i].Get().(type) {
		case *[1 << 10]byte:
			return p[:0]
		case *[4 << 10]byte:
			return p[:0]
		case *[16 << 10]byte:
			return p[:0]
		case *[64 << 10]byte:
			return p[:0]
		case *[128 << 10]byte:
			return p[:0]
		}
	}
	return make([]byte, 0, max(need, 2*had))
}

func giveBack(b []byte) {
	switch b = b[:cap(b)]; cap(b) {
	case 1 << 10:
		pools[0].Put((*[1 << 10]byte)(b))
	case 4 << 10:
		pools[1].Put((*[4 << 10]byte)(b))
	case 16 << 10:
		pools[2].Put((*[16 << 10]byte)(b))
	case 64 << 10:
		pools[3].Put((*[64 << 10]byte)(b))
	case 128 << 10:
		pools[4].Put((*[128 << 10]byte)(b))
	}
}

var inbounds = sync.Pool{New: func() any { return new(inbound) }}

// inbound is c.in, borrowed when it isn't there.
func (c *Conn) inbound() *inbound {
	if c.in == nil {
		c.in = inbounds.Get().(*inbound)
	}
	return c.in
}

// dropInbound gives c.in and the message buffer back.
func (c *Conn) dropInbound() {
	in := c.in
	if in == nil {
		return
	}
	c.in = nil
	giveBack(in.message)
	*in = inbound{}
	inbounds.Put(in)
}
