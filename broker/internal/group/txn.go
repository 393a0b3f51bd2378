package group

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnOffsetCommit is key 28: offsets that become visible when the producer's
// transaction commits. The owner has checked the producer id and epoch, and
// that the transaction is open; here the group's side is checked, which
// fences a zombie whose partitions were given to another member (KIP-447).
func (c *Coordinator) txnOffsetCommit(now time.Time, req *kmsg.TxnOffsetCommitRequest) *kmsg.TxnOffsetCommitResponse {
	var g *group
	err := kerr.InvalidGroupID
	if req.Group != "" {
		g, err = c.committer(now, req.Group, req.MemberID, req.InstanceID, req.Generation, commitInTransaction, req.Version)
	}
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		rt.TopicID = t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition = p.Partition
			o, perr := c.offset(now, p.Offset, p.LeaderEpoch, p.Metadata)
			switch {
			case err != nil:
				rp.ErrorCode = err.Code
			case perr != nil:
				rp.ErrorCode = perr.Code
			default:
				c.stage(g, req.ProducerID, partition{t.Topic, p.Partition}, o)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Coordinator) stage(g *group, producer int64, p partition, o offset) {
	if g.staged[producer] == nil {
		if g.staged == nil {
			g.staged = make(map[int64]map[partition]offset)
		}
		g.staged[producer] = make(map[partition]offset)
	}
	g.follow(p, &o)
	g.staged[producer][p] = o
	c.write(stagedKey(producer, g.id, p), encodeOffset(o))
}

// follow gives an offset a time after those of all that came before it for its partition: by the times the end of a transaction decides what was replaced, and the
// clock may have gone back.
func (g *group) follow(p partition, o *offset) {
	if old, ok := g.offsets[p]; ok {
		o.committed = max(o.committed, old.committed+1)
	}
	for _, offsets := range g.staged {
		if old, ok := offsets[p]; ok {
			o.committed = max(o.committed, old.committed+1)
		}
	}
}

func (c *Coordinator) unstage(g *group, producer int64, p partition) {
	delete(g.staged[producer], p)
	if len(g.staged[producer]) == 0 {
		delete(g.staged, producer)
	}
	c.write(stagedKey(producer, g.id, p), nil)
}

// EndTransaction makes the offsets that a producer has staged visible, or
// drops them. It is repeatable: nothing staged is nothing to do.
//
// also are further writes for the same batch, such as the transaction's own
// state; done is called when the batch is durable.
func (c *Coordinator) EndTransaction(producer int64, commit bool, also []Write, done func()) {
	for _, g := range c.sorted() {
		for _, p := range sortedPartitions(g.staged[producer]) {
			o := g.staged[producer][p]
			c.unstage(g, producer, p)
			// A commit that came after the staged one has replaced it.
			if old, ok := g.offsets[p]; commit && (!ok || old.committed < o.committed) {
				c.commit(g, p, o)
			}
		}
	}
	c.out.Writes = append(c.out.Writes, also...)
	c.out.Replies = append(c.out.Replies, done)
}

// Staged lists the producers that have offsets in an open transaction. What
// their transactions came to decides what becomes of them: an owner that
// starts ends those that its own records know as ended.
func (c *Coordinator) Staged() []int64 {
	var ids []int64
	for _, g := range c.groups {
		ids = slices.AppendSeq(ids, maps.Keys(g.staged))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// inTransaction reports whether an open transaction may change the offset.
func (g *group) inTransaction(p partition) bool {
	for _, offsets := range g.staged {
		if _, ok := offsets[p]; ok {
			return true
		}
	}
	return false
}

func (g *group) producers() []int64 { return slices.Sorted(maps.Keys(g.staged)) }

func sortedPartitions(m map[partition]offset) []partition {
	return slices.SortedFunc(maps.Keys(m), func(a, b partition) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.index, b.index))
	})
}
