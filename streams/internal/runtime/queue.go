package runtime

import "github.com/millrace-go/millrace/topology"

// Queue holds the fetched, unprocessed records of one input partition. Only its task's goroutine touches it.
type Queue struct {
	TopicPartition
	head topology.Head

	// ring holds n records from first on; its length is a power of two. used slots from 0 on have been written since the ring was last empty.
	ring           []topology.Raw
	first, n, used int
	bytes          int64

	loaded        bool // the head is decoded and has a time
	headTime      Time
	partitionTime Time // highest time of a processed record, -1 at first

	next      int64 // the position behind the last fetched record; -1: unknown
	committed int64 // as of the last commit; -1: none
	consumed  bool  // since the last commit

	lag      int64 // records on the broker that are not fetched; -1: unknown
	deadline Time  // when waiting for records of this empty partition ends; -1: not waiting
}

func newQueue(tp TopicPartition, head topology.Head) *Queue {
	return &Queue{TopicPartition: tp, head: head, partitionTime: -1, next: -1, committed: -1, lag: -1, deadline: -1}
}

// push appends records, which follow what was pushed before.
func (q *Queue) push(raws []topology.Raw) {
	if need := q.n + len(raws); need > len(q.ring) {
		q.grow(need)
	}
	for i := range raws {
		at := (q.first + q.n) & (len(q.ring) - 1)
		q.ring[at] = raws[i]
		q.used = max(q.used, at+1)
		q.n++
		q.bytes += size(&raws[i])
	}
	if len(raws) > 0 {
		q.next = raws[len(raws)-1].Offset + 1
		q.deadline = -1
	}
}

func size(r *topology.Raw) int64 { return int64(len(r.Key) + len(r.Value)) }

func (q *Queue) grow(need int) {
	length := max(len(q.ring), 16)
	for length < need {
		length *= 2
	}
	ring := make([]topology.Raw, length)
	k := copy(ring, q.ring[q.first:min(q.first+q.n, len(q.ring))])
	copy(ring[k:], q.ring[:q.n-k])
	q.ring, q.first, q.used = ring, 0, q.n
}

// peek is the head; the queue must not be empty.
func (q *Queue) peek() *topology.Raw { return &q.ring[q.first] }

// pop takes the head away. What peek returned stays valid until release or push.
func (q *Queue) pop() {
	q.bytes -= size(&q.ring[q.first])
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.n--
	q.loaded = false
	q.consumed = true
}

// all are the records, in order.
func (q *Queue) all() []topology.Raw {
	out := make([]topology.Raw, q.n)
	for i := range out {
		out[i] = q.ring[(q.first+i)&(len(q.ring)-1)]
	}
	return out
}

// release lets go of the fetched bytes of an empty queue.
func (q *Queue) release() {
	if q.n == 0 {
		clear(q.ring[:q.used])
		q.first, q.used = 0, 0
	}
}

// offset is what to commit: the head's offset, or where the next fetch goes on. It steps over transaction markers and gaps.
func (q *Queue) offset() int64 {
	if q.n > 0 {
		return q.peek().Offset
	}
	return q.next
}

// Len is the number of records.
func (q *Queue) Len() int { return q.n }

// Bytes is the size of the records' keys and values.
func (q *Queue) Bytes() int64 { return q.bytes }

// Advance says that the consumer has come to the offset next without a record: behind transaction markers, for example. It is the position from
// which an empty queue commits. Positions never go back.
func (q *Queue) Advance(next int64) { q.next = max(q.next, next) }

// SetLag says how many records the broker has behind what was fetched; -1: unknown.
func (q *Queue) SetLag(lag int64) { q.lag = lag }
