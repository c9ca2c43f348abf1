//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAllAreProbed: each setting of the file is part of an experiment, or one that belongs to the whole machine and is read.
func TestAllAreProbed(t *testing.T) {
	text, err := os.ReadFile("../99-murre.conf")
	require.NoError(t, err)
	var probed []string
	for _, e := range experiments() {
		for _, set := range e.sets {
			for _, s := range strings.Split(set, ";") {
				key, _, ok := strings.Cut(s, "=")
				require.True(t, ok, s)
				probed = append(probed, key)
			}
		}
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "-")
		if key, _, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(line, "#") {
			require.True(t, slices.Contains(probed, key) || slices.Contains(wholeMachine, key), "%s: nobody has looked at what it does", key)
			n++
		}
	}
	require.Greater(t, n, 20)
}
