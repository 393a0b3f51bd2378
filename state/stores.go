package state

import (
	"errors"
	"fmt"
	"iter"
)

// Position is how far a store has come in its changelog.
type Position struct {
	Next    int64    // the next changelog offset to restore
	Topic   [16]byte // the changelog's topic id, zero if unknown
	Applied Time     // wall clock of the last apply
}

// Stores are one task's stores, in the order of their definitions. They belong to the task's goroutine.
type Stores struct {
	list   []*opened
	byName map[string]*opened
}

// opened is an open store.
type opened struct {
	name     string
	store    any // the S of its Definition
	in       instance
	position Position
	restored bool // position means something
}

// Open opens a task's stores.
func Open(env Env, defs []AnyDefinition) (*Stores, error) {
	s := &Stores{byName: map[string]*opened{}}
	for _, d := range defs {
		store, in, err := d.open(env)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		o := &opened{name: d.Name(), store: store, in: in}
		s.list = append(s.list, o)
		s.byName[o.name] = o
	}
	return s, nil
}

// Get is the store of that name, nil if there is none: the S of its Definition.
func (s *Stores) Get(name string) any {
	if o := s.byName[name]; o != nil {
		return o.store
	}
	return nil
}

// Names are the stores' names in order.
func (s *Stores) Names() []string {
	names := make([]string, len(s.list))
	for i, o := range s.list {
		names[i] = o.name
	}
	return names
}

// Flush flushes the caches in order: forwards downstream and logs. The first step of a commit.
func (s *Stores) Flush() error {
	for _, o := range s.list {
		if err := o.in.flush(); err != nil {
			return err
		}
	}
	return nil
}

// Pending is the memory held by what is not applied yet, in bytes.
func (s *Stores) Pending() int64 { return 0 }

// EvictCaches flushes what a full cache asks for. Call it between records.
func (s *Stores) EvictCaches() error { return nil }

// Apply adds what was written since the last Apply to b, with the positions of the stores' changelogs. The stores see it as applied
// once b is committed; after a failed commit they must be closed.
func (s *Stores) Apply(b *Batch, positions map[string]Position) error {
	for name, p := range positions {
		o := s.byName[name]
		if o == nil {
			return fmt.Errorf("state: position of a store %q that the task does not have", name)
		}
		o.position, o.restored = p, true
	}
	return nil
}

// Position is a store's position as of the last committed Apply; false: the store is empty and restores from the beginning.
func (s *Stores) Position(store string) (Position, bool) {
	o := s.byName[store]
	if o == nil {
		return Position{}, false
	}
	return o.position, o.restored
}

// Restore applies changelog records to a store. next is the position behind them: there may be less records than offsets, or none at all (past
// transaction markers and aborted records).
func (s *Stores) Restore(store string, rs []Restored, next Position) error {
	o := s.byName[store]
	if o == nil {
		return fmt.Errorf("state: restore of a store %q that the task does not have", store)
	}
	if err := o.in.restore(rs); err != nil {
		return err
	}
	o.position, o.restored = next, true
	return nil
}

// Reset empties a store that has to be rebuilt.
func (s *Stores) Reset(store string) error { return nil }

// Dump lists a store's content as bytes: key-value [key, value], timestamped key-value [key, value, ts], window [key, start, value] or
// [key, start, value, ts], session [key, start, end, value], versioned [key, value, ts]; keys and values are []byte, times int64. The order is
// that of All. false: there is no such store, or a custom one that has no listing.
func (s *Stores) Dump(store string) (iter.Seq[[]any], bool) {
	o := s.byName[store]
	if o == nil {
		return nil, false
	}
	rows := o.in.dump()
	return rows, rows != nil
}

// Close drops caches and overlays and closes the stores.
func (s *Stores) Close() error {
	var errs []error
	for i := len(s.list) - 1; i >= 0; i-- {
		errs = append(errs, s.list[i].in.close())
	}
	s.list = nil
	return errors.Join(errs...)
}
