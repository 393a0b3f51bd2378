package state

// useList keeps entries in the order of their last use. Its links are in the entries' cacheEntry.
type useList struct{ newest, oldest *entry }

// use makes an entry, linked or not, the newest.
func (l *useList) use(e *entry, linked bool) {
	if l.newest == e {
		return
	}
	if linked {
		l.remove(e)
	}
	e.cache.older, e.cache.newer = l.newest, nil
	if l.newest != nil {
		l.newest.cache.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
}

func (l *useList) remove(e *entry) {
	x := e.cache
	if x.newer != nil {
		x.newer.cache.older = x.older
	} else {
		l.newest = x.older
	}
	if x.older != nil {
		x.older.cache.newer = x.newer
	} else {
		l.oldest = x.newer
	}
	x.newer, x.older = nil, nil
}
