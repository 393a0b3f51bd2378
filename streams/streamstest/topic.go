package streamstest

import (
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

	produced []Raw // by the tasks, in order
	drained  int   // how many of them Produced has handed out
	read     int   // how many of them Outputs have read
}

// partition is one partition's log, and the task that reads it.
type partition struct {
	log   []topology.Raw // from offset base on, but for what was compacted
	next  int64          // the next record's offset
	size  int            // len(log) after the last compaction
	unit  *unit          // nil: no task reads it
	queue *runtime.Queue
	// committed is where the task goes on after a crash.
	committed runtime.Committed
	// pushed is the offset behind the last record that the task got.
	pushed int64
}

// append adds r to a partition of the topic and gives it its offset.
func (t *topic) append(p *partition, r topology.Raw) topology.Raw {
	r.Offset = p.next
	p.next++
	if p.unit != nil || t.keep {
		p.log = append(p.log, r)
	}
	if t.compact && len(p.log) > 2*p.size+1024 {
		p.compact()
	}
	return r
}

// compact keeps the last record of each key, and no tombstones: a store is always restored from the beginning.
func (p *partition) compact() {
	last := make(map[string]int64, len(p.log)/2)
	for i := range p.log {
		last[string(p.log[i].Key)] = p.log[i].Offset
	}
	kept := p.log[:0]
	for _, r := range p.log {
		if r.Value != nil && last[string(r.Key)] == r.Offset {
			kept = append(kept, r)
		}
	}
	clear(p.log[len(kept):])
	p.log, p.size = kept, len(kept)
}

// trim forgets what no crash brings back.
func (t *topic) trim(p *partition) {
	if t.keep || len(p.log) == 0 || p.log[0].Offset >= p.committed.Offset {
		return
	}
	n := int(p.committed.Offset - p.log[0].Offset)
	left := copy(p.log, p.log[n:])
	clear(p.log[left:])
	p.log = p.log[:left]
}

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
