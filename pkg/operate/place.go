package operate

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// placeName is the file in the data folder.
const placeName = "server.json"

// Place says which process serves a data folder and how to reach it. Its file is readable by the folder's owner only.
type Place struct {
	PID     int       `json:"pid"`
	Listen  string    `json:"listen"` // where it serves, as a URL
	Admin   string    `json:"admin"`  // host:port of the admin port; empty: none
	Key     string    `json:"key"`    // opens the admin port's commands
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// NewKey makes a key for a Place.
func NewKey() string { return rand.Text() }

// Write puts the file into a data folder, whole or not at all.
func (p Place) Write(data string) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("operate: write place: %w", err)
	}
	name := filepath.Join(data, placeName)
	if err := os.WriteFile(name+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("operate: write place: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("operate: write place: %w", err)
	}
	return nil
}

// RemovePlace takes the file away at a server's end.
func RemovePlace(data string) error {
	if err := os.Remove(filepath.Join(data, placeName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("operate: remove place: %w", err)
	}
	return nil
}

// ReadPlace returns the Place of a data folder, and false when no living process is named there.
func ReadPlace(data string) (Place, bool, error) {
	text, err := os.ReadFile(filepath.Join(data, placeName))
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, false, nil
	}
	if err != nil {
		return Place{}, false, fmt.Errorf("operate: read place: %w", err)
	}
	var p Place
	if err := json.Unmarshal(text, &p); err != nil {
		return Place{}, false, nil // torn by a crash: nobody is there
	}
	return p, alive(p.PID), nil
}

func alive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
