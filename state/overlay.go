package state

// apply puts the unapplied rows into a batch. Once it is committed, call applied.
func (t *table) apply(b *Batch) {
	for _, e := range t.unapplied {
		if e.flags&absent == 0 {
			b.set(t.rows.prefix, e.key(), e.value())
		} else if e.flags&below != 0 {
			b.delete(t.rows.prefix, e.key())
		}
	}
}

// applied makes the unapplied entries clean ones. Nothing was written since apply.
func (t *table) applied() error {
	if len(t.unapplied) == 0 {
		return nil
	}
	clean := int64(0)
	for i, e := range t.unapplied {
		t.unapplied[i] = nil
		e.flags &^= unapplied
		gone := e.flags&absent != 0
		if gone && t.open == 0 {
			if e.flags&listed != 0 {
				t.unlist(e)
			}
			t.index.remove(e)
			continue
		}
		if !gone {
			e.flags |= below
		}
		if e.flags&resident == 0 {
			clean += e.size()
			if t.held && !t.complete && e.flags&listed != 0 && t.open == 0 {
				t.unlist(e)
			}
		}
	}
	t.unapplied = t.unapplied[:0]
	t.count(-t.size.pending, clean)
	if t.order != nil && t.open == 0 && (!t.scanned || !t.held && !t.complete) {
		t.order.Scan(func(e *entry) bool {
			e.flags &^= listed
			return true
		})
		t.order = nil
		if t.scanned {
			t.order = newOrder()
		}
	}
	t.scanned = false
	return t.rows.refresh()
}

// released is told that a record cache has given an entry up.
func (t *table) released(e *entry) {
	t.residents--
	if t.rows == nil || e.flags&unapplied != 0 {
		return
	}
	t.count(0, e.size())
	if e.flags&listed != 0 && !t.complete && t.open == 0 {
		t.unlist(e)
	}
}

func (t *table) unlist(e *entry) {
	e.flags &^= listed
	t.order.Delete(e)
}

// sweep gives up clean entries until they take no more than the given size: those that were not used since the last sweep.
func (t *table) sweep(size int64) {
	if t.open > 0 {
		return
	}
	for n := 2 * t.index.next; n > 0 && t.size.clean > size; n-- {
		if t.hand >= t.index.next {
			t.hand = 0
		}
		e := t.index.entry(t.hand)
		t.hand++
		switch {
		case e.flags&(free|unapplied|resident) != 0:
		case e.flags&recent != 0:
			e.flags &^= recent
		default:
			if e.flags&absent == 0 {
				t.complete = false
			}
			t.drop(e)
		}
	}
}

// victim is an entry of a record cache that was not used since the last call came by it, a clean one unless any will do; nil if the cache holds
// none of the table.
func (t *table) victim(any bool) *entry {
	if t.residents == 0 {
		return nil
	}
	for n := 2 * t.index.next; n > 0; n-- {
		if t.evictHand >= t.index.next {
			t.evictHand = 0
		}
		e := t.index.entry(t.evictHand)
		t.evictHand++
		switch {
		case e.flags&(free|grave) != 0 || e.flags&resident == 0 || !any && e.flags&dirty != 0:
		case e.flags&recent != 0:
			e.flags &^= recent
		default:
			return e
		}
	}
	return nil
}

// forget makes the table one without an engine, which keeps only what a record cache holds.
func (t *table) forget() error {
	r := t.rows
	t.unapplied = nil
	t.index.each(func(e *entry) {
		e.flags &^= unapplied
		if e.flags&resident == 0 {
			t.drop(e)
		}
	})
	t.count(-t.size.pending, -t.size.clean)
	t.rows = nil
	if r == nil {
		return nil
	}
	return r.close()
}

// close gives up what the table holds of the engine and takes it off the account.
func (t *table) close() error {
	t.count(-t.size.pending, -t.size.clean)
	if t.rows == nil {
		return nil
	}
	return t.rows.close()
}
