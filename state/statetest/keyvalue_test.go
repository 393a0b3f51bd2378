package statetest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
	"github.com/millrace-go/millrace/window"
)

// each runs a property on every setup.
func each(t *testing.T, f func(t *rapid.T, s statetest.Setup)) {
	for _, s := range statetest.Setups() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { f(t, s) })
		})
	}
}

var keys = rapid.SampledFrom([]string{"", "a", "aa", "ab", "a\x00", "b", "ba", "c", "\xff", "\xff\xff", "key-of-some-length-that-does-not-fit-inline-with-its-value"})

// values of lengths that fit inline and that do not.
var values = rapid.Custom(func(t *rapid.T) string {
	return strings.Repeat(rapid.StringMatching("[a-z]").Draw(t, "letter"), rapid.SampledFrom([]int{0, 1, 5, 40, 200}).Draw(t, "length"))
})

// common are the actions that no store sees: commits, crashes, and the like. flushed is told when a flush has taken place, lost when what was not
// flushed is gone.
func common(r *statetest.Rig, flushed, lost func()) map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"flush":    func(*rapid.T) { r.Flush(); flushed() },
		"commit":   func(*rapid.T) { r.Commit(); flushed() },
		"evict":    func(*rapid.T) { r.Evict() },
		"flush db": func(*rapid.T) { r.FlushDB() },
		"reset":    func(*rapid.T) { r.Flush(); flushed(); r.Reset(); lost() },
		"reopen":   func(*rapid.T) { r.Flush(); flushed(); r.Reopen(); lost() },
		"crash":    func(*rapid.T) { r.Flush(); flushed(); r.Crash(); lost() },
	}
}

type windowed = window.Windowed[string]

func nothing() {}

func TestKeyValue(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		inMemory := rapid.Bool().Draw(t, "in memory")
		opts := []state.Option{state.WithCaching()}
		if inMemory {
			opts = append(opts, state.InMemory())
		}
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"), state.KeyValue("kv", statetest.Text, statetest.Text, opts...))
		defer r.Close()
		store := func() state.KeyValueStore[string, string] {
			return r.Stores.Get("kv").(state.KeyValueStore[string, string])
		}
		model := map[string]string{}
		actions := common(r, nothing, nothing)
		actions["put"] = func(t *rapid.T) {
			k, v := keys.Draw(t, "key"), values.Draw(t, "value")
			require.NoError(t, store().Put(k, v))
			model[k] = v
		}
		actions["delete"] = func(t *rapid.T) {
			k := keys.Draw(t, "key")
			require.NoError(t, store().Delete(k))
			delete(model, k)
		}
		actions["get"] = func(t *rapid.T) {
			k := keys.Draw(t, "key")
			v, ok, err := store().Get(k)
			require.NoError(t, err)
			want, there := model[k]
			require.Equal(t, there, ok, "key %q", k)
			require.Equal(t, want, v)
		}
		actions["range"] = func(t *rapid.T) {
			from, to := rapid.Ptr(keys, true).Draw(t, "from"), rapid.Ptr(keys, true).Draw(t, "to")
			down := rapid.Bool().Draw(t, "descending")
			got := map[string]string{}
			var order []string
			seq := store().Range(from, to)
			if down {
				seq = store().RangeDescending(from, to)
			}
			for e, err := range seq {
				require.NoError(t, err)
				got[e.Key] = e.Value
				order = append(order, e.Key)
			}
			want := maps.Clone(model)
			maps.DeleteFunc(want, func(k, _ string) bool { return from != nil && k < *from || to != nil && k > *to })
			require.Equal(t, want, got)
			expected := slices.Sorted(maps.Keys(want))
			if down {
				slices.Reverse(expected)
			}
			require.True(t, slices.Equal(expected, order), "%q, want %q", order, expected)
		}
		actions["prefix"] = func(t *rapid.T) {
			prefix := keys.Draw(t, "prefix")
			var got []string
			for e, err := range store().Prefix([]byte(prefix)) {
				require.NoError(t, err)
				got = append(got, e.Key)
			}
			var want []string
			for _, k := range slices.Sorted(maps.Keys(model)) {
				if strings.HasPrefix(k, prefix) {
					want = append(want, k)
				}
			}
			require.Equal(t, want, got)
		}
		// An iteration sees the store as it was when it began, whatever its body does.
		actions["iterate and write"] = func(t *rapid.T) {
			before := maps.Clone(model)
			got := map[string]string{}
			for e, err := range store().All() {
				require.NoError(t, err)
				got[e.Key] = e.Value
				for range rapid.IntRange(0, 3).Draw(t, "writes") {
					actions[rapid.SampledFrom([]string{"put", "delete", "get", "range"}).Draw(t, "what")](t)
				}
			}
			require.Equal(t, before, got)
		}
		t.Repeat(actions)
	})
}
