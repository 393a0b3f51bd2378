package statetest_test

import (
	"container/list"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
)

// TestTTL: an entry is there until the store has seen a time that lies the TTL after its own.
func TestTTL(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		const ttl = 100
		type value struct {
			text string
			at   state.Time
		}
		plain := rapid.Bool().Draw(t, "plain")
		def := state.AnyDefinition(state.TimestampedKeyValue("s", statetest.Text, statetest.Text, state.TTL(ttl*time.Millisecond), state.WithCaching()))
		if plain {
			def = state.KeyValue("s", statetest.Text, statetest.Text, state.TTL(ttl*time.Millisecond))
		}
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"), def)
		defer r.Close()
		model := map[string]value{}
		observed := state.Time(-1)
		alive := func(v value) bool { return v.at > observed-ttl }
		get := func(key string) (v string, ok bool) {
			var err error
			switch s := r.Stores.Get("s").(type) {
			case *state.KV[string, string]:
				v, ok, err = s.Get(key)
			case *state.KV[string, state.Stamped[string]]:
				var stamped state.Stamped[string]
				stamped, ok, err = s.Get(key)
				v = stamped.Value
			}
			require.NoError(t, err)
			return v, ok
		}
		actions := common(r, nothing, nothing)
		actions["put"] = func(t *rapid.T) {
			key, v, at := keys.Draw(t, "key"), values.Draw(t, "value"), state.Time(rapid.Int64Range(0, 600).Draw(t, "at"))
			r.Record.Time = at
			var err error
			switch s := r.Stores.Get("s").(type) {
			case *state.KV[string, string]:
				err = s.Put(key, v)
			case *state.KV[string, state.Stamped[string]]:
				err = s.Put(key, state.Stamped[string]{Value: v, Time: at})
			}
			require.NoError(t, err)
			model[key] = value{v, at}
			observed = max(observed, at)
		}
		actions["get"] = func(t *rapid.T) {
			key := keys.Draw(t, "key")
			v, ok := get(key)
			want, there := model[key]
			require.Equal(t, there && alive(want), ok)
			if ok {
				require.Equal(t, want.text, v)
			}
		}
		actions["dump"] = func(t *rapid.T) {
			n := 0
			for _, v := range model {
				if alive(v) {
					n++
				}
			}
			require.Len(t, r.Dump("s"), n)
		}
		t.Repeat(actions)

		// Once everything has expired the changelog says so.
		r.Record.Time = observed + 10*ttl
		observed = r.Record.Time
		switch s := r.Stores.Get("s").(type) {
		case *state.KV[string, string]:
			require.NoError(t, s.Put("last", ""))
		case *state.KV[string, state.Stamped[string]]:
			require.NoError(t, s.Put("last", state.Stamped[string]{Time: observed}))
		}
		r.Commit()
		left := map[string]bool{}
		for _, rec := range r.Logs["s"].Records {
			if left[string(rec.Key)] = true; rec.Value == nil {
				delete(left, string(rec.Key))
			}
		}
		require.Equal(t, map[string]bool{"last": true}, left)
	})
}

// TestLRU: the store holds the entries that were used last; one that goes is deleted in the changelog.
func TestLRU(t *testing.T) {
	each(t, func(t *rapid.T, s statetest.Setup) {
		most := rapid.IntRange(1, 5).Draw(t, "max")
		r := statetest.NewRig(t, s, rapid.Uint64().Draw(t, "seed"), state.KeyValue("s", statetest.Text, statetest.Text, state.LRU(most)))
		defer r.Close()
		require.False(t, state.KeyValue("s", statetest.Text, statetest.Text, state.LRU(most)).Persistent())
		store := func() state.KeyValueStore[string, string] {
			return r.Stores.Get("s").(state.KeyValueStore[string, string])
		}
		used := list.New() // most recent first
		find := func(key string) *list.Element {
			for e := used.Front(); e != nil; e = e.Next() {
				if e.Value.([2]string)[0] == key {
					return e
				}
			}
			return nil
		}
		content := func() (out []string) {
			for e := used.Front(); e != nil; e = e.Next() {
				out = append(out, e.Value.([2]string)[0])
			}
			slices.Sort(out)
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				key, v := keys.Draw(t, "key"), values.Draw(t, "value")
				require.NoError(t, store().Put(key, v))
				if e := find(key); e != nil {
					used.Remove(e)
				}
				used.PushFront([2]string{key, v})
				if used.Len() > most {
					evicted := used.Remove(used.Back()).([2]string)[0]
					log := r.Logs["s"].Records
					last := log[len(log)-1]
					require.Equal(t, evicted, string(last.Key))
					require.Nil(t, last.Value)
				}
			},
			"delete": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				require.NoError(t, store().Delete(key))
				if e := find(key); e != nil {
					used.Remove(e)
				}
			},
			"get": func(t *rapid.T) {
				key := keys.Draw(t, "key")
				v, ok, err := store().Get(key)
				require.NoError(t, err)
				e := find(key)
				require.Equal(t, e != nil, ok)
				if ok {
					require.Equal(t, e.Value.([2]string)[1], v)
					used.MoveToFront(e)
				}
			},
			"all": func(t *rapid.T) {
				var got []string
				for e, err := range store().All() {
					require.NoError(t, err)
					got = append(got, e.Key)
				}
				require.Equal(t, content(), got)
			},
			"reopen": func(t *rapid.T) {
				want := content()
				r.Reopen()
				used.Init() // the order of use is that of the changelog now: only the content is the same
				var got []string
				for _, rec := range r.Logs["s"].Records {
					if e := find(string(rec.Key)); e != nil {
						used.Remove(e)
					}
					if rec.Value != nil {
						used.PushFront([2]string{string(rec.Key), string(rec.Value)})
					}
				}
				for e, err := range store().All() {
					require.NoError(t, err)
					got = append(got, e.Key)
				}
				require.Equal(t, want, got)
			},
		})
	})
}
