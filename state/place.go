package state

import "encoding/binary"

// place is where in the database a store's partition lives. nil: in memory only.
type place struct {
	db     *DB
	store  string
	owner  storePartition
	prefix []byte
	meta   meta // as it was found
	found  bool
}

// place finds or makes a store's place. A damaged one is emptied.
func (e *Env) place(name string, o *options) (*place, error) {
	if e.DB == nil || !o.persistent() {
		return nil, nil
	}
	id, err := e.DB.register(name, o.fingerprint())
	if err != nil {
		return nil, err
	}
	p := &place{db: e.DB, store: name, owner: storePartition{id, e.Partition}, prefix: partitionPrefix(id, e.Partition)}
	if e.DB.f.damageOf(p.owner) != nil {
		e.DB.o.Logger.Warn("a store is damaged: it is rebuilt from its changelog", "store", name, "partition", e.Partition)
		if err := p.empty(); err != nil {
			return nil, err
		}
		e.DB.f.heal(p.owner)
		return p, nil
	}
	return p, p.load()
}

// before is what the store knew of itself when it was applied last.
func (p *place) before() meta {
	if p == nil || !p.found {
		return meta{observed: -1}
	}
	return p.meta
}

// load reads the meta row. One that cannot be read counts as damage.
func (p *place) load() error {
	return p.db.do(func() error {
		row, err := p.db.read(areaPrefix(p.prefix, areaMeta))
		if err != nil {
			return p.rows(areaMeta, p.prefix).damaged(err)
		}
		if row == nil {
			return nil
		}
		if p.meta, err = parseMeta(row); err != nil {
			return err
		}
		p.found = true
		return nil
	})
}

// empty removes all rows.
func (p *place) empty() error {
	p.found, p.meta = false, meta{}
	return p.db.excise(p.prefix, prefixEnd(p.prefix))
}

// save puts the meta row into a batch.
func (p *place) save(b *Batch, m *meta) {
	b.set(p.prefix, []byte{byte(areaMeta)}, m.append(nil))
}

func (p *place) rows(a area, prefix []byte) *rows {
	return &rows{db: p.db, prefix: prefix, owner: p.owner, store: p.store}
}

// table is a table over an area; without a place a table in memory.
func (p *place) table(a area, total *tally) *table {
	if p == nil {
		return newTable(nil, total)
	}
	t := newTable(p.rows(a, areaPrefix(p.prefix, a)), total)
	t.complete = !p.found
	return t
}

// segmentTable is a table over one segment of an area; the engine has no rows of a new one.
func (p *place) segmentTable(a area, id int64, isNew bool, total *tally) *table {
	if p == nil {
		return newTable(nil, total)
	}
	t := newTable(p.rows(a, segmentPrefix(p.prefix, a, id)), total)
	t.complete = isNew
	return t
}

// segmentIDs lists the segments of an area that have rows.
func (p *place) segmentIDs(a area) (ids []int64, err error) {
	if p == nil || !p.found {
		return nil, nil
	}
	r := p.rows(a, areaPrefix(p.prefix, a))
	it, err := r.iterator(span{})
	if err != nil {
		return nil, err
	}
	for ok := it.first(false); ok; {
		id := int64(binary.BigEndian.Uint64(it.key()))
		ids = append(ids, id)
		ok = it.it.SeekGE(segmentPrefix(p.prefix, a, id+1))
	}
	if err := r.done(it); err != nil {
		return nil, err
	}
	return ids, r.close()
}

// expire removes the segments of an area before one, in the background.
func (p *place) expire(a area, before int64) {
	if p != nil {
		p.db.sweeper.later(areaPrefix(p.prefix, a), segmentPrefix(p.prefix, a, before))
	}
}
