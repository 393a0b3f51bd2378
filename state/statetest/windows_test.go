package statetest_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
	"github.com/millrace-go/millrace/window"
)

// times lie around the edges of segments of a minute.
var times = rapid.Custom(func(t *rapid.T) state.Time {
	return max(0, state.Time(60_000*rapid.Int64Range(0, 6).Draw(t, "segment")+rapid.Int64Range(-2, 2).Draw(t, "offset")))
})

// kindOf is a way to define a time store.
type kindOf struct {
	inMemory, timeFirst, duplicates bool
	retention                       state.Time
}

func drawKind(t *rapid.T, s statetest.Setup) (k kindOf, opts []state.Option) {
	switch rapid.SampledFrom([]string{"persistent", "in memory", "time first", "in memory, time first"}).Draw(t, "kind") {
	case "in memory":
		k.inMemory = true
	case "time first":
		k.timeFirst = true
	case "in memory, time first":
		k.inMemory, k.timeFirst = true, true
	}
	if k.inMemory {
		opts = append(opts, state.InMemory())
	}
	if k.timeFirst {
		opts = append(opts, state.TimeFirst())
	}
	k.retention = rapid.SampledFrom([]state.Time{7, 30_000, 100_000, 200_000}).Draw(t, "retention")
	if s.Cache > 0 {
		k.retention = 1e9 // what is in the cache is found after it has expired: see TestCacheKeepsWhatHasExpired
	}
	return k, append(opts, state.WithCaching())
}

// model is what a time store should hold.
type model struct {
	kindOf
	session  bool
	observed state.Time
	rows     []row
	n        int
}

type row struct {
	key        string
	start, end state.Time // of a window: both its start
	value      string
	n          int // puts of a store with duplicates
}

func (m *model) interval() state.Time { return max(m.retention/2, 60_000) }

func (m *model) accepts(at state.Time) bool {
	if m.inMemory {
		return at > m.observed-m.retention
	}
	return at/m.interval() >= (m.observed-m.retention)/m.interval()
}

func (m *model) oldest() state.Time {
	if m.timeFirst && !m.inMemory && !m.session {
		return m.observed - m.retention
	}
	return m.observed - m.retention + 1
}

func (m *model) find(key string, start, end state.Time) int {
	return slices.IndexFunc(m.rows, func(r row) bool { return r.key == key && r.start == start && r.end == end })
}

func (m *model) put(key string, start, end state.Time, value string) (taken bool) {
	m.observed = max(m.observed, end)
	m.n++
	if !m.accepts(end) {
		return false
	}
	if i := m.find(key, start, end); i >= 0 && !m.duplicates {
		m.rows[i].value = value
	} else {
		m.rows = append(m.rows, row{key, start, end, value, m.n})
	}
	return true
}

func (m *model) delete(key string, start, end state.Time) {
	if m.duplicates {
		m.n++ // its tombstone has a number as well
		if m.inMemory {
			m.observed = max(m.observed, end)
		}
		return
	}
	m.observed = max(m.observed, end)
	if i := m.find(key, start, end); i >= 0 && m.accepts(end) {
		m.rows = slices.Delete(m.rows, i, i+1)
	}
}

// visible are the rows that reads show, as text in the store's order.
func (m *model) visible(keep func(row) bool) []string {
	var rows []row
	for _, r := range m.rows {
		if r.end >= m.oldest() && keep(r) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, m.compare)
	return texts(rows)
}

func texts(rows []row) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, text(r.key, r.start, r.end, r.value))
	}
	return out
}

func text(key string, start, end state.Time, value string) string {
	return fmt.Sprintf("%q %d-%d %q", key, start, end, value)
}

func (m *model) compare(a, b row) int {
	if m.inMemory || m.timeFirst {
		return m.compareTime(a, b)
	}
	return cmp.Or(cmp.Compare(a.end/m.interval(), b.end/m.interval()), cmp.Compare(m.stored(a), m.stored(b)))
}

// stored is a row's key as the store has it.
func (m *model) stored(r row) string {
	switch {
	case m.session:
		return stored(r.key, r.end, r.start)
	case m.duplicates:
		return stored(r.key, r.start) + sequence(r.n)
	}
	return stored(r.key, r.start) + sequence(0)
}

func sequence(n int) string { return stored("", state.Time(n))[4:] }

// compareTime is the order of listings by time.
func (m *model) compareTime(a, b row) int {
	rest := func(r row) string {
		switch {
		case m.session && m.inMemory:
			return stored(r.key, r.start)
		case m.session:
			return stored("", r.start) + r.key
		}
		return r.key + sequence(r.n)
	}
	if !m.duplicates {
		a.n, b.n = 0, 0
	}
	return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(rest(a), rest(b)))
}

