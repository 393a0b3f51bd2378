package streamstest

import (
	"cmp"
	"slices"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Raw is a record as Kafka has it: bytes that need not be what a serde would write. A nil Key or Value is null, an empty one is not.
type Raw struct {
	Topic      string
	Key, Value []byte
	Time       window.Time
	NoTime     bool // the timestamp is the producer's (changelogs of suppress and of join grace)
	Headers    serde.Headers
	Partition  int32 // where it is; Pipe ignores it
}

// topic is a topic of the driver's own little Kafka.
type topic struct {
	name       string
	slot       int // in Driver.topics
	partitions []*partition
	global     bool // read by the global stores
	keep       bool // a store is restored from it
	compact    bool // only the last record of each key is needed for that

	produced produced
	drained  int // how many of them Produced has handed out
	read     int // how many of them Outputs have read
}

// partition is one partition's log, and the task that reads it.
type partition struct {
	topic *topic
	log   []topology.Raw // in order of offsets; of a compacted topic the last record of each key, in order of the keys' first ones
	last  map[string]int // of a compacted topic: where a key is in log
	next  int64          // the next record's offset

	unit   *unit // nil: no task reads it
	queue  *runtime.Queue
	pushed int64 // the offset behind the last record that the task got
	// committed is where the task goes on after a crash.
	committed runtime.Committed
}

// append adds r to a partition of the topic.
func (t *topic) append(p *partition, r topology.Raw) {
	r.Offset = p.next
	p.next++
	switch {
	case t.compact:
		if i, ok := p.last[string(r.Key)]; ok {
			p.log[i] = r
			return
		}
		if p.last == nil {
			p.last = map[string]int{}
		}
		p.last[string(r.Key)] = len(p.log)
		p.log = append(p.log, r)
	case t.keep || p.unit != nil:
		p.log = append(p.log, r)
	}
}

// from is the log from an offset on. The topic is not compacted.
func (p *partition) from(offset int64) []topology.Raw {
	i, _ := slices.BinarySearchFunc(p.log, offset, func(r topology.Raw, at int64) int { return cmp.Compare(r.Offset, at) })
	return p.log[i:]
}

// trim forgets what no crash brings back.
func (t *topic) trim(p *partition) {
	if t.keep || len(p.log) == 0 || p.log[0].Offset >= p.committed.Offset {
		return
	}
	left := copy(p.log, p.from(p.committed.Offset))
	clear(p.log[left:])
	p.log = p.log[:left]
}

// produced are records in pieces, so that many of them are not copied again and again.
type produced struct {
	pieces [][]Raw
	n      int
}

const piece = 256

func (p *produced) add(r Raw) {
	if p.n%piece == 0 {
		p.pieces = append(p.pieces, make([]Raw, 0, piece))
	}
	last := &p.pieces[len(p.pieces)-1]
	*last = append(*last, r)
	p.n++
}

func (p *produced) at(i int) Raw { return p.pieces[i/piece][i%piece] }

// arena holds the bytes of records in large pieces.
type arena struct{ free []byte }

// keep copies b; nil stays nil.
func (a *arena) keep(b []byte) []byte {
	if len(b) == 0 {
		if b == nil {
			return nil
		}
		return []byte{}
	}
	if len(b) > cap(a.free)-len(a.free) {
		a.free = make([]byte, 0, max(len(b), 64<<10))
	}
	at := len(a.free)
	a.free = append(a.free, b...)
	return a.free[at:len(a.free):len(a.free)]
}
