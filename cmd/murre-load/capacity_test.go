package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/capacity"
	"github.com/murre-chat/murre/loadtest/report"
)

// TestDocuments: what documents say is computed is what the program computes now, from the measurements that are there.
func TestDocuments(t *testing.T) {
	const docs, again = "../../docs", "write it anew: murre-load capacity --write docs/capacity.md,docs/scaling.md,docs/million.md,docs/performance.md --plot docs/scaling.svg"
	m, err := capacity.Read(filepath.Join(docs, "bench"))
	require.NoError(t, err)
	runs, err := capacity.ReadRuns(docs)
	require.NoError(t, err)
	blocks, err := allBlocks(m, runs, filepath.Join(docs, "bench"))
	require.NoError(t, err)
	for _, name := range []string{"capacity.md", "scaling.md", "million.md", "performance.md"} {
		text, err := os.ReadFile(filepath.Join(docs, name))
		require.NoError(t, err)
		filled, err := capacity.Fill(string(text), blocks)
		require.NoError(t, err)
		require.True(t, filled == string(text), "docs/%s is out of date; %s", name, again)
	}
	var plot bytes.Buffer
	require.NoError(t, report.WriteLines(&plot, runs))
	written, err := os.ReadFile(filepath.Join(docs, "scaling.svg"))
	require.NoError(t, err)
	require.True(t, plot.String() == string(written), "docs/scaling.svg is out of date; %s", again)
}
