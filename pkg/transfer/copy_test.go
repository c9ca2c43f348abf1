package transfer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/pkg/chat"
	"github.com/murre-chat/murre/pkg/chat/id"
	"github.com/murre-chat/murre/pkg/store"
)

// memory is a source and a target of blocks in memory.
type memory struct {
	rows []BlockRow

	mu       sync.Mutex
	have     map[chat.UserID]int64
	writes   int
	fail     func(write int) error // decides over the n-th write
	lie      bool                  // what is read back is another
	taken    []string
	finished id.ID
}

func newMemory(n int) *memory {
	m := &memory{have: make(map[chat.UserID]int64)}
	for i := range n {
		var u chat.UserID
		binary.BigEndian.PutUint64(u[:], uint64(i))
		m.rows = append(m.rows, BlockRow{User: u, At: int64(i)})
	}
	return m
}

func (m *memory) Info() SourceInfo {
	return SourceInfo{Identity: fmt.Sprint(len(m.rows)), HighWater: 77}
}
func (m *memory) Close() error { return nil }

func (m *memory) Count(_ context.Context, t Table) (int64, error) {
	if t != Blocks {
		return 0, nil
	}
	return int64(len(m.rows)), nil
}

func (m *memory) Rows(ctx context.Context, t Table, after []byte, yield func(Row) error) error {
	if t != Blocks {
		return nil
	}
	from := 0
	if after != nil {
		from = int(binary.BigEndian.Uint64(after)) + 1
	}
	for i := from; i < len(m.rows); i++ {
		var v any = m.rows[i]
		if i%1000 == 999 {
			v = OrphanRow{}
		}
		if err := yield(Row{Table: t, Key: binary.BigEndian.AppendUint64(nil, uint64(i)), Value: v, Size: 40}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (m *memory) Occupied(context.Context) (string, error) {
	if len(m.have) > 0 {
		return "blocks", nil
	}
	return "", nil
}

func (m *memory) Taken(context.Context, []chat.User) ([]string, error) { return m.taken, nil }

func (m *memory) Write(_ context.Context, rows []Row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.fail != nil {
		if err := m.fail(m.writes); err != nil {
			return err
		}
	}
	for _, r := range rows {
		b := r.Value.(BlockRow)
		m.have[b.User] = b.At
	}
	return nil
}

func (m *memory) Check(_ context.Context, rows []Row) (Checked, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Checked{Rows: make(map[string]int64), Sums: make(map[string]Sum)}
	var s Sum
	for _, r := range rows {
		b := r.Value.(BlockRow)
		at, ok := m.have[b.User]
		switch {
		case !ok:
			c.Missing++
		case at != b.At || m.lie:
			c.Differ++
			c.Wrong = append(c.Wrong, Difference{Table: "blocks", Row: b.User.String(), What: "at"})
		default:
			c.Rows["blocks"]++
			s.Row(binary.BigEndian.AppendUint64(b.User[:], uint64(at)))
		}
	}
	c.Sums["blocks"] = s
	return c, nil
}

func (m *memory) Finish(_ context.Context, high id.ID) error {
	m.finished = high
	return nil
}

func TestCopyInStages(t *testing.T) {
	m := newMemory(20_000)
	o := Options{Source: m, Target: m, State: filepath.Join(t.TempDir(), "state"), TargetName: "m", Workers: 4}
	broken := errors.New("broken")
	m.fail = func(n int) error {
		if n > 20 {
			return broken
		}
		return nil
	}
	r, err := Copy(t.Context(), o)
	require.ErrorIs(t, err, broken)
	require.False(t, r.Finished)
	require.Zero(t, m.finished)
	for stage := 2; err != nil; stage++ {
		require.Less(t, stage, 20)
		_, begun := Copy(t.Context(), o)
		require.ErrorIs(t, begun, ErrBegun)
		at := m.writes
		m.fail = func(n int) error {
			if n > at+30 {
				return broken
			}
			return nil
		}
		o.Resume = true
		r, err = Copy(t.Context(), o)
		o.Resume = false
		require.True(t, r.Resumed)
	}
	require.True(t, r.Finished)
	require.Equal(t, int64(20_000), r.Source[Blocks])
	require.Equal(t, int64(20), r.Orphans)
	require.Equal(t, int64(19_980), r.Rows["blocks"])
	require.Equal(t, id.ID(77), m.finished)

	whole := newMemory(20_000)
	w, err := Copy(t.Context(), Options{Source: whole, Target: whole, State: filepath.Join(t.TempDir(), "state"), Workers: 1})
	require.NoError(t, err)
	require.Equal(t, w.Sum, r.Sum, "stages make no difference")
	require.Equal(t, w.Rows, r.Rows)
}

func TestCopyRefuses(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	m := newMemory(100)
	m.have[chat.UserID{1}] = 1
	o := Options{Source: m, Target: m, State: state, TargetName: "m"}
	_, err := Copy(t.Context(), o)
	require.ErrorIs(t, err, ErrOccupied)
	require.NoFileExists(t, state)
	m.lie, o.Merge = true, true
	_, err = Copy(t.Context(), o)
	require.ErrorIs(t, err, ErrWrong)
	require.ErrorContains(t, err, "although just written")
	m.lie, o.Resume = false, true
	other := o
	other.TargetName = "another"
	_, err = Copy(t.Context(), other)
	require.ErrorIs(t, err, ErrBegun)
	more := newMemory(101)
	other = o
	other.Source = more
	_, err = Copy(t.Context(), other)
	require.ErrorIs(t, err, ErrChanged)
	_, err = Copy(t.Context(), o)
	require.NoError(t, err)
	m.have[m.rows[5].User]++
	delete(m.have, m.rows[6].User)
	r, err := Copy(t.Context(), Options{Source: m, Target: m, VerifyOnly: true})
	require.ErrorIs(t, err, ErrWrong)
	require.Equal(t, []int64{1, 1}, []int64{r.Missing, r.Differ})
	require.Len(t, r.Wrong, 1)
	require.NoError(t, os.WriteFile(state, []byte(`{"Version": 99}`), 0o600))
	_, err = Copy(t.Context(), o)
	require.ErrorContains(t, err, "version 99")
	_, err = Copy(t.Context(), Options{Source: m, Target: m})
	require.Error(t, err)
}

// TestCopyWaitsForATargetThatIsAway: what is unavailable for a moment is tried again, for as long as there is hope.
func TestCopyWaitsForATargetThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(300)
		m.fail = func(n int) error {
			if n < 8 {
				return fmt.Errorf("node: %w", store.ErrUnavailable)
			}
			return nil
		}
		o := Options{Source: m, Target: m, State: filepath.Join(t.TempDir(), "state"), Workers: 1}
		_, err := Copy(t.Context(), o)
		require.NoError(t, err)
		m = newMemory(300)
		m.fail = func(int) error { return fmt.Errorf("node: %w", store.ErrUnavailable) }
		o = Options{Source: m, Target: m, State: filepath.Join(t.TempDir(), "state"), Workers: 1}
		began := time.Now()
		_, err = Copy(t.Context(), o)
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Greater(t, time.Since(began), patience)
	})
}

func TestCopyIsStopped(t *testing.T) {
	m := newMemory(50_000)
	ctx, cancel := context.WithCancel(t.Context())
	m.fail = func(n int) error {
		if n == 10 {
			cancel()
		}
		return nil
	}
	o := Options{Source: m, Target: m, State: filepath.Join(t.TempDir(), "state"), Workers: 3}
	_, err := Copy(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	m.fail, o.Resume = nil, true
	r, err := Copy(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, int64(49_950), r.Rows["blocks"])
}

func TestSum(t *testing.T) {
	var a, b, c Sum
	a.Row([]byte("x"))
	a.Row([]byte("y"))
	b.Row([]byte("y"))
	c.Row([]byte("x"))
	b.Add(c)
	require.Equal(t, a, b)
	c.Add(c)
	require.NotEqual(t, a, c, "a row twice is not two rows, nor none")
	text, err := a.MarshalText()
	require.NoError(t, err)
	var again Sum
	require.NoError(t, again.UnmarshalText(text))
	require.Equal(t, a, again)
	require.Error(t, again.UnmarshalText([]byte("xyz")))
}
