package state

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// rows is one range of the engine: what lies under a table.
type rows struct {
	db     *DB
	prefix []byte
	owner  storePartition
	store  string

	key  []byte
	gone bool         // nobody will ask again
	idle *rowIterator // what the range holds changes by an apply only, so that an iterator can be used again until then
}

// damaged makes err tell whose rows cannot be read.
func (r *rows) damaged(err error) error {
	if pebble.IsCorruptionError(err) {
		e := &DamagedError{r.store, r.owner.partition, err}
		r.db.f.damage(e, r.owner)
		return e
	}
	return storeError(r.store, err)
}

// get appends a row's value to dst.
func (r *rows) get(dst, key []byte) (value []byte, ok bool, err error) {
	if err := r.db.f.failed(); err != nil {
		return dst, false, err
	}
	r.key = append(append(r.key[:0], r.prefix...), key...)
	v, closer, err := r.db.p.Get(r.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, false, nil
	}
	if err != nil {
		return dst, false, r.damaged(err)
	}
	dst = append(dst, v...)
	return dst, true, closer.Close()
}

// rowIterator walks a part of a range.
type rowIterator struct {
	r         *rows
	it        *pebble.Iterator
	low, high []byte
	err       error // of a value
}

// iterator returns an iterator over a span; give it to done. It sees the range as it was after the last apply.
func (r *rows) iterator(s span) (*rowIterator, error) {
	if err := r.db.f.failed(); err != nil {
		return nil, err
	}
	i := r.idle
	r.idle = nil
	if i == nil {
		i = &rowIterator{r: r}
	}
	i.low = append(append(i.low[:0], r.prefix...), s.low...)
	if s.high == nil {
		i.high = append(i.high[:0], prefixEnd(r.prefix)...)
	} else {
		i.high = append(append(i.high[:0], r.prefix...), s.high...)
	}
	if i.it != nil {
		i.it.SetBounds(i.low, i.high)
		return i, nil
	}
	it, err := r.db.p.NewIter(&pebble.IterOptions{LowerBound: i.low, UpperBound: i.high})
	if err != nil {
		return nil, r.damaged(err)
	}
	i.it = it
	return i, nil
}

// done ends the use of an iterator and returns its error.
func (r *rows) done(i *rowIterator) error {
	err := i.err
	if err == nil {
		err = i.it.Error()
	}
	if err != nil || r.idle != nil || r.gone {
		return r.closing(err, i.it.Close())
	}
	r.idle = i
	return nil
}

func (r *rows) closing(err, closed error) error {
	if err == nil {
		err = closed
	}
	if err != nil {
		return r.damaged(err)
	}
	return nil
}

// refresh closes the iterator that is kept: the range has changed.
func (r *rows) refresh() error {
	if r.idle == nil {
		return nil
	}
	i := r.idle
	r.idle = nil
	return r.closing(nil, i.it.Close())
}

// close ends the use of the range. An iterator in use is closed when it is done.
func (r *rows) close() error {
	r.gone = true
	return r.refresh()
}

func (i *rowIterator) first(reverse bool) bool {
	if reverse {
		return i.it.Last()
	}
	return i.it.First()
}

func (i *rowIterator) step(reverse bool) bool {
	if reverse {
		return i.it.Prev()
	}
	return i.it.Next()
}

func (i *rowIterator) key() []byte { return i.it.Key()[len(i.r.prefix):] }

// value is the row's value. An error comes with done.
func (i *rowIterator) value() []byte {
	v, err := i.it.ValueAndErr()
	if err != nil {
		i.err = err
	}
	return v
}
