package media

import (
	"context"
	"fmt"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

// Erasing returns rows whose Delete removes the blob's bytes too, so that deleting a message deletes what it showed.
func Erasing(rows store.Media, blobs Blobs) store.Media { return erasing{rows, blobs} }

type erasing struct {
	store.Media
	blobs Blobs
}

// Delete implements store.Media. Bytes first: a row without bytes is found again, bytes without a row never.
func (e erasing) Delete(ctx context.Context, id chat.MediaID) error {
	if err := e.blobs.Delete(ctx, id); err != nil {
		return fmt.Errorf("delete media: %w", err)
	}
	return e.Media.Delete(ctx, id)
}
