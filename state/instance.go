package state

import (
	"errors"
	"iter"
)

// instance is what every open store can do for its task.
type instance interface {
	// flush forwards and logs what the cache has held back, in order of last update.
	flush() error
	// evict makes room in the cache if it is too full and the store was written.
	evict() error
	// restore applies changelog records, in order.
	restore([]Restored) error
	// reset empties the store.
	reset() error
	// dump lists the content as bytes: see Stores.Dump. nil: there is no listing.
	dump() iter.Seq[[]any]
	close() error
}

// persistent is an instance whose rows may live in the database.
type persistent interface {
	instance
	// placed is where they live; nil: in memory.
	placed() *place
	// apply puts what was written since the last apply into a batch, and what the store knows of itself into m.
	apply(b *Batch, m *meta) error
	// sweep gives up entries that only save reads, until a part of them is left.
	sweep(numerator, denominator int64)
}

var errUnflushed = errors.New("state: apply before the caches were flushed")

// applyTables puts what the tables have written into a batch.
func applyTables(b *Batch, f *front, tables []*table) error {
	if f != nil && f.held.dirty != 0 {
		return errUnflushed
	}
	for _, t := range tables {
		if t.rows == nil || len(t.unapplied) == 0 {
			continue
		}
		t.apply(b)
		b.after = append(b.after, t.applied)
	}
	return nil
}

func sweepTables(tables []*table, numerator, denominator int64) {
	for _, t := range tables {
		if t.rows != nil {
			t.sweep(int64(float64(t.size.clean) * float64(numerator) / float64(denominator)))
		}
	}
}

func closeTables(tables []*table) error {
	var errs []error
	for _, t := range tables {
		errs = append(errs, t.close())
	}
	return errors.Join(errs...)
}

// reopen says how a store was opened.
type reopen struct {
	options *options
	env     Env
}

// again empties a store's place and opens the store anew: its listener stays.
func again(close func() error, p *place, front **front, open func() error) error {
	copies := *front != nil && (*front).copies
	if err := close(); err != nil {
		return err
	}
	if p != nil {
		if err := p.empty(); err != nil {
			return err
		}
	}
	if err := open(); err != nil {
		return err
	}
	if *front != nil {
		(*front).copies = copies
	}
	return nil
}
