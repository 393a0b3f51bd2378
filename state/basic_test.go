package state

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

type recorder struct{ lines []string }

func (r *recorder) Log(l LogRecord) error {
	v := fmt.Sprintf("%x", l.Value)
	if l.Tombstone {
		v = "-"
	}
	r.lines = append(r.lines, fmt.Sprintf("%x=%s@%d", l.Key, v, l.Time))
	return nil
}

func TestKeyValueAndWindowInMemory(t *testing.T) {
	rec := &recorder{}
	rc := &RecordContext{Time: 7}
	s, err := Open(Env{Record: rc, Changelog: func(string) Changelog { return rec }}, []AnyDefinition{
		TimestampedKeyValue("kv", serde.String, serde.String),
		Window("w", serde.String, serde.String, 10e6, 100e6),
		Window("m", serde.String, serde.String, 10e6, 100e6, InMemory()),
		Window("d", serde.String, serde.String, 10e6, 100e6, Duplicates()),
	})
	require.NoError(t, err)
	kv := s.Get("kv").(KeyValueStore[string, Stamped[string]])
	require.NoError(t, kv.Put("a", Stamped[string]{"x", 5}))
	require.NoError(t, kv.Delete("b"))
	v, ok, err := kv.Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Stamped[string]{"x", 5}, v)
	require.Equal(t, []string{"61=78@5", "62=-@7"}, rec.lines)
	for _, name := range []string{"w", "m"} {
		w := s.Get(name).(*Windows[string, string])
		require.NoError(t, w.Put("b", 1, "1"))
		require.NoError(t, w.Put("a", 2, "2"))
		require.NoError(t, w.Put("b", 3, "3"))
		var got []string
		for e, err := range w.All() {
			require.NoError(t, err)
			got = append(got, fmt.Sprint(e.Key.Key, e.Key.Start, "-", e.Key.End, e.Value))
		}
		want := []string{"a2-12 2", "b1-11 1", "b3-13 3"}
		if name == "m" {
			want = []string{"b1-11 1", "a2-12 2", "b3-13 3"}
		}
		require.Len(t, got, len(want))
		got = nil
		for e := range w.FetchDescending("b", 0, 5) {
			got = append(got, fmt.Sprint(e.Key, e.Value))
		}
		require.Equal(t, 2, len(got))
	}
	d := s.Get("d").(*Windows[string, string])
	require.NoError(t, d.Put("b", 1, "1"))
	require.NoError(t, d.Put("b", 1, "2"))
	n := 0
	for range d.Fetch("b", 0, 5) {
		n++
	}
	require.Equal(t, 2, n)
}
