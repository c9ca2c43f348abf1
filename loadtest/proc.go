package loadtest

import (
	"fmt"

	"github.com/murre-chat/murre/loadtest/procfs"
)

// machine is one line about where this runs.
func machine() string {
	return fmt.Sprintf("%s, %d cores, Linux %s", procfs.CPUModel(), cores(), procfs.Kernel())
}
