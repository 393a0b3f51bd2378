package statetest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
)

// update is one dirty key of a cache's model.
type update struct {
	key    string
	value  *string
	record state.RecordContext
}

// TestCacheFlush: a flush logs and forwards the last update of each key in the order of the last updates, with the record that made it and
// the value before from below the cache; what was made and deleted in between is not heard of.
func TestCacheFlush(t *testing.T) {
	setups := slices.DeleteFunc(statetest.Setups(), func(s statetest.Setup) bool { return s.Cache == 0 })
	for _, s := range setups {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { cacheFlush(t, s) })
		})
	}
}

func cacheFlush(t *rapid.T, s statetest.Setup) {
	kind := rapid.SampledFrom([]string{"key-value", "window", "session"}).Draw(t, "kind")
	old := rapid.Bool().Draw(t, "old")
	var def state.AnyDefinition
	opts := []state.Option{state.WithCaching()}
	if rapid.Bool().Draw(t, "in memory") {
		opts = append(opts, state.InMemory())
	}
	switch kind {
	case "key-value":
		def = state.KeyValue("s", statetest.Text, statetest.Text, opts...)
	case "window":
		def = state.Window("s", statetest.Text, statetest.Text, time.Second, time.Hour, opts...)
	case "session":
		def = state.Session("s", statetest.Text, statetest.Text, time.Hour, opts...)
	}
	r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"), def)
	defer r.Close()

	below := map[string]string{} // what was flushed
	dirty := []update{}
	var want, got []string
	flushing := false
	heard := func(key string, c state.Flushed[string]) error {
		require.True(t, flushing)
		got = append(got, flushedText(key, c, *r.Record))
		v, ok := read(t, r, kind, key) // a node downstream may look the key up
		require.Equal(t, c.HasNew, ok)
		require.Equal(t, c.New, v)
		return nil
	}
	listen := func() { require.True(t, listenTo(r, old, heard)) }
	listen()
	flushed := func() {
		for _, u := range dirty {
			before, had := below[u.key]
			if u.value == nil && !had {
				continue
			}
			c := state.Flushed[string]{}
			if old && had {
				c.Old, c.HasOld = before, true
			}
			if u.value != nil {
				c.New, c.HasNew = *u.value, true
				below[u.key] = *u.value
			} else {
				delete(below, u.key)
			}
			want = append(want, flushedText(u.key, c, u.record))
		}
		dirty = nil
	}
	flush := func(t *rapid.T, f func()) {
		flushing = true
		logged := len(r.Logs["s"].Records)
		context := *r.Record
		f()
		flushing = false
		require.Equal(t, context, *r.Record, "the record context is put back")
		flushed()
		require.Equal(t, want, got)
		require.Len(t, r.Logs["s"].Records, logged+len(want))
		want, got = nil, nil
	}
	offset := int64(0)
	write := func(t *rapid.T, value *string) {
		offset++
		*r.Record = state.RecordContext{Topic: fmt.Sprint("in", offset%2), Partition: int32(offset % 3), Offset: offset, Time: state.Time(offset)}
		if rapid.Bool().Draw(t, "headers") {
			r.Record.Headers = serde.Headers{{Key: fmt.Sprint(offset)}}
		}
		key := keys.Draw(t, "key")
		change(t, r, kind, key, value)
		dirty = slices.DeleteFunc(dirty, func(u update) bool { return u.key == key })
		dirty = append(dirty, update{key, value, *r.Record})
	}
	t.Repeat(map[string]func(*rapid.T){
		"put":    func(t *rapid.T) { v := values.Draw(t, "value"); write(t, &v) },
		"delete": func(t *rapid.T) { write(t, nil) },
		"get": func(t *rapid.T) {
			key := keys.Draw(t, "key")
			v, ok := read(t, r, kind, key)
			want, there := below[key]
			if i := slices.IndexFunc(dirty, func(u update) bool { return u.key == key }); i >= 0 {
				want, there = "", dirty[i].value != nil
				if there {
					want = *dirty[i].value
				}
			}
			require.Equal(t, there, ok)
			require.Equal(t, want, v)
		},
		"flush":  func(t *rapid.T) { flush(t, r.Flush) },
		"commit": func(t *rapid.T) { flush(t, r.Commit) },
		"evict": func(t *rapid.T) {
			flushing = true
			r.Evict()
			flushing = false
			if len(got) == 0 {
				return // the cache was not full, or what was given up was clean
			}
			first := slices.IndexFunc(dirty, func(u update) bool { return got[0] == evictedText(u, below, old) })
			require.GreaterOrEqual(t, first, 0)
			u := dirty[first]
			dirty = slices.Insert(slices.Delete(dirty, first, first+1), 0, u)
			flushed()
			require.Equal(t, want, got)
			want, got = nil, nil
		},
		"reset": func(t *rapid.T) { // the listener stays
			flush(t, r.Flush)
			r.Reset()
		},
		"crash": func(t *rapid.T) {
			r.Crash()
			dirty = nil
			listen()
		},
	})
}

