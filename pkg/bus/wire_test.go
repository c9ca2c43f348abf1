package bus

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/session"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fill sets everything below v to something that isn't zero: next gives the bytes.
func fill(v reflect.Value, next func() byte) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), next)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.String:
		v.SetString(strings.Repeat("ü", int(next()%5)+1))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		v.SetUint(uint64(next()) | 1)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(int64(next())<<20 | 1)
	default:
		panic(v.Kind().String())
	}
}

// full is a batch in which nothing is zero, so that a field that is added to a push and not to the codec shows.
func full() []Envelope {
	n := byte(0)
	next := func() byte { n++; return n | 1 }
	var batch [2]Envelope
	for i := range batch {
		fill(reflect.ValueOf(&batch[i]).Elem(), next)
	}
	return batch[:]
}

func TestEveryFieldTravels(t *testing.T) {
	want := full()
	b := AppendEnvelopes(nil, want)
	got, err := DecodeEnvelopes(string(b))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	golden := filepath.Join("testdata", "batch.v1.hex")
	text := []byte(hex.Dump(b))
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if stored, err := os.ReadFile(golden); err != nil || !bytes.Equal(stored, text) {
		t.Errorf("the bytes of a batch changed (%v): gateways of two versions talk to each other during an upgrade, so a change needs a new WireVersion", err)
	}
}

// draw fills v at random; pointers and slices may be nil, never empty.
func draw(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	case reflect.Array:
		if rapid.Bool().Draw(t, "zero") {
			return
		}
		reflect.Copy(v, reflect.ValueOf(rapid.SliceOfN(rapid.Byte(), v.Len(), v.Len()).Draw(t, "bytes")))
	case reflect.Slice:
		if n := rapid.IntRange(0, 4).Draw(t, "length"); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				draw(t, v.Index(i))
			}
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	default:
		t.Fatalf("a push holds a %s now: teach the test and the codec", v.Kind())
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []Envelope
		for range rapid.IntRange(0, 4).Draw(t, "envelopes") {
			var e Envelope
			draw(t, reflect.ValueOf(&e).Elem())
			if len(want) > 0 && rapid.Bool().Draw(t, "same sender") {
				e.From = want[len(want)-1].From
			}
			want = append(want, e)
		}
		got, err := DecodeEnvelopes(string(AppendEnvelopes(nil, want)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestBadBatches(t *testing.T) {
	good := AppendEnvelopes(nil, full())
	for name, b := range map[string]string{
		"nothing":           "",
		"a sender missing":  string([]byte{WireVersion, envPush, 1}),
		"unknown flags":     string([]byte{WireVersion, 0x80}),
		"recipients beyond": string([]byte{WireVersion, envFrom | envPush, 0, 0, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}),
	} {
		if _, err := DecodeEnvelopes(b); !errors.Is(err, ErrWireMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeEnvelopes("\x02" + string(good[1:])); !errors.Is(err, ErrWireVersion) {
		t.Errorf("another version: %v", err)
	}
	ends := map[int]bool{1: true, len(good): true} // a batch may end after an envelope
	first := len(AppendEnvelopes(nil, full()[:1]))
	ends[first] = true
	for n := range good {
		_, err := DecodeEnvelopes(string(good[:n]))
		if (err == nil) != ends[n] {
			t.Errorf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
}

func FuzzEnvelopes(f *testing.F) {
	f.Add(AppendEnvelopes(nil, full()))
	f.Add(AppendEnvelopes(nil, []Envelope{oneToOne()}))
	f.Add([]byte{WireVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := DecodeEnvelopes(string(b))
		if err != nil {
			return
		}
		again, err := DecodeEnvelopes(string(AppendEnvelopes(nil, got)))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%v\n%+v\n%+v", err, got, again)
		}
	})
}

// oneToOne is the envelope of an ordinary message to one person.
func oneToOne() Envelope {
	now := time.UnixMilli(1_790_000_000_000)
	m := &chat.Message{
		ID: 1 << 50, Conversation: chat.NewConversationID(now), Sender: chat.NewUserID(now), ClientMessageID: chat.NewClientMessageID(now),
		ContentType: chat.Text, Content: "a message of about eighty characters, as people write them all day long, you see", Status: chat.Sent,
	}
	return Envelope{From: session.GatewayID{Name: "gateway-1", Epoch: 17}, Seq: 123456, Push: &chat.Push{
		Kind: chat.PushMessage, Recipients: []chat.UserID{chat.NewUserID(now)}, ExceptDevice: chat.NewDeviceID(now), Message: m,
		Event: chat.Event{ID: 1<<50 + 1, Kind: chat.EventMessage, Conversation: m.Conversation, Message: m.ID, Actor: m.Sender},
	}}
}

func BenchmarkEncodeMessage(b *testing.B) {
	env := oneToOne()
	var e Encoder
	b.ReportAllocs()
	for b.Loop() {
		e.Reset()
		e.Add(env)
	}
	b.ReportMetric(float64(e.Len()), "bytes/message")
}

func BenchmarkDecodeMessage(b *testing.B) {
	s := string(AppendEnvelopes(nil, []Envelope{oneToOne()}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEnvelopes(s); err != nil {
			b.Fatal(err)
		}
	}
}
