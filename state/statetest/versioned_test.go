package statetest_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
)

// versionsModel is every version that was taken, by key.
type versionsModel map[string][]versionRow

type versionRow struct {
	at    state.Time
	value *string
}

// put returns until when the version is valid; -1: it is the latest.
func (m versionsModel) put(key string, value *string, at state.Time) state.Time {
	i, found := slices.BinarySearchFunc(m[key], at, func(r versionRow, at state.Time) int { return cmp.Compare(r.at, at) })
	if found {
		m[key][i].value = value
	} else {
		m[key] = slices.Insert(m[key], i, versionRow{at, value})
	}
	if i+1 < len(m[key]) {
		return m[key][i+1].at
	}
	return -1
}

func (m versionsModel) asOf(key string, at state.Time) (v state.Stamped[string], ok bool) {
	for _, r := range slices.Backward(m[key]) {
		if r.at <= at {
			if r.value == nil {
				return v, false
			}
			return state.Stamped[string]{Value: *r.value, Time: r.at}, true
		}
	}
	return v, false
}

func TestVersioned(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		retention := rapid.SampledFrom([]state.Time{0, 1, 30_000, 100_000, 300_000}).Draw(t, "history")
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"),
			state.Versioned("v", statetest.Text, statetest.Text, time.Duration(retention)*time.Millisecond, state.WithCaching()))
		defer r.Close()
		store := func() *state.Versions[string, string] { return r.Stores.Get("v").(*state.Versions[string, string]) }
		m := versionsModel{}
		observed := state.Time(-1)
		keys := rapid.SampledFrom([]string{"", "a", "a\x00", "ab"})
		actions := common(r, nothing, nothing)
		actions["put"] = func(t *rapid.T) {
			key, v, at := keys.Draw(t, "key"), rapid.Ptr(values, true).Draw(t, "value"), times.Draw(t, "at")
			until, bounded, taken, err := store().PutVersion(key, v, at)
			require.NoError(t, err)
			require.Equal(t, at >= observed-retention, taken)
			observed = max(observed, at)
			if !taken {
				return
			}
			want := m.put(key, v, at)
			require.Equal(t, want >= 0, bounded, "until %d, want %d", until, want)
			if bounded {
				require.Equal(t, want, until)
			}
		}
		actions["get"] = func(t *rapid.T) {
			key := keys.Draw(t, "key")
			v, ok, err := store().Get(key)
			require.NoError(t, err)
			want, there := m.asOf(key, 1<<62)
			require.Equal(t, there, ok)
			require.Equal(t, want, v)
		}
		actions["get as of"] = func(t *rapid.T) {
			key, at := keys.Draw(t, "key"), times.Draw(t, "at")
			v, ok, err := store().GetAsOf(key, at)
			require.NoError(t, err)
			want, there := m.asOf(key, at)
			latest, is := m.asOf(key, 1<<62)
			if at < observed-retention && (!is || latest.Time > at) { // too old to be asked for, unless it is still the latest
				want, there = state.Stamped[string]{}, false
			}
			require.Equal(t, there, ok)
			require.Equal(t, want, v)
		}
		actions["dump"] = func(t *rapid.T) {
			got := r.Dump("v")
			n := 0
			for key := range m {
				if v, ok := m.asOf(key, 1<<62); ok {
					require.Contains(t, got, []any{key, v.Value, int64(v.Time)})
					n++
				}
			}
			require.Len(t, got, n)
		}
		t.Repeat(actions)
	})
}
