package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
)

func TestPutIfAbsentWritesOnce(t *testing.T) {
	t.Parallel()
	logged := 0
	stores, err := state.Open(state.Env{Record: &state.RecordContext{}, Changelog: func(string) state.Changelog { return counting{&logged} }},
		[]state.AnyDefinition{state.KeyValue("kv", serde.String, serde.String)})
	require.NoError(t, err)
	defer stores.Close()
	s := stores.Get("kv").(state.KeyValueStore[string, string])

	v, had, err := state.PutIfAbsent(s, "k", "first")
	require.NoError(t, err)
	require.False(t, had)
	require.Equal(t, "first", v)
	v, had, err = state.PutIfAbsent(s, "k", "second")
	require.NoError(t, err)
	require.True(t, had)
	require.Equal(t, "first", v)
	v, ok, err := s.Get("k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "first", v)
	require.Equal(t, 1, logged, "what is there is not written again")

	require.NoError(t, s.Delete("k"))
	v, had, err = state.PutIfAbsent(s, "k", "third")
	require.NoError(t, err)
	require.False(t, had)
	require.Equal(t, "third", v)
}

// counting is a changelog that counts.
type counting struct{ n *int }

func (c counting) Log(state.LogRecord) error { *c.n++; return nil }
