package commitlog

import (
	"log/slog"
	"sort"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// cleaner decides batch by batch what compaction keeps. It sees the batches of the log in order.
// It does no I/O.
type cleaner struct {
	// keys holds the last offset of each key of the dirty part; end is where the round ends.
	keys *offsetMap
	end  int64
	// aborted are the aborted transactions of each producer, by first offset.
	aborted map[int64][]AbortedTxn
	// lastData is the last data offset of each producer that the partition knows.
	lastData map[int64]int64
	// txnData: batches of the producer's current transaction have been seen.
	txnData map[int64]bool
	now     int64
	// deleteHorizon is what tombstones and markers get that have none.
	deleteHorizon int64
	log           *slog.Logger

	// Buffers: of decompressed records, of kept ones, of the batch made of them.
	payload, kept, out []byte
	// staying says of each record of a batch whether it stays.
	staying []bool
}

// isAborted reports whether the batch is part of an aborted transaction.
func (c *cleaner) isAborted(b recordbatch.Batch) bool {
	if !b.Transactional() {
		return false
	}
	txns := c.aborted[b.ProducerID()]
	i := sort.Search(len(txns), func(i int) bool { return txns[i].FirstOffset > b.BaseOffset() })
	return i > 0 && b.BaseOffset() <= txns[i-1].LastOffset
}

// records calls visit for each record of a batch. ok is false, and only some were visited, if they cannot be
// decompressed or read: such a batch was accepted when the topic was not compacted, and is left alone.
func (c *cleaner) records(b recordbatch.Batch, visit func(*recordbatch.Record)) (ok bool) {
	payload, err := b.Payload(c.payload)
	if err != nil {
		c.log.Warn("batch that cannot be decompressed is kept", "offset", b.BaseOffset(), "err", err)
		return false
	}
	if b.Codec() != 0 {
		c.payload = payload
	}
	d := recordbatch.NewReader(payload, b.RecordCount())
	var r recordbatch.Record
	for {
		ok, err := d.Next(&r)
		if err != nil {
			c.log.Warn("batch that cannot be read is kept", "offset", b.BaseOffset(), "err", err)
			return false
		}
		if !ok {
			return true
		}
		visit(&r)
	}
}

// clean returns what is kept of a batch: itself, a smaller one that is valid until the next call, or nil.
func (c *cleaner) clean(b recordbatch.Batch) (recordbatch.Batch, error) {
	switch {
	case b.BaseOffset() >= c.end:
		return b, nil
	case b.Control():
		return c.cleanMarker(b)
	}
	aborted := c.isAborted(b)
	if b.Transactional() {
		c.txnData[b.ProducerID()] = true
	}
	h := b.Header()
	h.RecordCount = 0
	if b.RecordCount() > 0 && !aborted && c.keep(b, &h) {
		return b, nil
	}
	if h.RecordCount > 0 {
		return c.rebuild(h)
	}
	last, live := c.lastData[b.ProducerID()]
	// The last batch below the end can be an aborted one, with the marker beyond, and an open transaction between them: without
	// the batch, a reader of committed records would not get to the last stable offset before that transaction ends.
	if !(live && last == b.LastOffset()) && b.LastOffset() != c.end-1 {
		return nil, nil
	}
	if b.RecordCount() == 0 {
		return b, nil
	}
	c.kept = c.kept[:0]
	return c.rebuild(h)
}

// keep puts the records that stay into c.kept and their number and times into h; whole reports that all stay as they are.
func (c *cleaner) keep(b recordbatch.Batch, h *recordbatch.Header) (whole bool) {
	horizon, hasHorizon := b.DeleteHorizon()
	pastHorizon, stamp := hasHorizon && horizon <= c.now, false
	c.staying = c.staying[:0]
	readable := c.records(b, func(r *recordbatch.Record) {
		stays := c.stays(b, r, pastHorizon)
		c.staying = append(c.staying, stays)
		if stays {
			h.RecordCount++
			stamp = stamp || r.Value == nil && !hasHorizon
		}
	})
	if !readable || h.RecordCount == b.RecordCount() && !stamp {
		return true
	}
	if stamp {
		h.DeleteHorizon, h.BaseTimestamp = true, c.deleteHorizon
	}
	if !b.LogAppendTime() {
		h.MaxTimestamp = -1
	}
	c.kept = c.kept[:0]
	i := 0
	c.records(b, func(r *recordbatch.Record) {
		stays := c.staying[i]
		i++
		if !stays {
			return
		}
		timestamp := b.BaseTimestamp() + r.TimestampDelta
		if !b.LogAppendTime() {
			h.MaxTimestamp = max(h.MaxTimestamp, timestamp)
		}
		if stamp {
			c.kept = recordbatch.AppendRecord(c.kept, r, timestamp-h.BaseTimestamp, r.OffsetDelta)
		} else {
			c.kept = append(c.kept, r.Raw...)
		}
	})
	return false
}

// stays reports whether a record is the last one of its key and not a tombstone whose time has come.
// Records without a key, from a time when the topic was not compacted, stay.
func (c *cleaner) stays(b recordbatch.Batch, r *recordbatch.Record, pastHorizon bool) bool {
	if r.Key == nil {
		return true
	}
	if last, ok := c.keys.last(r.Key); ok && last > b.BaseOffset()+int64(r.OffsetDelta) {
		return false
	}
	return r.Value != nil || !pastHorizon
}

// cleanMarker keeps a marker while there are batches of its transaction, also emptied ones: without it a
// recovery would take the transaction for open. Then its horizon decides.
func (c *cleaner) cleanMarker(b recordbatch.Batch) (recordbatch.Batch, error) {
	pid := b.ProducerID()
	needed := c.txnData[pid]
	delete(c.txnData, pid)
	horizon, hasHorizon := b.DeleteHorizon()
	switch {
	case needed:
		return b, nil
	case hasHorizon && horizon <= c.now:
		return nil, nil
	case hasHorizon:
		return b, nil
	}
	h := b.Header()
	h.DeleteHorizon, h.BaseTimestamp = true, c.deleteHorizon
	c.kept = c.kept[:0]
	ok := c.records(b, func(r *recordbatch.Record) {
		c.kept = recordbatch.AppendRecord(c.kept, r, b.BaseTimestamp()+r.TimestampDelta-h.BaseTimestamp, r.OffsetDelta)
	})
	if !ok {
		return b, nil
	}
	return c.rebuild(h)
}

// rebuild makes the batch of a header and the records in c.kept.
func (c *cleaner) rebuild(h recordbatch.Header) (recordbatch.Batch, error) {
	out, err := recordbatch.Append(c.out[:0], h, c.kept)
	c.out = out
	return recordbatch.Batch(out), err
}
