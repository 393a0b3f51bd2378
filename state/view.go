package state

import (
	"fmt"
	"iter"

	"github.com/millrace-go/millrace/window"
)

// Each calls f with every instance of a store that there is, one after the other, where it may be read: in its task's goroutine, say. It stops at an
// error of f and returns it.
type Each func(f func(store any) error) error

// Views read a store from elsewhere: every call goes through an Each, results are copies. Listings are made at once and handed out afterwards, so that the
// body of a loop holds no task up. A view writes nothing.

// WithoutTimes reads a store of timestamped values as one of values.
func WithoutTimes[K, V any](s ReadOnlyKeyValue[K, Stamped[V]]) ReadOnlyKeyValue[K, V] {
	return untimed[K, V]{s}
}

type untimed[K, V any] struct {
	s ReadOnlyKeyValue[K, Stamped[V]]
}

func (u untimed[K, V]) Get(k K) (V, bool, error) {
	v, ok, err := u.s.Get(k)
	return v.Value, ok, err
}

func (u untimed[K, V]) Range(from, to *K) iter.Seq2[Entry[K, V], error] {
	return untime(u.s.Range(from, to))
}

func (u untimed[K, V]) RangeDescending(from, to *K) iter.Seq2[Entry[K, V], error] {
	return untime(u.s.RangeDescending(from, to))
}

func (u untimed[K, V]) Prefix(prefix []byte) iter.Seq2[Entry[K, V], error] {
	return untime(u.s.Prefix(prefix))
}

func (u untimed[K, V]) All() iter.Seq2[Entry[K, V], error] { return untime(u.s.All()) }
func (u untimed[K, V]) Len() (int64, error)                { return u.s.Len() }

func untime[K, V any](seq iter.Seq2[Entry[K, Stamped[V]], error]) iter.Seq2[Entry[K, V], error] {
	return func(yield func(Entry[K, V], error) bool) {
		for e, err := range seq {
			if !yield(Entry[K, V]{e.Key, e.Value.Value}, err) {
				return
			}
		}
	}
}

// view is what the views of all kinds have in common. S is the store's type.
type view[S any] struct {
	name string
	each Each
}

func (v view[S]) visit(f func(S) error) error {
	return v.each(func(store any) error {
		s, ok := store.(S)
		if !ok {
			return fmt.Errorf("store %s is a %T, not what its definition says", v.name, store)
		}
		return f(s)
	})
}

func (v view[S]) refuse() error {
	return fmt.Errorf("store %s: a view reads only: its processors write", v.name)
}

// found asks the instances for one value until one has it.
func found[S, V any](v view[S], get func(S) (V, bool, error)) (value V, ok bool, err error) {
	err = v.visit(func(s S) error {
		if ok {
			return nil
		}
		var err error
		value, ok, err = get(s)
		return err
	})
	return value, ok, err
}

// gather lists what scan finds in all instances, one after the other.
func gather[S, E any](v view[S], scan func(S) iter.Seq2[E, error]) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		var all []E
		err := v.visit(func(s S) error {
			for e, err := range scan(s) {
				if err != nil {
					return err
				}
				all = append(all, e)
			}
			return nil
		})
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			var none E
			yield(none, err)
		}
	}
}

type keyValueView[K, V any] struct{ view[KeyValueStore[K, V]] }

func viewKeyValue[K, V any](name string, each Each) KeyValueStore[K, V] {
	return keyValueView[K, V]{view[KeyValueStore[K, V]]{name, each}}
}

func (v keyValueView[K, V]) Get(k K) (V, bool, error) {
	return found(v.view, func(s KeyValueStore[K, V]) (V, bool, error) { return s.Get(k) })
}

func (v keyValueView[K, V]) Range(from, to *K) iter.Seq2[Entry[K, V], error] {
	return gather(v.view, func(s KeyValueStore[K, V]) iter.Seq2[Entry[K, V], error] { return s.Range(from, to) })
}

func (v keyValueView[K, V]) RangeDescending(from, to *K) iter.Seq2[Entry[K, V], error] {
	return gather(v.view, func(s KeyValueStore[K, V]) iter.Seq2[Entry[K, V], error] { return s.RangeDescending(from, to) })
}

func (v keyValueView[K, V]) Prefix(prefix []byte) iter.Seq2[Entry[K, V], error] {
	prefix = clone(prefix)
	return gather(v.view, func(s KeyValueStore[K, V]) iter.Seq2[Entry[K, V], error] { return s.Prefix(prefix) })
}

