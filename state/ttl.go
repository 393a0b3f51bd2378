package state

import "encoding/binary"

// ttl lets the entries of a key-value store expire by their times.
//
// Rows begin with their time, whether or not the user sees it. byTime has a row bucket (8) ++ key for each bucket of time in which a key was
// written: one row for a key that is written often, and none has to be found and moved when the key is written again. When a bucket has
// expired as a whole, its keys are looked up, and those that were not written since are deleted.
type ttl struct {
	s        *keyed
	after    Time
	bucket   Time
	hidden   bool // the user's values have no time of their own
	observed Time
	expired  int64 // buckets below were looked through
	byTime   *table
	row, key []byte
}

// maxExpired is how many entries a flush lets expire, expiredPerPut how many a put does: a burst is spread.
const (
	maxExpired    = 10_000
	expiredPerPut = 64
)

func newTTL(s *keyed, o *options, p *place, total *tally) *ttl {
	return &ttl{s: s, after: max(millis(o.ttl), 1), bucket: o.ttlBucket(), hidden: !o.stamped, observed: p.before().observed,
		byTime: p.table(areaByTime, total)}
}

// read is a row's value as the user sees it, unless it has expired.
func (l *ttl) read(row []byte) (value []byte, ok bool, err error) {
	at, v := splitStamp(row)
	if at <= l.observed-l.after {
		return nil, false, nil
	}
	if l.hidden {
		return v, true, nil
	}
	return row, true, nil
}

func (l *ttl) put(key, value []byte) error {
	at := l.s.log.record.Time
	if !l.hidden {
		at, _ = splitStamp(value)
		l.write(key, value, at)
	} else {
		l.row = append(appendTime(l.row[:0], at), value...)
		l.write(key, l.row, at)
	}
	if err := l.s.log.log(key, value, false); err != nil {
		return err
	}
	return l.expire(expiredPerPut)
}

func (l *ttl) write(key, row []byte, at Time) {
	l.observed = max(l.observed, at)
	l.s.t.put(key, row)
	l.key = append(appendTime(l.key[:0], at/l.bucket), key...)
	if e, _ := l.byTime.touch(l.key); e.flags&absent != 0 {
		l.byTime.write(e, nil, false)
	}
}

func (l *ttl) restore(r *Restored) {
	if r.Value == nil {
		l.s.t.delete(r.Key)
		return
	}
	l.row = append(appendTime(l.row[:0], r.Time), r.Value...)
	l.write(r.Key, l.row, r.Time)
}

// expire deletes up to that many entries of the buckets that have expired.
func (l *ttl) expire(limit int) error {
	bucket := int64((l.observed - l.after) / l.bucket) // of times that may still be alive
	if l.observed < l.after || bucket <= l.expired {
		return nil
	}
	var dead [][]byte
	err := l.byTime.scan(span{high: appendTime(nil, Time(bucket))}, false, func(row, _ []byte, _ bool) bool {
		dead = append(dead, clone(row))
		return len(dead) < limit
	})
	if err != nil {
		return err
	}
	for _, row := range dead {
		l.byTime.delete(row)
		key := row[8:]
		e, err := l.s.t.find(key)
		if err != nil {
			return err
		}
		if e == nil || e.flags&absent != 0 || Time(binary.BigEndian.Uint64(e.value())) > l.observed-l.after {
			continue
		}
		l.s.t.delete(key)
		if err := l.s.log.log(key, nil, true); err != nil {
			return err
		}
	}
	if len(dead) < limit {
		l.expired = bucket
	}
	return nil
}
