package scenario_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/murre-chat/murre/loadtest/scenario"
)

// TestDefaults: what isn't said has a value that works.
func TestDefaults(t *testing.T) {
	s, err := scenario.Parse([]byte("name: a\nusers: {count: 3600}\nmessages: {perUserHour: 2}\nduration: 30s\n"))
	require.NoError(t, err)
	require.Equal(t, scenario.Embedded, s.Server.Engine)
	require.EqualValues(t, 1, s.Seed)
	require.InDelta(t, 2.0, s.Messages.Rate, 1e-9)
	require.Zero(t, s.Messages.GroupShare, "there are no groups")
	require.Equal(t, time.Second, s.Points)
	require.Greater(t, s.Ramp.Within, time.Minute)
	require.InDelta(t, 0.5, *s.Thresholds.RepeatedShare, 1e-9)
	require.Nil(t, s.Thresholds.P99AckMs)
}

// TestErrorsNameLineAndField: whoever made a mistake is told where.
func TestErrorsNameLineAndField(t *testing.T) {
	const good = "name: a\nusers:\n  count: 10\nduration: 30s\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":   {good + "durration: 3s\n", "line 5: field durration doesn't exist in scenario"},
		"unknown inside":  {"name: a\nusers:\n  count: 10\n  cuont: 3\nduration: 30s\n", "line 4: field cuont doesn't exist in users"},
		"not a number":    {"name: a\nusers:\n  count: many\nduration: 30s\n", "line 3: cannot unmarshal"},
		"odd":             {"name: a\nusers:\n  count: 11\nduration: 30s\n", "line 3: users.count is 11"},
		"missing":         {"name: a\nusers:\n  count: 10\n", "line 1: duration is 0s"},
		"not a duration":  {"name: a\nusers: {count: 10}\nduration: 30\n", "line 3"},
		"a share":         {good + "messages:\n  rate: 1\n  groupShare: 1.5\ngroups: {count: 2, max: 5}\n", "line 7: messages.groupShare is 1.5"},
		"engine":          {good + "server: {engine: mainframe}\n", "line 5: server.engine is \"mainframe\""},
		"target":          {good + "server:\n  engine: targets\n  targets: [example.org:80]\n  store: cql://h/k\n  secret: f\n", "line 7: server.targets has \"example.org:80\""},
		"machine":         {good + "workers: {machines: [moon]}\n", "line 5: workers.machines has \"moon\""},
		"restart":         {good + "restart: {share: 0.5}\n", "line 5: restart.share needs engine cluster"},
		"storm too late":  {good + "storm: {count: 4, at: 29s, away: 5s}\n", "line 5: storm.at is 29s"},
		"storm of all":    {good + "storm: {count: 8, at: 1s, away: 5s, pending: 2}\n", "line 5: storm.count is 8"},
		"empty":           {"", "line 1"},
		"two documents":   {good + "---\nname: b\n", "second document"},
		"no YAML":         {"name: [a\n", "line"},
		"a group too big": {good + "groups: {count: 1, max: 300}\n", "line 5: groups.max is 300"},
		"endless answers": {good + "messages: {reply: 1}\n", "line 5: messages.reply is 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Parse([]byte(c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestOurOwn: every file that comes with the harness can be read.
func TestOurOwn(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		s, err := scenario.Read(f)
		require.NoError(t, err)
		require.Equal(t, filepath.Base(f), s.Name+".yaml", "a scenario is named as its file")
		require.NotEmpty(t, s.About)
	}
}
