package control_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/control"
)

// TestStream: what is written is read, one object a line, until the end.
func TestStream(t *testing.T) {
	var b bytes.Buffer
	s := control.NewStream(&b, &b)
	claims := bytes.Repeat([]byte{1, 2, 3}, control.Part/3)
	require.NoError(t, s.Write(control.Command{Ramp: &control.Ramp{Rate: 1.5, Window: 3}}))
	require.NoError(t, s.Write(control.Command{Claims: claims}))
	var c control.Command
	require.NoError(t, s.Read(&c))
	require.Equal(t, control.Command{Ramp: &control.Ramp{Rate: 1.5, Window: 3}}, c)
	c = control.Command{}
	require.NoError(t, s.Read(&c))
	require.Equal(t, claims, c.Claims)
	require.ErrorIs(t, s.Read(&c), io.EOF)
}

// TestStreamOfSomethingElse: what is no message is an error, and so is a line without end.
func TestStreamOfSomethingElse(t *testing.T) {
	var c control.Command
	s := control.NewStream(strings.NewReader("Permission denied (publickey).\n"), io.Discard)
	require.ErrorContains(t, s.Read(&c), "no message")
	s = control.NewStream(strings.NewReader(strings.Repeat("x", 17<<20)), io.Discard)
	require.Error(t, s.Read(&c))
	require.ErrorContains(t, s.Write(control.Command{Claims: make([]byte, 16<<20)}), "a line of")
}
