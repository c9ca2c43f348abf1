package worker

import (
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/murre-chat/murre/loadtest/control"
	"github.com/murre-chat/murre/loadtest/procfs"
	"github.com/murre-chat/murre/loadtest/result"
)

// Histograms record µs up to ten minutes; what takes longer counts as that.
const (
	longest     = 600_000_000
	fineDigits  = 3
	roughDigits = 2 // of a stretch of the series
)

// tally is what is reported.
type tally struct {
	counts   result.Counts // of this stretch
	wire     [2]uint64     // bytes in and out at its beginning
	n        int           // its number
	ack, dlv *hdrhistogram.Histogram
	all      map[[2]string]*hdrhistogram.Histogram // by name and phase

	// Moments in the controller's µs; 0: not yet.
	steadyFrom, steadyTo, stormFrom, stormTo int64
	base, full                               int64
}

func (t *tally) init(w *Worker) {
	t.ack, t.dlv = hdrhistogram.New(1, longest, roughDigits), hdrhistogram.New(1, longest, roughDigits)
	t.all = map[[2]string]*hdrhistogram.Histogram{}
	t.n = int((w.micros(time.Now().UnixNano()) - w.setup.Began) / w.setup.Every)
}

// fail counts an error by its code.
func (t *tally) fail(code string) {
	if t.counts.Errors == nil {
		t.counts.Errors = map[string]int64{}
	}
	t.counts.Errors[code]++
}

// latency records how long something took that was due at a moment.
func (t *tally) latency(name string, due, now int64) {
	took := min(max(now-due, 1), longest)
	switch name {
	case result.LatencyAck:
		_ = t.ack.RecordValue(took) // it is in the histogram's range
	case result.LatencyDelivery:
		_ = t.dlv.RecordValue(took)
	}
	t.record(name, due, took)
}

// record puts µs into the histograms of its phases.
func (t *tally) record(name string, due, took int64) {
	took = min(max(took, 1), longest)
	t.into(name, result.PhaseAll, took)
	switch {
	case t.stormFrom != 0 && due >= t.stormFrom && (t.stormTo == 0 || due < t.stormTo):
		t.into(name, result.PhaseStorm, took)
	case t.steadyFrom != 0 && due >= t.steadyFrom && (t.steadyTo == 0 || due < t.steadyTo):
		t.into(name, result.PhaseSteady, took)
	}
}

func (t *tally) into(name, phase string, took int64) {
	k := [2]string{name, phase}
	h := t.all[k]
	if h == nil {
		h = hdrhistogram.New(1, longest, fineDigits)
		t.all[k] = h
	}
	_ = h.RecordValue(took)
}

// encode packs a histogram; "" when it is empty.
func encode(h *hdrhistogram.Histogram) string {
	if h.TotalCount() == 0 {
		return ""
	}
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "" // it writes to memory
	}
	return string(b)
}

// tick reports the stretches that are over, and says when the next one is, Unix ns.
func (t *tally) tick(w *Worker, now int64) int64 {
	for {
		end := w.setup.Began + int64(t.n+1)*w.setup.Every
		if local := (end - w.setup.Offset) * 1000; now < local {
			return local
		}
		t.report(w)
		t.n++
	}
}

func (t *tally) report(w *Worker) {
	in, out := w.loop.BytesIn, w.loop.BytesOut
	t.counts.BytesIn, t.counts.BytesOut = int64(in-t.wire[0]), int64(out-t.wire[1])
	t.wire = [2]uint64{in, out}
	found, _ := w.book.Found()
	w.tell(control.Answer{Tick: &control.Tick{
		N: t.n, Connected: w.connected, Wanted: w.wanted, Synced: w.synced, Counts: t.counts, Ack: encode(t.ack), Delivery: encode(t.dlv),
		Bytes: procfs.Anonymous(os.Getpid()), CPU: used().Microseconds(), FDs: w.connected,
		Open: w.open, Owed: w.book.Owed, Got: w.book.Got, Stormed: w.stormed, StormBack: w.stormBack, Found: found,
	}})
	t.counts = result.Counts{}
	t.ack.Reset()
	t.dlv.Reset()
}

// final is what is known in the end.
func (t *tally) final(w *Worker) *control.Final {
	f := &control.Final{Repeated: w.book.Repeated, StateBytes: w.book.StateBytes(), Base: t.base, Full: t.full}
	f.Found, f.Told = w.book.Found()
	for k, h := range t.all {
		f.Histograms = append(f.Histograms, control.Histogram{Name: k[0], Phase: k[1], HDR: encode(h)})
	}
	return f
}
