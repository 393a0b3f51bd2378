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
	keep       bool // a store is restored from what the topic holds
	changelog  bool // a store is restored from what the tasks have made
	compact    bool // only the last record of each key is needed for that

	made    journal // by the tasks
	hidden  int     // how many of them were discarded, but are needed to restore
	drained spot    // of what Produced has handed out
	read    spot    // of what Outputs have read
	least   int     // bytes of made when it was compacted last
}

// partition is one partition's log, and the task that reads it.
type partition struct {
	topic *topic
	log   []topology.Raw // of a topic that is read or kept, in order of offsets
	next  int64          // the next record's offset

	unit   *unit // nil: no task reads it
	queue  *runtime.Queue
	pushed int64 // the offset behind the last record that the task got
	// committed is where the task goes on after a crash.
	committed runtime.Offset
}

// append adds r to a partition.
func (p *partition) append(r *topology.Raw) {
	r.Offset = p.next
	p.next++
	if p.topic.keep || p.unit != nil {
		p.log = append(p.log, *r)
	}
}

// from is the log from an offset on.
func (p *partition) from(offset int64) []topology.Raw {
	i, _ := slices.BinarySearchFunc(p.log, offset, func(r topology.Raw, at int64) int { return cmp.Compare(r.Offset, at) })
	return p.log[i:]
}

// trim forgets what no crash brings back.
func (p *partition) trim() {
	if p.topic.keep || len(p.log) == 0 || p.log[0].Offset >= p.committed.Offset {
		return
	}
	left := copy(p.log, p.from(p.committed.Offset))
	clear(p.log[left:])
	p.log = p.log[:left]
}

// take is the next record that the tasks have made behind s, which is one of drained and read.
func (t *topic) take(s *spot) Raw {
	piece := s.piece
	r, _ := t.made.next(s)
	if s.piece != piece && !t.changelog {
		t.made.free(min(t.drained.piece, t.read.piece))
	}
	r.Topic = t.name
	return r
}

// discard forgets what the tasks have made, but for what stores are restored from.
func (t *topic) discard() {
	if !t.changelog {
		t.made = journal{}
	} else if t.compact && t.made.bytes > 2*t.least+largePiece {
		var made journal
		var record []byte
		t.last(func(r Raw, offset int64) {
			record = appendRecord(record[:0], &r)
			made.append(offset, record)
		})
		t.made, t.least = made, made.bytes
	}
	t.drained, t.read, t.hidden = t.made.end(), t.made.end(), t.made.n
}

// last calls f with what the tasks have made, of a compacted topic with the last record of each key of a partition, in order.
func (t *topic) last(f func(r Raw, offset int64)) {
	type key struct {
		partition int32
		key       string
	}
	final := map[key]int{}
	for s := (spot{}); t.compact && s.n < t.made.n; {
		r, _ := t.made.next(&s)
		final[key{r.Partition, string(r.Key)}] = s.n
	}
	for s := (spot{}); s.n < t.made.n; {
		if r, offset := t.made.next(&s); !t.compact || final[key{r.Partition, string(r.Key)}] == s.n {
			f(r, offset)
		}
	}
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
