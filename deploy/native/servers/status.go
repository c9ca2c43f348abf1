package servers

import (
	"fmt"
	"io"

	"github.com/murre-chat/murre/deploy/native"
)

// Common are the sets that most tests use: what `make servers-up` starts.
func Common() []string { return []string{setCQL, setRedis, setMinIO, setVersity} }

// Status writes one line a running server.
func Status(w io.Writer) error {
	for _, set := range sets {
		opt, err := options(set)
		if err != nil {
			return err
		}
		running, err := native.Running(opt.Dir)
		if err != nil {
			return err
		}
		for _, r := range running {
			if _, err := fmt.Fprintf(w, "%-11s %-12s %-16s pid %d\n", set, r.Name, opt.Subnet+".x", r.Pid); err != nil {
				return err
			}
		}
	}
	return nil
}
