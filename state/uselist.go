package state

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
