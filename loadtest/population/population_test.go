package population_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/murre-chat/murre/loadtest/population"
	"github.com/murre-chat/murre/pkg/chat"
)

func shape(seed uint64) population.Shape {
	return population.Shape{Seed: seed, Users: 2000, Groups: 150, Min: 3, Max: 100, Tail: 1.2, Made: 1_700_000_000_000}
}

// TestPartners: everybody has one partner, who is somebody else and has them.
func TestPartners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := 2 * rapid.IntRange(1, 700).Draw(t, "pairs")
		p := population.New(population.Shape{Seed: rapid.Uint64().Draw(t, "seed"), Users: n})
		seen := make([]bool, n)
		for i := range n {
			other := p.Partner(i)
			if other == i || p.Partner(other) != i || p.DirectOf(i) != p.DirectOf(other) || !p.Holds(p.DirectOf(i), i) {
				t.Fatalf("user %d of %d has partner %d", i, n, other)
			}
			if place := p.Place(i); seen[place] || p.At(place) != i {
				t.Fatalf("place %d is taken twice, or not by user %d", place, i)
			} else {
				seen[place] = true
			}
		}
	})
}

// TestMembers: who is listed as a member holds the conversation, nobody else does, and the memberships agree.
func TestMembers(t *testing.T) {
	p := population.New(shape(7))
	m := p.Memberships(500, 1500)
	memberships := 0
	for i := 500; i < 1500; i++ {
		memberships += len(m.Of(i))
		for _, g := range m.Of(i) {
			require.True(t, p.Holds(p.GroupConversation(int(g)), i))
		}
	}
	found := 0
	for g := range p.Groups {
		c := p.GroupConversation(g)
		members := map[int]bool{}
		for k := range p.Size(c) {
			members[p.Member(c, k)] = true
		}
		require.Len(t, members, p.Size(c), "nobody is in a group twice")
		for i := range p.Users {
			require.Equal(t, members[i], p.Holds(c, i))
			if members[i] && i >= 500 && i < 1500 {
				found++
			}
		}
	}
	require.Equal(t, found, memberships)
	require.False(t, p.Holds(-1, 3))
	require.False(t, p.Holds(p.Conversations(), 3))
	require.False(t, p.Holds(0, p.Users))
}

// TestSizes: many small groups, few large ones, none outside of the bounds.
func TestSizes(t *testing.T) {
	s := shape(3)
	s.Groups = 20000
	p := population.New(s)
	small, large := 0, 0
	for g := range p.Groups {
		switch n := p.Size(p.GroupConversation(g)); {
		case n < 3 || n > 100:
			t.Fatalf("a group of %d", n)
		case n <= 6:
			small++
		case n > 50:
			large++
		}
	}
	require.Greater(t, small, p.Groups/2)
	require.Greater(t, large, 50)
	require.Less(t, large, p.Groups/10)
}

// TestIDs: no two have one id, a seed makes the same people again, another seed makes others.
func TestIDs(t *testing.T) {
	a, b, c := population.New(shape(1)), population.New(shape(1)), population.New(shape(2))
	users, devices, names := map[chat.UserID]bool{}, map[chat.DeviceID]bool{}, map[string]bool{}
	for i := range a.Users {
		users[a.User(i)], devices[a.Device(i)], names[a.Username(i)] = true, true, true
		require.Equal(t, a.User(i), b.User(i))
		require.NotEqual(t, a.User(i), c.User(i))
		require.Empty(t, chat.ValidUsername(a.Username(i)))
	}
	require.Len(t, users, a.Users)
	require.Len(t, devices, a.Users)
	require.Len(t, names, a.Users)
	convs := map[chat.ConversationID]bool{}
	for i := range a.Conversations() {
		convs[a.Conversation(i)] = true
	}
	require.Len(t, convs, a.Conversations())
	require.Equal(t, chat.DirectID(a.User(5), a.User(a.Partner(5))), a.Conversation(a.DirectOf(5)))
}

// TestLoadEmbedded: what the store holds afterwards is the population.
func TestLoadEmbedded(t *testing.T) {
	s := shape(5)
	s.Users, s.Groups, s.Max = 200, 10, 30
	p := population.New(s)
	dir := t.TempDir()
	require.NoError(t, p.LoadEmbedded(t.Context(), dir, nil))
	stored(t, dir, p)
}