func (v keyValueView[K, V]) All() iter.Seq2[Entry[K, V], error] {
	return gather(v.view, KeyValueStore[K, V].All)
}

func (v keyValueView[K, V]) Len() (n int64, err error) {
	err = v.visit(func(s KeyValueStore[K, V]) error {
		l, err := s.Len()
		n += l
		return err
	})
	return n, err
}

func (v keyValueView[K, V]) Put(K, V) error { return v.refuse() }
func (v keyValueView[K, V]) Delete(K) error { return v.refuse() }

type windowView[K, V any] struct{ view[WindowStore[K, V]] }

func viewWindows[K, V any](name string, each Each) WindowStore[K, V] {
	return windowView[K, V]{view[WindowStore[K, V]]{name, each}}
}

func (v windowView[K, V]) Get(k K, start Time) (V, bool, error) {
	return found(v.view, func(s WindowStore[K, V]) (V, bool, error) { return s.Get(k, start) })
}

func (v windowView[K, V]) Fetch(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return gather(v.view, func(s WindowStore[K, V]) iter.Seq2[Entry[Time, V], error] { return s.Fetch(k, from, to) })
}

func (v windowView[K, V]) FetchDescending(k K, from, to Time) iter.Seq2[Entry[Time, V], error] {
	return gather(v.view, func(s WindowStore[K, V]) iter.Seq2[Entry[Time, V], error] { return s.FetchDescending(k, from, to) })
}

func (v windowView[K, V]) FetchRange(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, func(s WindowStore[K, V]) iter.Seq2[Entry[window.Windowed[K], V], error] {
		return s.FetchRange(from, to, t0, t1)
	})
}

func (v windowView[K, V]) FetchRangeDescending(from, to *K, t0, t1 Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, func(s WindowStore[K, V]) iter.Seq2[Entry[window.Windowed[K], V], error] {
		return s.FetchRangeDescending(from, to, t0, t1)
	})
}

func (v windowView[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, WindowStore[K, V].All)
}

func (v windowView[K, V]) AllDescending() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, WindowStore[K, V].AllDescending)
}

func (v windowView[K, V]) Put(K, Time, V) error { return v.refuse() }
func (v windowView[K, V]) Delete(K, Time) error { return v.refuse() }

type sessionView[K, V any] struct{ view[SessionStore[K, V]] }

func viewSessions[K, V any](name string, each Each) SessionStore[K, V] {
	return sessionView[K, V]{view[SessionStore[K, V]]{name, each}}
}

func (v sessionView[K, V]) Get(k K, w window.Window) (V, bool, error) {
	return found(v.view, func(s SessionStore[K, V]) (V, bool, error) { return s.Get(k, w) })
}

func (v sessionView[K, V]) Find(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, func(s SessionStore[K, V]) iter.Seq2[Entry[window.Windowed[K], V], error] {
		return s.Find(k, earliestEnd, latestStart)
	})
}

func (v sessionView[K, V]) FindDescending(k K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, func(s SessionStore[K, V]) iter.Seq2[Entry[window.Windowed[K], V], error] {
		return s.FindDescending(k, earliestEnd, latestStart)
	})
}

func (v sessionView[K, V]) FindRange(from, to *K, earliestEnd, latestStart Time) iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, func(s SessionStore[K, V]) iter.Seq2[Entry[window.Windowed[K], V], error] {
		return s.FindRange(from, to, earliestEnd, latestStart)
	})
}

func (v sessionView[K, V]) All() iter.Seq2[Entry[window.Windowed[K], V], error] {
	return gather(v.view, SessionStore[K, V].All)
}

func (v sessionView[K, V]) Put(window.Windowed[K], V) error { return v.refuse() }
func (v sessionView[K, V]) Delete(window.Windowed[K]) error { return v.refuse() }

type versionView[K, V any] struct{ view[VersionedStore[K, V]] }

func viewVersions[K, V any](name string, each Each) VersionedStore[K, V] {
	return versionView[K, V]{view[VersionedStore[K, V]]{name, each}}
}

func (v versionView[K, V]) Get(k K) (Stamped[V], bool, error) {
	return found(v.view, func(s VersionedStore[K, V]) (Stamped[V], bool, error) { return s.Get(k) })
}

func (v versionView[K, V]) GetAsOf(k K, at Time) (Stamped[V], bool, error) {
	return found(v.view, func(s VersionedStore[K, V]) (Stamped[V], bool, error) { return s.GetAsOf(k, at) })
}

func (v versionView[K, V]) Put(K, V, Time) error { return v.refuse() }
func (v versionView[K, V]) Delete(K, Time) error { return v.refuse() }