// stored is a row's key as bytes.
func stored(key string, times ...state.Time) string {
	b := []byte(key)
	for _, t := range times {
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(t>>shift))
		}
	}
	return string(b)
}

func TestWindows(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		k, opts := drawKind(t, s)
		if k.duplicates = !k.timeFirst && rapid.Bool().Draw(t, "duplicates"); k.duplicates {
			opts = append(opts, state.Duplicates())
		}
		m := &model{kindOf: k, observed: -1}
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"),
			state.Window("w", statetest.Text, statetest.Text, 7*time.Millisecond, time.Duration(k.retention)*time.Millisecond, opts...))
		defer r.Close()
		store := func() *state.Windows[string, string] { return r.Stores.Get("w").(*state.Windows[string, string]) }
		list := func(t *rapid.T, seq func(func(state.Entry[window.Windowed[string], string], error) bool)) []string {
			out := []string{}
			for e, err := range seq {
				require.NoError(t, err)
				require.Equal(t, e.Key.Start+7, e.Key.End)
				out = append(out, text(e.Key.Key, e.Key.Start, e.Key.Start, e.Value))
			}
			return out
		}
		actions := common(r, nothing, nothing)
		actions["put"] = func(t *rapid.T) {
			key, at, v := keys.Draw(t, "key"), times.Draw(t, "start"), values.Draw(t, "value")
			drops := r.Drops
			require.NoError(t, store().Put(key, at, v))
			taken := m.put(key, at, at, v)
			if s.Cache == 0 {
				require.Equal(t, !taken, r.Drops > drops)
			}
		}
		actions["delete"] = func(t *rapid.T) {
			key, at := keys.Draw(t, "key"), times.Draw(t, "start")
			require.NoError(t, store().Delete(key, at))
			m.delete(key, at, at)
		}
		actions["get"] = func(t *rapid.T) {
			key, at := keys.Draw(t, "key"), times.Draw(t, "start")
			v, ok, err := store().Get(key, at)
			require.NoError(t, err)
			if k.duplicates {
				return // which one is not said
			}
			i := m.find(key, at, at)
			require.Equal(t, i >= 0 && at >= m.oldest(), ok)
			if ok {
				require.Equal(t, m.rows[i].value, v)
			}
		}
		actions["fetch"] = func(t *rapid.T) {
			key, from, to := keys.Draw(t, "key"), times.Draw(t, "from"), times.Draw(t, "to")
			var want []row
			for _, r := range m.rows {
				if r.key == key && r.start >= from && r.start <= to && r.start >= m.oldest() {
					want = append(want, r)
				}
			}
			slices.SortFunc(want, func(a, b row) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.n, b.n)) })
			seq := store().Fetch(key, from, to)
			if rapid.Bool().Draw(t, "descending") {
				slices.Reverse(want)
				seq = store().FetchDescending(key, from, to)
			}
			got := []string{}
			for e, err := range seq {
				require.NoError(t, err)
				got = append(got, text(key, e.Key, e.Key, e.Value))
			}
			require.Equal(t, texts(want), got)
		}
		actions["fetch range"] = func(t *rapid.T) {
			low, high := rapid.Ptr(keys, true).Draw(t, "low"), rapid.Ptr(keys, true).Draw(t, "high")
			from, to := times.Draw(t, "from"), times.Draw(t, "to")
			want := m.visible(func(r row) bool {
				return (low == nil || r.key >= *low) && (high == nil || r.key <= *high) && r.start >= from && r.start <= to
			})
			require.Equal(t, want, list(t, store().FetchRange(low, high, from, to)))
			slices.Reverse(want)
			require.Equal(t, want, list(t, store().FetchRangeDescending(low, high, from, to)))
		}
		actions["fetch starts"] = func(t *rapid.T) {
			from, to := times.Draw(t, "from"), times.Draw(t, "to")
			var want []row
			for _, r := range m.rows {
				if r.start >= from && r.start <= to && r.start >= m.oldest() {
					want = append(want, r)
				}
			}
			slices.SortFunc(want, m.compareTime)
			require.Equal(t, texts(want), list(t, store().FetchStarts(from, to)))
		}
		actions["all"] = func(t *rapid.T) {
			want := m.visible(func(row) bool { return true })
			require.Equal(t, want, list(t, store().All()))
			slices.Reverse(want)
			require.Equal(t, want, list(t, store().AllDescending()))
		}
		actions["iterate and write"] = func(t *rapid.T) {
			want := m.visible(func(row) bool { return true })
			oldest := m.oldest()
			got := []string{}
			for e, err := range store().All() {
				require.NoError(t, err)
				got = append(got, text(e.Key.Key, e.Key.Start, e.Key.Start, e.Value))
				for range rapid.IntRange(0, 2).Draw(t, "writes") {
					actions[rapid.SampledFrom([]string{"put", "delete", "fetch", "all"}).Draw(t, "what")](t)
				}
			}
			if m.oldest() == oldest { // else the iteration may or may not see what has expired meanwhile
				require.Equal(t, want, got)
			}
		}
		t.Repeat(actions)
	})
}

