package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// slabRecords is how many records a slab has.
const slabRecords = 128

// slab is memory for records on their way to the broker, and for the bytes of their keys and values. It is used again when all of its records are acknowledged. The
// client's promises run one after the other, and only they touch left and failed once a record was sent.
type slab struct {
	p       *Producer
	records [slabRecords]sending
	used    int
	bytes   []byte
	left    int  // records that are not acknowledged
	failed  bool // the client or Producer.failed may still have a record
}

const (
	slabBytes   = 16 << 10 // at first
	pooledBytes = 64 << 10 // a slab with more is not used again
	pooledSlabs = 32       // that wait to be used again
)

// sending is a record of a slab, on its way.
type sending struct {
	kgo.Record
	slab    *slab
	log     *changelog               // it belongs to; nil: none
	promise func(*kgo.Record, error) // acknowledged, made once
}

// record is memory for the next record.
func (p *Producer) record() *sending {
	if p.slab == nil || p.slab.used == slabRecords {
		p.slab = p.nextSlab()
	}
	r := &p.slab.records[p.slab.used]
	p.slab.used++
	return r
}

func (p *Producer) nextSlab() *slab {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		s := p.free[n-1]
		p.free = p.free[:n-1]
		s.used, s.left, s.bytes = 0, slabRecords, s.bytes[:0]
		return s
	}
	s := &slab{p: p, left: slabRecords, bytes: make([]byte, 0, slabBytes)}
	for i := range s.records {
		r := &s.records[i]
		r.slab, r.promise = s, r.acknowledged
	}
	return s
}

// copy keeps b for a record of the slab; the copy of empty bytes is not nil.
func (s *slab) copy(b []byte) []byte {
	if len(b) > cap(s.bytes)-len(s.bytes) {
		s.bytes = make([]byte, 0, max(2*cap(s.bytes), len(b)))
	}
	n := len(s.bytes)
	s.bytes = append(s.bytes, b...)
	return s.bytes[n:len(s.bytes):len(s.bytes)]
}

// acknowledged is the promise of every record. It runs in the client's goroutine.
func (r *sending) acknowledged(_ *kgo.Record, err error) {
	s := r.slab
	switch {
	case err != nil:
		s.failed = true
		s.p.failing(failure{&r.Record, err})
	case r.log != nil:
		r.log.next.Store(r.Offset + 1)
	}
	r.Headers = nil
	if s.left--; s.left == 0 && !s.failed {
		s.p.release(s)
	}
}

// release takes a slab back whose records are all acknowledged. Its records still have their bytes until they are written again: few, where pieces only grow.
func (p *Producer) release(s *slab) {
	if cap(s.bytes) > pooledBytes {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) < pooledSlabs {
		p.free = append(p.free, s)
	}
}
