package state

import "bytes"

// span is a range of keys: from low on, below high. A nil bound is none.
type span struct{ low, high []byte }

// cursor walks a table's entries in order as they were when it was opened. It takes them out of the order a few at a time, so that the table
// may be written between two steps.
type cursor struct {
	t       *table
	snap    uint64
	s       span
	reverse bool
	batch   []*entry
	at      int
	end     bool
	pivot   entry
	idle    *cursor
}

const cursorBatch = 32

// cursor opens a cursor; close it.
func (t *table) cursor(s span, reverse bool) *cursor {
	if t.shared != nil {
		t.shared.Lock()
		defer t.shared.Unlock()
	}
	if t.order == nil {
		t.sort()
	}
	t.scanned = true
	c := t.idle
	if c == nil {
		c = &cursor{t: t, batch: make([]*entry, 0, cursorBatch)}
	} else {
		t.idle, c.idle = c.idle, nil
	}
	c.snap = t.seq
	t.seq++
	t.open++
	c.s, c.reverse, c.at, c.end = s, reverse, 0, false
	c.batch = c.batch[:0]
	return c
}

func (c *cursor) close() {
	if c.t.shared != nil {
		c.t.shared.Lock()
		defer c.t.shared.Unlock()
	}
	clear(c.batch)
	c.s = span{}
	c.idle, c.t.idle = c.t.idle, c
	c.t.closed()
}

// next returns the next entry of which the table knew something, nil at the end. What it held has to be asked for when it is needed: it may be
// written before.
func (c *cursor) next() *entry {
	for {
		if c.at == len(c.batch) {
			if c.end {
				return nil
			}
			c.fill()
			continue
		}
		e := c.batch[c.at]
		c.at++
		if _, _, known := e.at(c.snap); known {
			return e
		}
	}
}

// fill takes the next entries out of the order.
func (c *cursor) fill() {
	var last *entry
	if n := len(c.batch); n > 0 {
		last = c.batch[n-1]
	}
	c.batch, c.at, c.end = c.batch[:0], 0, true
	take := func(e *entry) bool {
		if e == last {
			return true
		}
		if c.reverse {
			if c.s.high != nil && bytes.Compare(e.key(), c.s.high) >= 0 {
				return true // only the pivot itself
			}
			if c.s.low != nil && bytes.Compare(e.key(), c.s.low) < 0 {
				return false
			}
		} else if c.s.high != nil && bytes.Compare(e.key(), c.s.high) >= 0 {
			return false
		}
		c.batch = append(c.batch, e)
		c.end = len(c.batch) < cursorBatch
		return c.end
	}
	order := c.t.order
	from := last
	if from == nil {
		bound := c.s.low
		if c.reverse {
			bound = c.s.high
		}
		if bound != nil {
			c.pivot.data, c.pivot.klen = bound, uint32(len(bound))
			from = &c.pivot
		}
	}
	switch {
	case c.reverse && from == nil:
		order.Reverse(take)
	case c.reverse:
		order.Descend(from, take)
	case from == nil:
		order.Scan(take)
	default:
		order.Ascend(from, take)
	}
}

// empty says that no key can be in the span.
func (s span) empty() bool {
	return s.low != nil && s.high != nil && bytes.Compare(s.low, s.high) >= 0
}

// scan calls f with what a range holds, in order, until it answers false. The bytes are valid during the call. held says that a record
// cache holds the key.
func (t *table) scan(s span, reverse bool, f func(key, value []byte, held bool) bool) error {
	if s.empty() { // Pebble's iterators do not bear it
		return nil
	}
	c := t.cursor(s, reverse)
	defer c.close()
	return c.each(f)
}

// each calls f with what the cursor has before it. See table.scan.
func (c *cursor) each(f func(key, value []byte, held bool) bool) error {
	if c.t.rows != nil && !c.t.complete {
		return c.t.merge(c, f)
	}
	for {
		e := c.next()
		if e == nil {
			return nil
		}
		if value, there, _ := e.at(c.snap); there && !f(e.key(), value, e.flags&resident != 0) {
			return nil
		}
	}
}

// closeAll closes cursors.
func closeAll(cs []*cursor) {
	for _, c := range cs {
		c.close()
	}
}

// merge scans the entries of c over the rows of the engine: an entry hides the row of its key.
func (t *table) merge(c *cursor, f func(key, value []byte, held bool) bool) (err error) {
	r := t.rows // the segment may expire meanwhile
	it, err := r.iterator(c.s)
	if err != nil {
		return err
	}
	defer func() {
		if e := r.done(it); err == nil {
			err = e
		}
	}()
	row := it.first(c.reverse)
	e := c.next()
	for e != nil || row {
		order := -1 // the entry is next
		if e == nil {
			order = 1
		} else if row {
			order = bytes.Compare(e.key(), it.key())
			if c.reverse {
				order = -order
			}
		}
		if order > 0 {
			if !f(it.key(), it.value(), false) {
				return nil
			}
		} else if value, there, _ := e.at(c.snap); there && !f(e.key(), value, e.flags&resident != 0) {
			return nil
		}
		if order >= 0 {
			row = it.step(c.reverse)
		}
		if order <= 0 {
			e = c.next()
		}
	}
	return nil
}
