package streamstest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// Produced drains every record that the tasks have made since the last call: outputs, repartition topics and changelogs, in order. Outputs still have
// them.
func (d *Driver) Produced() []Raw {
	out := make([]Raw, 0, len(d.order))
	for _, slot := range d.order {
		t := d.topics[slot]
		out = append(out, t.take(&t.drained))
	}
	d.order = d.order[:0]
	return out
}

// Discard forgets all records that the tasks have made so far, for tests that make many.
func (d *Driver) Discard() {
	for _, t := range d.topics[1:] {
		t.discard()
	}
	d.order = nil
}

// Topics are the names of all topics that have got a record from the tasks, in order.
func (d *Driver) Topics() []string {
	var names []string
	for _, t := range d.topics[1:] {
		if t.made.n > t.hidden {
			names = append(names, t.name)
		}
	}
	slices.Sort(names)
	return names
}

// Stores are the names of all stores, in order, global ones included.
func (d *Driver) Stores() []string {
	var names []string
	for _, s := range d.subs {
		names = append(names, s.Stores...)
	}
	slices.Sort(names)
	return names
}

// Dump lists a store's content as bytes: key-value [key, value], timestamped key-value [key, value, ts], window [key, start, value] or [key, start, value, ts],
// session [key, start, end, value], versioned [key, value, ts]; keys and values are []byte, times int64. With several partitions one follows the
// other. False if there is no such store or it has no listing.
func (d *Driver) Dump(store string) (iter.Seq[[]any], bool) {
	if d.global != nil && d.global.Store(store) != nil {
		return d.global.Stores().Dump(store)
	}
	var parts []iter.Seq[[]any]
	for _, u := range d.units {
		if u.task == nil {
			continue
		}
		if rows, ok := u.task.Stores().Dump(store); ok {
			parts = append(parts, rows)
		}
	}
	return func(yield func([]any) bool) {
		for _, rows := range parts {
			for row := range rows {
				if !yield(row) {
					return
				}
			}
		}
	}, len(parts) > 0
}

// Store is the instance of a store, to read and to write. With several partitions use StoreOf.
func (d *Driver) Store[S any](r topology.StoreRef[S]) (S, error) {
	return d.StoreOf(r, -1)
}

// StoreOf is the instance of a store that belongs to a partition of its sub-topology.
func (d *Driver) StoreOf[S any](r topology.StoreRef[S], partition int) (S, error) {
	var zero S
	var found []any
	if d.global != nil {
		if s := d.global.Store(r.Name()); s != nil {
			found = append(found, s)
		}
	}
	for _, u := range d.units {
		if u.task == nil || partition >= 0 && u.spec.ID.Partition != int32(partition) {
			continue
		}
		if s := u.task.Stores().Get(r.Name()); s != nil {
			found = append(found, s)
		}
	}
	switch {
	case d.err != nil:
		return zero, d.err
	case len(found) == 0 && partition > 0:
		return zero, fmt.Errorf("streamstest: there is no store %q for partition %d", r.Name(), partition)
	case len(found) == 0:
		return zero, fmt.Errorf("streamstest: there is no store %q; there are %q", r.Name(), d.Stores())
	case len(found) > 1:
		return zero, fmt.Errorf("streamstest: store %q has %d partitions: use StoreOf", r.Name(), len(found))
	}
	s, ok := found[0].(S)
	if !ok {
		return zero, errors.New("streamstest: store " + r.Name() + " is a " + fmt.Sprintf("%T, not what the reference says, %T", found[0], &zero))
	}
	return s, nil
}

// View reads a table's rows, those of all its partitions, as App.View does. It is an error if the table has no store of its own (give it a name with As) or another
// than a key-value store: see Store.
func (d *Driver) View[K, V any](t streams.Table[K, V]) (state.ReadOnlyKeyValue[K, V], error) {
	name, ok := t.StoreName()
	if !ok {
		return nil, errors.New("streamstest: the table has no store to look into: name one with streams.As where the table is made")
	}
	return view[K, V](d, name)
}

// ViewGlobal reads a global table's rows.
func (d *Driver) ViewGlobal[K, V any](g streams.GlobalTable[K, V]) (state.ReadOnlyKeyValue[K, V], error) {
	return view[K, V](d, g.StoreName())
}

func view[K, V any](d *Driver, name string) (state.ReadOnlyKeyValue[K, V], error) {
	def, _, ok := d.t.StoreDefinition(name)
	if !ok {
		return nil, fmt.Errorf("streamstest: there is no store %q: the table is of another topology", name)
	}
	all, _ := def.View(func(f func(any) error) error { return d.eachStore(name, f) })
	rows, ok := all.(state.ReadOnlyKeyValue[K, state.Stamped[V]])
	if !ok {
		return nil, fmt.Errorf("streamstest: store %s is a %v, not a key-value store: use Store", name, def)
	}
	return state.WithoutTimes(rows), nil
}

// eachStore calls f with each instance of a store.
func (d *Driver) eachStore(name string, f func(any) error) error {
	if d.err != nil {
		return d.err
	}
	if d.global != nil {
		if s := d.global.Store(name); s != nil {
			return f(s)
		}
	}
	for _, u := range d.units {
		if s := u.task.Stores().Get(name); s != nil {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// CommitsRequested is after how many records and advances of the wall clock a node had asked for a commit.
func (d *Driver) CommitsRequested() int { return d.requests }

// Dropped is the number of records dropped so far, by all nodes.
func (d *Driver) Dropped() (n int64) {
	for _, x := range d.DroppedByNode() {
		n += x.Count
	}
	return n
}

// DroppedByNode is what the nodes have dropped so far, and why, as App.Dropped tells it; a Crash does not set it back.
func (d *Driver) DroppedByNode() []streams.Dropped { return d.config.Drops.List() }

// WallClock is the driver's wall clock.
func (d *Driver) WallClock() time.Time { return d.now.Time() }
