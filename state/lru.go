package state

// lru bounds the number of entries of a key-value store in memory.
type lru struct {
	max   int
	count int
	uses  useList
}

func (l *lru) use(e *entry) {
	linked := e.links != nil
	if !linked {
		e.links = &links{}
		l.count++
	}
	l.uses.use(e, linked)
}

func (l *lru) remove(t *table, key []byte) {
	if e := t.index.find(key, hashOf(key)); e != nil && e.links != nil {
		l.unlink(e)
	}
}

func (l *lru) unlink(e *entry) {
	l.uses.remove(e)
	e.links = nil
	l.count--
}

// shrink deletes the entries that were used least recently, as a user would.
func (l *lru) shrink(s *keyed) error {
	for l.count > l.max {
		e := l.uses.oldest
		l.unlink(e)
		s.buf = append(s.buf[:0], e.key()...)
		s.t.delete(s.buf)
		if err := s.log.log(s.buf, nil, true); err != nil {
			return err
		}
	}
	return nil
}

// useList keeps entries in the order of their last use.
type useList struct{ newest, oldest *entry }

// links are an entry's neighbours in a useList.
type links struct{ newer, older *entry }

// use makes an entry, linked or not, the newest.
func (l *useList) use(e *entry, linked bool) {
	if l.newest == e {
		return
	}
	if linked {
		l.remove(e)
	}
	e.links.older, e.links.newer = l.newest, nil
	if l.newest != nil {
		l.newest.links.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
}

func (l *useList) remove(e *entry) {
	x := e.links
	if x.newer != nil {
		x.newer.links.older = x.older
	} else {
		l.newest = x.older
	}
	if x.older != nil {
		x.older.links.newer = x.newer
	} else {
		l.oldest = x.newer
	}
	x.newer, x.older = nil, nil
}
