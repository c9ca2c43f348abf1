package observe

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger returns a logger that writes to w. level is debug, info, warn or error; format is text or json.
// Floods of warnings and errors are bounded: see calm.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return nil, fmt.Errorf("observe: log level: %w", err)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(newCalm(slog.NewTextHandler(w, opts))), nil
	case "json":
		return slog.New(newCalm(slog.NewJSONHandler(w, opts))), nil
	}
	return nil, fmt.Errorf("observe: log format %q is neither text nor json", format)
}
