package wsconn

import (
	"encoding/binary"
	"errors"
	"math/rand"
	"strconv"
	"testing"

	"github.com/gobwas/ws"

	"github.com/murre-chat/murre/pkg/gateway/netpoll"
)

func TestEcho(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		c := s.open(t)
		for _, n := range []int{0, 1, 125, 126, 1000, 65535, 65536, 100_000, 128 << 10} {
			want := repeat("x", n)
			c.send(text(want))
			c.wantText(want)
		}
		c.send(frame(ws.OpBinary, true, "\xff\x00"))
		if op, got := c.read(); op != ws.OpBinary || got != "\xff\x00" {
			t.Fatal(op, got)
		}
		c.send(frame(ws.OpText, false, "a") + frame(ws.OpPing, true, "p") + frame(ws.OpContinuation, false, "") + frame(ws.OpContinuation, true, "b"))
		if op, got := c.read(); op != ws.OpPong || got != "p" {
			t.Fatal(op, got)
		}
		c.wantText("ab")
		c.send(closeText(1000, "bye"))
		c.wantClose(1000)
		if err := s.peer(t).wantClosed(t, 1000); !errors.Is(err, ErrTheyClose) {
			t.Error(err)
		}
		if st := s.Stats(); st.FramesIn != 15 || st.FramesOut != 12 || st.Upgraded != 1 || st.Connections != 0 || st.OutboundBytes != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestOneByteWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		c := startServer(t, kind, nil).dial(t)
		c.trickle(handshakeText("Origin: http://murre.test"))
		c.upgraded()
		c.trickle(text("grüße") + frame(ws.OpText, false, "€") + frame(ws.OpPing, true, "ping") + frame(ws.OpContinuation, true, "€") + text(repeat("y", 300)))
		c.wantText("grüße")
		if op, got := c.read(); op != ws.OpPong || got != "ping" {
			t.Fatal(op, got)
		}
		c.wantText("€€")
		c.wantText(repeat("y", 300))
		c.trickle(closeText(1001, ""))
		c.wantClose(1001)
	})
}

// TestSplitAnywhere cuts a handshake with frames behind it in two, at every byte.
func TestSplitAnywhere(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		all := handshakeText() + text("one") + frame(ws.OpText, false, "tw") + frame(ws.OpPing, true, "") + frame(ws.OpContinuation, true, "ö") + closeText(1000, "done")
		for i := range len(all) + 1 {
			c := s.dial(t)
			c.send(all[:i])
			c.send(all[i:])
			c.upgraded()
			c.wantText("one")
			if op, _ := c.read(); op != ws.OpPong {
				t.Fatal(i, op)
			}
			c.wantText("twö")
			c.wantClose(1000)
			c.Close()
			s.peer(t)
		}
	})
}

