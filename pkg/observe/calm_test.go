package observe

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFloodOfWarningsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		log, err := NewLogger(&out, "info", "text")
		if err != nil {
			t.Fatal(err)
		}
		lines := func() int {
			n := strings.Count(out.String(), "\n")
			out.Reset()
			return n
		}
		for i := range 10_000 {
			log.With("user", i).Warn("read a log", "error", "down")
			log.Info("fine")
		}
		log.Error("something else")
		if n := lines(); n != calmCount+1+10_000 {
			t.Errorf("%d lines", n)
		}
		time.Sleep(calmWindow)
		log.Warn("read a log", "error", "down")
		if text := out.String(); !strings.Contains(text, fmt.Sprintf("leftOut=%d", 10_000-calmCount)) {
			t.Errorf("%q doesn't say how many were left out", text)
		}
		lines()
		for i := range 3 * calmKinds {
			log.Warn(fmt.Sprint("message ", i))
		}
		if n := lines(); n > calmKinds+calmCount {
			t.Errorf("%d lines of ever new messages", n)
		}
	})
}
