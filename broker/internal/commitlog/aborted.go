package commitlog

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Aborted transactions are rows in Pebble, by the offset of their marker. A file
// beside the log would need a recovery of its own and would have to be rewritten
// by compaction; rows change atomically with the manifest. They are written with
// the producer snapshot: until then they are in Partition.abortedPending, and
// recovery finds them again in the log.

// abortedTxn is an aborted transaction with what ends a search for such.
type abortedTxn struct {
	AbortedTxn
	// stable: every transaction that ended after this one began at or after this offset.
	stable int64
}

// touches reports whether the transaction has records or its marker in [from, to).
func (t *abortedTxn) touches(from, to int64) bool {
	return t.LastOffset >= from && t.FirstOffset < to
}

func (p *Partition) abortedKey(lastOffset int64) []byte {
	return binary.BigEndian.AppendUint64(p.store.rowKey(p.id, rowAborted), uint64(lastOffset))
}

func (t *abortedTxn) encode() []byte {
	b := binary.AppendVarint(nil, t.ProducerID)
	b = binary.AppendVarint(b, t.FirstOffset)
	return binary.AppendVarint(b, t.stable)
}

// decodeAborted reads a row; its key ends with the marker's offset.
func decodeAborted(key, value []byte) (t abortedTxn, err error) {
	d := decoder{b: value}
	t.ProducerID = d.varint()
	t.FirstOffset = d.varint()
	t.stable = d.varint()
	t.LastOffset = int64(binary.BigEndian.Uint64(key[len(key)-8:]))
	if d.bad {
		return t, errorf(KindStorage, "damaged row %x of an aborted transaction", key)
	}
	return t, nil
}

// abortedRows returns the transactions with a row that touch [from, to), by their end.
func (p *Partition) abortedRows(from, to int64) ([]abortedTxn, error) {
	upper := prefixEnd(p.store.rowKey(p.id, rowAborted))
	it, err := p.store.opts.DB.NewIter(&pebble.IterOptions{LowerBound: p.abortedKey(max(from, 0)), UpperBound: upper})
	if err != nil {
		return nil, wrap(KindStorage, err, "read aborted transactions of %s", p.id)
	}
	defer it.Close()
	var found []abortedTxn
	for ok := it.First(); ok; ok = it.Next() {
		t, err := decodeAborted(it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		if t.touches(from, to) {
			found = append(found, t)
		}
		if t.stable >= to {
			break
		}
	}
	if err := it.Error(); err != nil {
		return nil, wrap(KindStorage, err, "read aborted transactions of %s", p.id)
	}
	return found, nil
}

// lastAborted returns the offset of the newest abort marker that has a row, -1 if there is none.
func (p *Partition) lastAborted() (int64, error) {
	prefix := p.store.rowKey(p.id, rowAborted)
	it, err := p.store.opts.DB.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return -1, wrap(KindStorage, err, "read aborted transactions of %s", p.id)
	}
	defer it.Close()
	if !it.Last() {
		return -1, it.Error()
	}
	return int64(binary.BigEndian.Uint64(it.Key()[len(prefix):])), nil
}

// mergeAborted returns what is in rows or pending and touches [from, to), each once, by first offset. (A row
// and a pending entry are the same transaction while a snapshot is being saved and after a recovery that found it again.)
func mergeAborted(rows, pending []abortedTxn, from, to int64) []AbortedTxn {
	var found []AbortedTxn
	for _, t := range rows {
		found = append(found, t.AbortedTxn)
	}
	for _, t := range pending {
		if t.touches(from, to) {
			found = append(found, t.AbortedTxn)
		}
	}
	slices.SortFunc(found, func(a, b AbortedTxn) int {
		return cmp.Or(cmp.Compare(a.FirstOffset, b.FirstOffset), cmp.Compare(a.LastOffset, b.LastOffset))
	})
	return slices.Compact(found)
}
