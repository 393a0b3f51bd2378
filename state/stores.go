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
	env    Env
	list   []*opened
	byName map[string]*opened
	total  tally
	shared int64 // of DB.clean
	calls  int
}

// opened is an open store.
type opened struct {
	name     string
	def      AnyDefinition
	store    any // the S of its Definition
	in       instance
	position Position
	restored bool // position means something
}

// Open opens a task's stores. Without a DB they are all in memory, and answer as they would with one.
func Open(env Env, defs []AnyDefinition) (*Stores, error) {
	s := &Stores{byName: map[string]*opened{}, env: env}
	s.env.total = &s.total
	for _, d := range defs {
		store, in, err := d.open(s.env)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		o := &opened{name: d.Name(), def: d, store: store, in: in}
		if p := o.place(); p != nil && p.found {
			o.position, o.restored = p.meta.position, true
		}
		s.list = append(s.list, o)
		s.byName[o.name] = o
	}
	return s, nil
}

func (o *opened) place() *place {
	if p, ok := o.in.(persistent); ok {
		return p.placed()
	}
	return nil
}

// Get is the store of that name, nil if there is none: the S of its Definition.
func (s *Stores) Get(name string) any {
	if o := s.byName[name]; o != nil {
		return o.store
	}
	return nil
}

// Reader is a handle of a store for one other goroutine, which reads while nobody writes; nil if there is no such store. It has the store's type and
// buffers of its own. Writing to it is an error. The stores have to be opened with Env.Shared. A custom store is its own reader.
func (s *Stores) Reader(name string) any {
	o := s.byName[name]
	if o == nil {
		return nil
	}
	if r, ok := o.store.(interface{ forReading() any }); ok {
		return r.forReading()
	}
	return o.store
}

// Names are the stores' names in order.
func (s *Stores) Names() []string {
	names := make([]string, len(s.list))
	for i, o := range s.list {
		names[i] = o.name
	}
	return names
}

// Flush flushes the caches in order: logs and forwards downstream, which may dirty the caches of later stores. The first step of a commit.
func (s *Stores) Flush() error {
	for _, o := range s.list {
		if err := o.in.flush(); err != nil {
			return err
		}
	}
	return nil
}

// Pending is the memory held by what is not applied yet, in bytes. Stores in memory have nothing to apply.
func (s *Stores) Pending() int64 { return s.total.pending }

// EvictCaches flushes what a full cache asks for, and gives up rows that are held only to save reads when there are too many. Call it between
// records.
func (s *Stores) EvictCaches() error {
	if c := s.env.Cache; c != nil && c.bytes > c.max {
		c.reclaim()
		for _, o := range s.list {
			if err := o.in.evict(); err != nil {
				return err
			}
		}
	}
	if s.calls++; s.calls&1023 == 0 {
		s.sweep()
	}
	return nil
}

// sweep keeps this task's part of the engine's read cache within what it may have: every task gives up the same part when all of them are too large.
func (s *Stores) sweep() {
	db := s.env.DB
	if db == nil {
		return
	}
	all := db.clean.Add(s.total.clean - s.shared)
	s.shared = s.total.clean
	if all <= db.cleanBudget {
		return
	}
	mine := max(s.total.clean, 1)
	left := min(mine*(db.cleanBudget-db.cleanBudget/8)/all, mine-(all-db.cleanBudget)) // the same part as the others, and at least what is too much
	for _, o := range s.list {
		if p, ok := o.in.(persistent); ok {
			p.sweep(max(left, 0), mine)
		}
	}
	db.clean.Add(s.total.clean - s.shared)
	s.shared = s.total.clean
}

// Apply adds what was written since the last Apply to b, with the positions of the stores' changelogs; a store without one keeps the position it
// has. The stores see it as applied once b is committed; after a failed commit they must be closed. Flush first.
func (s *Stores) Apply(b *Batch, positions map[string]Position) error {
	for name := range positions {
		if s.byName[name] == nil {
			return fmt.Errorf("state: position of a store %q that the task does not have", name)
		}
	}
	for _, o := range s.list {
		position, ok := positions[o.name]
		if !ok {
			position = o.position
		}
		if err := o.apply(b, position, ok || o.restored); err != nil {
			return err
		}
	}
	if b != nil && b.p != nil {
		b.after = append(b.after, func() error {
			s.sweep()
			return nil
		})
	}
	return nil
}

func (o *opened) apply(b *Batch, position Position, known bool) error {
	reached := func() error {
		o.position, o.restored = position, known
		return nil
	}
	p := o.place()
	if p == nil {
		return reached()
	}
	if err := p.db.f.damageOf(p.owner); err != nil {
		return err
	}
	m := meta{position: position}
	if err := o.in.(persistent).apply(b, &m); err != nil {
		return storeError(o.name, err)
	}
	p.save(b, &m)
	b.after = append(b.after, reached)
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
// transaction markers and aborted records). A store of the DB is written at once.
func (s *Stores) Restore(store string, rs []Restored, next Position) error {
	o := s.byName[store]
	if o == nil {
		return fmt.Errorf("state: restore of a store %q that the task does not have", store)
	}
	if err := o.in.restore(rs); err != nil {
		return err
	}
	b := s.env.DB.NewBatch()
	if err := o.apply(b, next, true); err != nil {
		return err
	}
	if err := b.Commit(); err != nil {
		return err
	}
	s.sweep()
	return nil
}

// Reset empties a store that has to be rebuilt. What the nodes hold of it stays valid.
func (s *Stores) Reset(store string) error {
	o := s.byName[store]
	if o == nil {
		return fmt.Errorf("state: reset of a store %q that the task does not have", store)
	}
	o.position, o.restored = Position{}, false
	return o.in.reset()
}

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
	if s.env.DB != nil {
		s.env.DB.clean.Add(-s.shared)
		s.shared = 0
	}
	return errors.Join(errs...)
}