func TestSessions(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		k, opts := drawKind(t, s)
		m := &model{kindOf: k, session: true, observed: -1}
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"),
			state.Session("s", statetest.Text, statetest.Text, time.Duration(k.retention)*time.Millisecond, opts...))
		defer r.Close()
		store := func() *state.Sessions[string, string] { return r.Stores.Get("s").(*state.Sessions[string, string]) }
		list := func(t *rapid.T, seq func(func(state.Entry[window.Windowed[string], string], error) bool)) []string {
			out := []string{}
			for e, err := range seq {
				require.NoError(t, err)
				out = append(out, text(e.Key.Key, e.Key.Start, e.Key.End, e.Value))
			}
			return out
		}
		draw := func(t *rapid.T) window.Windowed[string] {
			a, b := times.Draw(t, "start"), times.Draw(t, "end")
			return window.Windowed[string]{Key: keys.Draw(t, "key"), Window: window.Window{Start: min(a, b), End: max(a, b)}}
		}
		actions := common(r, nothing, nothing)
		actions["put"] = func(t *rapid.T) {
			w, v := draw(t), values.Draw(t, "value")
			require.NoError(t, store().Put(w, v))
			m.put(w.Key, w.Start, w.End, v)
		}
		actions["delete"] = func(t *rapid.T) {
			w := draw(t)
			require.NoError(t, store().Delete(w))
			m.delete(w.Key, w.Start, w.End)
		}
		actions["get"] = func(t *rapid.T) {
			w := draw(t)
			v, ok, err := store().Get(w.Key, w.Window)
			require.NoError(t, err)
			i := m.find(w.Key, w.Start, w.End)
			require.Equal(t, i >= 0 && w.End >= m.oldest(), ok)
			if ok {
				require.Equal(t, m.rows[i].value, v)
			}
		}
		actions["find"] = func(t *rapid.T) {
			key, earliest, latest := keys.Draw(t, "key"), times.Draw(t, "earliest end"), times.Draw(t, "latest start")
			var want []row
			for _, r := range m.rows {
				if r.key == key && r.end >= earliest && r.start <= latest && r.end >= m.oldest() {
					want = append(want, r)
				}
			}
			slices.SortFunc(want, func(a, b row) int { return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.start, b.start)) })
			require.Equal(t, texts(want), list(t, store().Find(key, earliest, latest)))
			slices.Reverse(want)
			require.Equal(t, texts(want), list(t, store().FindDescending(key, earliest, latest)))
		}
		actions["find range"] = func(t *rapid.T) {
			low, high := rapid.Ptr(keys, true).Draw(t, "low"), rapid.Ptr(keys, true).Draw(t, "high")
			earliest, latest := times.Draw(t, "earliest end"), times.Draw(t, "latest start")
			want := m.visible(func(r row) bool {
				return (low == nil || r.key >= *low) && (high == nil || r.key <= *high) && r.end >= earliest && r.start <= latest
			})
			require.Equal(t, want, list(t, store().FindRange(low, high, earliest, latest)))
		}
		actions["find ends"] = func(t *rapid.T) {
			from, to := times.Draw(t, "from"), times.Draw(t, "to")
			var want []row
			for _, r := range m.rows {
				if r.end >= from && r.end <= to && r.end >= m.oldest() {
					want = append(want, r)
				}
			}
			slices.SortFunc(want, m.compareTime)
			got := list(t, store().FindEnds(from, to))
			if len(got) > len(want) { // those whose segment is still there are found, expired as they are
				require.False(t, k.inMemory)
				got = got[len(got)-len(want):]
			}
			require.Equal(t, texts(want), got)
		}
		actions["all"] = func(t *rapid.T) {
			require.Equal(t, m.visible(func(row) bool { return true }), list(t, store().All()))
		}
		t.Repeat(actions)
	})
}
