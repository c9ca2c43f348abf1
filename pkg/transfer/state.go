package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const stateVersion = 1

// state is the progress of a copy, as it stands in the state file.
type state struct {
	Version  int
	Source   string // identity
	Target   string
	Begun    time.Time
	Finished bool
	Tables   [Tables]tableState
}

// tableState is the progress in one table: every row up to Key was handled.
type tableState struct {
	Key     []byte           `json:",omitempty"`
	Done    bool             `json:",omitempty"`
	Handled int64            `json:",omitempty"` // rows of the source
	Orphans int64            `json:",omitempty"`
	Expired int64            `json:",omitempty"`
	Newer   int64            `json:",omitempty"`
	Missing int64            `json:",omitempty"`
	Differ  int64            `json:",omitempty"`
	Rows    map[string]int64 `json:",omitempty"`
	Sums    map[string]Sum   `json:",omitempty"`
}

func newState(source, target string) *state {
	return &state{Version: stateVersion, Source: source, Target: target}
}

func (s *state) handled() (n int64) {
	for t := range s.Tables {
		n += s.Tables[t].Handled
	}
	return n
}

// add counts a chunk that was handled.
func (s *tableState) add(key []byte, handled, orphans int64, c *Checked) {
	s.Key = key
	s.Handled += handled
	s.Orphans += orphans
	s.Expired += c.Expired
	s.Newer += c.Newer
	s.Missing += c.Missing
	s.Differ += c.Differ
	if s.Rows == nil {
		s.Rows, s.Sums = make(map[string]int64), make(map[string]Sum)
	}
	for name, n := range c.Rows {
		s.Rows[name] += n
	}
	for name, sum := range c.Sums {
		both := s.Sums[name]
		both.Add(sum)
		s.Sums[name] = both
	}
}

// loadState reads a state file; nil when there is none.
func loadState(path string) (*state, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state file: %w", err)
	}
	s := new(state)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("state file %s is of version %d, this program writes %d", path, s.Version, stateVersion)
	}
	return s, nil
}

// save replaces the state file; after a crash either the old one or the new one is there.
func (s *state) save(path string) error {
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	part := path + ".partial"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