func TestBrokenFrames(t *testing.T) {
	huge := []byte{0x82, 0xff}
	huge = append(binary.BigEndian.AppendUint64(huge, 1<<62), testMask[:]...)
	negative := append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<63), testMask[:]...)
	fragments := frame(ws.OpText, false, "a")
	for range 16 {
		fragments += frame(ws.OpContinuation, false, "a")
	}
	pings := ""
	for range 30 {
		pings += frame(ws.OpPing, true, "")
	}
	half := 64<<10 + 1
	tests := []struct {
		name  string
		bytes string
		code  ws.StatusCode
	}{
		{"declares 2^62", string(huge), 1009},
		{"declares 2^63", string(negative), 1002},
		{"length not minimal", "\x81\xfe\x00\x01" + string(testMask[:]) + "a", 1002},
		{"one byte too big", string(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 128<<10+1), testMask[:]...)), 1009},
		{"too big in fragments", frame(ws.OpBinary, false, repeat("a", half)) + frame(ws.OpContinuation, true, repeat("a", half)), 1009},
		{"unmasked", "\x81\x01a", 1002},
		{"RSV1", "\xc1\x81" + string(testMask[:]) + "a", 1002},
		{"RSV2", "\xa1\x81" + string(testMask[:]) + "a", 1002},
		{"RSV3", "\x91\x81" + string(testMask[:]) + "a", 1002},
		{"reserved data op", frame(3, true, "a"), 1002},
		{"reserved control op", frame(11, true, "a"), 1002},
		{"fragmented ping", frame(ws.OpPing, false, "a"), 1002},
		{"long ping", frame(ws.OpPing, true, repeat("a", 126)), 1002},
		{"continuation of nothing", frame(ws.OpContinuation, true, "a"), 1002},
		{"text inside a message", frame(ws.OpText, false, "a") + text("b"), 1002},
		{"17 fragments", fragments, 1008},
		{"empty fragments without end", frame(ws.OpText, false, "") + repeat(frame(ws.OpContinuation, false, ""), 1000), 1008},
		{"30 pings", pings, 1008},
		{"invalid UTF-8", text("a\xff"), 1007},
		{"surrogate", text("\xed\xa0\x80"), 1007},
		{"UTF-8 cut at the end", text("\xe2\x82"), 1007},
		{"UTF-8 cut at the last fragment's end", frame(ws.OpText, false, "\xe2") + frame(ws.OpContinuation, true, "\x82"), 1007},
		{"invalid UTF-8 over fragments", frame(ws.OpText, false, "\xe2") + frame(ws.OpContinuation, false, "a"), 1007},
		{"invalid UTF-8, the rest never comes", "\x81\xfe\x01\x00" + "\x00\x00\x00\x00" + "ab\xf4\x90", 1007},
		{"close with one byte", frame(ws.OpClose, true, "a"), 1002},
		{"close with code 1005", closeText(1005, ""), 1002},
		{"close with code 1006", closeText(1006, ""), 1002},
		{"close with code 1004", closeText(1004, ""), 1002},
		{"close with code 1015", closeText(1015, ""), 1002},
		{"close with code 5000", closeText(5000, ""), 1002},
		{"close with code 999", closeText(999, ""), 1002},
		{"close with code 2999", closeText(2999, ""), 1002},
		{"close with a broken reason", closeText(1000, "\xff"), 1007},
	}
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				c := s.open(t)
				peer := s.peer(t)
				c.send(test.bytes)
				c.wantClose(test.code)
				peer.wantClosed(t, test.code)
				if err := peer.conn.SendText(nil); !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			})
		}
	})
}

func TestCloseCodesFromPeer(t *testing.T) {
	onBoth(t, func(t *testing.T, kind netpoll.Kind) {
		s := startServer(t, kind, nil)
		for _, code := range []ws.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
			c := s.open(t)
			peer := s.peer(t)
			c.send(closeText(code, "why"))
			c.wantClose(code)
			peer.wantClosed(t, code)
		}
		c := s.open(t)
		peer := s.peer(t)
		c.send(frame(ws.OpClose, true, ""))
		c.wantClose(1005)
		peer.wantClosed(t, 1005)
	})
}

// TestUTF8InPieces: what is valid whole is valid in pieces, and the other way round.
func TestUTF8InPieces(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	words := []string{"a", "ß", "€", "😀", "\U0010ffff", "\x00"}
	broken := []string{"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}
	for round := range 2000 {
		s := ""
		for range random.Intn(8) {
			s += words[random.Intn(len(words))]
		}
		valid := true
		if round%2 == 0 {
			s += broken[random.Intn(len(broken))] + words[random.Intn(len(words))]
			valid = false
		}
		var tail utf8Tail
		ok := true
		for rest := s; rest != "" && ok; {
			n := 1 + random.Intn(len(rest))
			ok = tail.valid([]byte(rest[:n]))
			rest = rest[n:]
		}
		if got := ok && tail.n == 0; got != valid {
			t.Fatalf("%s: %v", strconv.Quote(s), got)
		}
	}
}

func TestSealText(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 200_000} {
		payload := repeat("s", n)
		if got := SealText(append(make([]byte, Headroom, Headroom+n), payload...)); string(got) != string(TextFrame([]byte(payload))) {
			t.Errorf("%d bytes: %.20x", n, got)
		}
	}
}
