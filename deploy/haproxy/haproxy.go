// Package haproxy holds the load balancer's configuration, as docker-compose.yml mounts it and the native cluster reads it.
package haproxy

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed haproxy.cfg
var config string

// marker is the last line before the gateways.
const marker = "  # gateways:"

// Config is the configuration with gateways of one's own (host:port, each with its admin port beside it) in place of
// compose's: gateway-1, gateway-2 and so on.
func Config(gateways []string) (string, error) {
	head, _, found := strings.Cut(config, marker)
	if !found {
		return "", fmt.Errorf("haproxy.cfg has no line %q", marker)
	}
	for i, addr := range gateways {
		head += fmt.Sprintf("  server gateway-%d %s\n", i+1, addr)
	}
	return head, nil
}
