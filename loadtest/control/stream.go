package control

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// maxLine is the longest line, bytes.
const maxLine = 16 << 20

// Part is how many packed bytes go into one line.
const Part = 1 << 20

// Stream writes and reads objects, one a line. Writing is safe for concurrent use, and so is reading beside it.
type Stream struct {
	mu sync.Mutex // guards w
	w  io.Writer
	r  *bufio.Scanner
}

// NewStream speaks over a pair of streams.
func NewStream(r io.Reader, w io.Writer) *Stream {
	s := &Stream{w: w, r: bufio.NewScanner(r)}
	s.r.Buffer(make([]byte, 0, 64<<10), maxLine)
	return s
}

// Write writes one object.
func (s *Stream) Write(v any) error {
	line, err := json.Marshal(v)
	if err == nil && len(line) >= maxLine {
		err = fmt.Errorf("a line of %d bytes", len(line))
	}
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}

// Read reads the next object. io.EOF: the other side has ended.
func (s *Stream) Read(v any) error {
	if !s.r.Scan() {
		if err := s.r.Err(); err != nil {
			return fmt.Errorf("control: %w", err)
		}
		return io.EOF
	}
	if err := json.Unmarshal(s.r.Bytes(), v); err != nil {
		return fmt.Errorf("control: a line that is no message: %w", err)
	}
	return nil
}
