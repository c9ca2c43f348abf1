package native

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// subnet is the one asked for, or the one that the folder's cluster had, or one where nobody listens.
func (o Options) subnet(dir string) (string, error) {
	if o.Subnet != "" {
		if strings.Count(o.Subnet, ".") != 2 || !strings.HasPrefix(o.Subnet, "127.") {
			return "", fmt.Errorf("the subnet %q is not like 127.0.20", o.Subnet)
		}
		return o.Subnet, nil
	}
	file := filepath.Join(dir, "subnet")
	if text, err := os.ReadFile(file); err == nil {
		return string(text), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("subnet: %w", err)
	}
	taken, err := listening()
	if err != nil {
		return "", err
	}
	// Apart from the subnets that have names: make cluster's, and the test servers' below 127.224.
	for range 1000 {
		subnet := fmt.Sprintf("127.%d.%d", 224+rand.IntN(30), 1+rand.IntN(254))
		if !taken[subnet] {
			return subnet, os.WriteFile(file, []byte(subnet), 0o644)
		}
	}
	return "", errors.New("no free subnet")
}

// listening are the subnets of 127.0.0.0/8 where somebody listens.
func listening() (map[string]bool, error) {
	taken := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("who listens: %w", err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// sl, local address, remote address, state; 0A is LISTEN. An IPv4 address is the last four bytes, backwards.
			fields := strings.Fields(lines.Text())
			if len(fields) < 4 || fields[3] != "0A" {
				continue
			}
			addr, _, _ := strings.Cut(fields[1], ":")
			b, err := hex.DecodeString(addr[max(0, len(addr)-8):])
			if err == nil && len(b) == 4 {
				taken[fmt.Sprintf("%d.%d.%d", b[3], b[2], b[1])] = true
			}
		}
	}
	return taken, nil
}