// evictedText is what is heard of an update that is flushed first.
func evictedText(u update, below map[string]string, old bool) string {
	c := state.Flushed[string]{}
	if before, had := below[u.key]; old && had {
		c.Old, c.HasOld = before, true
	}
	if u.value != nil {
		c.New, c.HasNew = *u.value, true
	}
	return flushedText(u.key, c, u.record)
}

func flushedText(key string, c state.Flushed[string], r state.RecordContext) string {
	return fmt.Sprintf("%q %v %v", key, c, r)
}

// The store's kinds by one key: a window or session of the key at 5.
func listenTo(r *statetest.Rig, old bool, f func(string, state.Flushed[string]) error) bool {
	switch s := r.Stores.Get("s").(type) {
	case *state.KV[string, string]:
		return s.OnFlush(old, f)
	case *state.Windows[string, string]:
		return s.OnFlush(old, func(k string, _ state.Time, c state.Flushed[string]) error { return f(k, c) })
	case *state.Sessions[string, string]:
		return s.OnFlush(old, func(k windowed, c state.Flushed[string]) error { return f(k.Key, c) })
	}
	return false
}

func change(t *rapid.T, r *statetest.Rig, kind, key string, value *string) {
	var err error
	switch s := r.Stores.Get("s").(type) {
	case *state.KV[string, string]:
		if value != nil {
			err = s.Put(key, *value)
		} else {
			err = s.Delete(key)
		}
	case *state.Windows[string, string]:
		if value != nil {
			err = s.Put(key, 5, *value)
		} else {
			err = s.Delete(key, 5)
		}
	case *state.Sessions[string, string]:
		if value != nil {
			err = s.Put(at5(key), *value)
		} else {
			err = s.Delete(at5(key))
		}
	}
	require.NoError(t, err)
}

func read(t *rapid.T, r *statetest.Rig, kind, key string) (v string, ok bool) {
	var err error
	switch s := r.Stores.Get("s").(type) {
	case *state.KV[string, string]:
		v, ok, err = s.Get(key)
	case *state.Windows[string, string]:
		v, ok, err = s.Get(key, 5)
	case *state.Sessions[string, string]:
		v, ok, err = s.Get(key, at5(key).Window)
	}
	require.NoError(t, err)
	return v, ok
}

func at5(key string) windowed {
	w := windowed{Key: key}
	w.Start, w.End = 5, 5
	return w
}

// TestCacheKeepsWhatHasExpired: a window that the store has expired is still found in the cache until the cache needs its room.
func TestCacheKeepsWhatHasExpired(t *testing.T) {
	for _, s := range []statetest.Setup{{Name: "memory", Cache: 1000}, {Name: "database", DB: true, Cache: 1000}} {
		for _, opts := range [][]state.Option{{state.WithCaching()}, {state.WithCaching(), state.InMemory()}, {state.WithCaching(), state.TimeFirst()}} {
			r := statetest.NewRig(t, s, 1, state.Window("s", statetest.Text, statetest.Text, time.Second, time.Second, opts...))
			w := r.Stores.Get("s").(*state.Windows[string, string])
			require.NoError(t, w.Put("old", 0, "x"))
			r.Commit()
			require.NoError(t, w.Put("new", 1_000_000, "y"))
			r.Commit()
			v, ok, err := w.Get("old", 0)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, "x", v)
			require.Len(t, r.Dump("s"), 2)

			require.NoError(t, w.Put("late", 1, "z"))
			r.Commit()
			require.Equal(t, 1, r.Drops, "the store refuses it, at the flush")
			_, ok, err = w.Get("late", 1)
			require.NoError(t, err)
			require.True(t, ok)

			for i := range 20 { // fill the cache
				require.NoError(t, w.Put(fmt.Sprint(i), 1_000_000, "y"))
				r.Evict()
			}
			r.Commit()
			for key, at := range map[string]state.Time{"old": 0, "late": 1} {
				_, ok, err = w.Get(key, at)
				require.NoError(t, err)
				require.False(t, ok, key)
			}
			require.Len(t, r.Dump("s"), 21)
			r.Close()
		}
	}
}
