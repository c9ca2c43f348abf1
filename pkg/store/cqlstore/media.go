package cqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/scylladb/gocqlx/v2/qb"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/store"
)

const (
	// unfinishedDays is how far back uploads that were never completed are looked for.
	unfinishedDays = 32
)

var (
	mediaInsert = built(forMedia, qb.Insert("media").Columns("media_id", "owner_id", "conversation_id", "avatar", "content_type", "size", "name",
		"sha256", "width", "height", "thumb", "ready", "created_at").TimestampNamed("written"))
	mediaSelect = built(forMedia, qb.Select("media").Columns("owner_id", "conversation_id", "avatar", "content_type", "size", "name",
		"sha256", "width", "height", "thumb", "ready", "created_at").Where(qb.Eq("media_id")))
	mediaDelete = built(forMedia, qb.Delete("media").TimestampNamed("written").Where(qb.Eq("media_id")))

	uploadInsert = built(forMedia, qb.Insert("media_unfinished").Columns("bucket", "media_id", "created_at").TimestampNamed("written"))
	uploadDelete = built(forMedia, qb.Delete("media_unfinished").TimestampNamed("written").Where(qb.Eq("bucket"), qb.Eq("media_id")))
	uploadSelect = built(forMedia, qb.Select("media_unfinished").Columns("media_id", "created_at").Where(qb.Eq("bucket")))
)

// media implements store.Media.
type media struct{ d *DB }

// uploadBucket is the day of an upload.
func uploadBucket(createdAt int64) int64 { return createdAt - createdAt%dayMillis }

// Put writes a description. An upload is listed as unfinished before its description is there, and until after it is ready.
func (s media) Put(ctx context.Context, m chat.Media) error {
	written := s.d.stamp()
	if !m.Ready {
		if err := s.d.exec(ctx, uploadInsert, uploadBucket(m.CreatedAt), uuid(m.ID), m.CreatedAt, written); err != nil {
			return err
		}
	}
	err := s.d.exec(ctx, mediaInsert, uuid(m.ID), uuid(m.Owner), orUnset(m.Conversation, uuid(m.Conversation)), m.Avatar,
		m.ContentType, m.Size, m.Name, orUnset(m.SHA256, m.SHA256[:]), m.Width, m.Height, m.Thumb, m.Ready, m.CreatedAt, written)
	if err != nil || !m.Ready {
		return err
	}
	return s.d.exec(ctx, uploadDelete, written, uploadBucket(m.CreatedAt), uuid(m.ID))
}

func (s media) get(ctx context.Context, id chat.MediaID) (chat.Media, error) {
	m := chat.Media{ID: id}
	var sum []byte
	err := s.d.one(ctx, mediaSelect, []any{uuid(id)}, (*[16]byte)(&m.Owner), (*[16]byte)(&m.Conversation), &m.Avatar, &m.ContentType,
		&m.Size, &m.Name, &sum, &m.Width, &m.Height, &m.Thumb, &m.Ready, &m.CreatedAt)
	copy(m.SHA256[:], sum)
	return m, err
}

// Batch returns the descriptions that exist.
func (s media) Batch(ctx context.Context, ids []chat.MediaID) ([]chat.Media, error) {
	return batchOf(ctx, ids, s.get)
}

// Delete removes a description; a missing one is no error.
func (s media) Delete(ctx context.Context, id chat.MediaID) error {
	m, err := s.get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	written := s.d.stamp()
	if err := s.d.exec(ctx, mediaDelete, written, uuid(id)); err != nil {
		return err
	}
	return s.d.exec(ctx, uploadDelete, written, uploadBucket(m.CreatedAt), uuid(id))
}

// Unfinished returns uploads that were never completed, the older days first; those of the last 32 days before the moment.
func (s media) Unfinished(ctx context.Context, before int64, limit int) (out []chat.Media, err error) {
	last := uploadBucket(before)
	for day := max(last-unfinishedDays*dayMillis, 0); day <= last && len(out) < limit; day += dayMillis {
		some, err := s.unfinishedOf(ctx, day, before, limit-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// unfinishedPage is how many uploads of a day are looked at together.
const unfinishedPage = 100

func (s media) unfinishedOf(ctx context.Context, day, before int64, limit int) (out []chat.Media, err error) {
	var id chat.MediaID
	var at int64
	var ids []chat.MediaID
	look := func() error {
		some, err := s.Batch(ctx, ids)
		ids = ids[:0]
		for _, m := range some {
			if !m.Ready && m.CreatedAt < before && len(out) < limit {
				out = append(out, m)
			}
		}
		return err
	}
	err = s.d.rows(ctx, uploadSelect, unfinishedPage, []any{day}, []any{(*[16]byte)(&id), &at}, func() (bool, error) {
		if at >= before {
			return true, nil
		}
		if ids = append(ids, id); len(ids) < unfinishedPage {
			return true, nil
		}
		err := look()
		return len(out) < limit, err
	})
	if err == nil {
		err = look()
	}
	if err != nil {
		return nil, fmt.Errorf("unfinished uploads: %w", err)
	}
	return out, nil
}

var _ store.Media = media{}
