package app

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/murre-chat/murre/pkg/config"
	"github.com/murre-chat/murre/pkg/operate"
	"github.com/murre-chat/murre/pkg/store/pebblestore"
)

func storeDir(data string) string { return filepath.Join(data, "store") }
func mediaDir(data string) string { return filepath.Join(data, "media") }

// openStore opens the embedded store of a data folder.
func openStore(data string, cfg *config.Config, log *slog.Logger) (*pebblestore.DB, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	db, err := pebblestore.Open(pebblestore.Options{
		Dir: storeDir(data), Logger: log, CacheBytes: int64(cfg.StoreCache), MemTableBytes: uint64(cfg.StoreMemory),
	})
	if errors.Is(err, pebblestore.ErrInUse) {
		return nil, inUse(data)
	}
	var format *pebblestore.FormatError
	if errors.As(err, &format) {
		return nil, format
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return db, nil
}

// inUseError says who has a data folder, as far as is known.
type inUseError struct {
	data  string
	place operate.Place // zero: unknown
}

// Error implements error.
func (e *inUseError) Error() string {
	if e.place.PID == 0 {
		return fmt.Sprintf("data folder %s is in use by another process", e.data)
	}
	return fmt.Sprintf("data folder %s is in use by another process (pid %d, serving %s)", e.data, e.place.PID, e.place.Listen)
}

func inUse(data string) error {
	e := &inUseError{data: data}
	if p, alive, err := operate.ReadPlace(data); err == nil && alive {
		e.place = p
	}
	return e
}
