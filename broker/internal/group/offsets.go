package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// offset is what was committed for a partition.
type offset struct {
	at        int64
	epoch     int32 // leader epoch of the record before; -1 when not known
	metadata  string
	committed int64 // when, in ms
	expires   int64 // when, in ms, if the client asked for a retention (version 2-4); else -1
	topicID   [16]byte
}

// offsetCommit is key 8.
func (c *Coordinator) offsetCommit(now time.Time, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	g, err := c.committer(now, req.Group, req.MemberID, req.InstanceID, req.Generation, commitPlain, req.Version)
	expires := int64(-1)
	if req.RetentionTimeMillis >= 0 {
		expires = now.UnixMilli() + req.RetentionTimeMillis
	}
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition = p.Partition
			o, perr := c.offset(now, p.Offset, p.LeaderEpoch, p.Metadata)
			o.expires, o.topicID = expires, t.TopicID
			switch {
			case err != nil:
				rp.ErrorCode = err.Code
			case perr != nil:
				rp.ErrorCode = perr.Code
			default:
				g.follow(partition{t.Topic, p.Partition}, &o)
				c.commit(g, partition{t.Topic, p.Partition}, o)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Coordinator) offset(now time.Time, at int64, epoch int32, metadata *string) (offset, *kerr.Error) {
	o := offset{at: at, epoch: epoch, committed: now.UnixMilli(), expires: -1}
	if metadata != nil {
		o.metadata = *metadata
	}
	if len(o.metadata) > c.cfg.MaxMetadataBytes {
		return o, kerr.OffsetMetadataTooLarge
	}
	return o, nil
}

func (c *Coordinator) commit(g *group, p partition, o offset) {
	g.offsets[p] = o
	c.write(offsetKey(g.id, p), encodeOffset(o))
}

// committer finds the group that a commit is for and checks the right to it: of
// a member in its generation, or of somebody outside (an operator, a consumer
// that assigns partitions itself) while the group has no members. A commit
// from outside makes the group if there is none.
func (c *Coordinator) committer(now time.Time, id, member string, instance *string, generation int32, how commitKind, version int16) (*group, *kerr.Error) {
	g := c.groups[id]
	if g == nil {
		switch {
		case generation >= 0 && how == commitPlain && version >= 9:
			return nil, kerr.GroupIDNotFound
		case generation >= 0:
			return nil, kerr.IllegalGeneration
		case len(c.groups) >= c.cfg.MaxGroups:
			return nil, kerr.PolicyViolation
		}
		return c.newGroup(id), nil
	}
	if g.consumer != nil {
		return g, g.consumer.mayCommit(member, instance, generation, how, version)
	}
	if g.classic == nil {
		if generation >= 0 {
			return nil, kerr.UnknownMemberID
		}
		return g, nil
	}
	return g, g.classic.mayCommit(c, now, member, instance, generation, how)
}

// commitKind tells a plain commit from one within a transaction.
type commitKind int

const (
	commitPlain commitKind = iota
	commitInTransaction
)

func (k *classic) mayCommit(c *Coordinator, now time.Time, member string, instance *string, generation int32, how commitKind) *kerr.Error {
	switch {
	case generation < 0 && k.state == empty:
		return nil
	case generation >= 0 || member != "" || instance != nil:
		if err := k.check(member, instance); err != nil {
			return err
		}
		if generation != k.generation {
			return kerr.IllegalGeneration
		}
	case how == commitPlain && k.state != empty:
		return kerr.UnknownMemberID
	}
	if how == commitPlain && k.state == completing {
		// It has seen this generation but has no assignment in it.
		return kerr.RebalanceInProgress
	}
	if m := k.byID[member]; m != nil && how == commitPlain {
		k.touch(now, m)
		c.schedule(k.g)
	}
	return nil
}

// offsetFetch is key 9: one group before version 8, many since.
func (c *Coordinator) offsetFetch(req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	if req.Version >= 8 {
		for _, rg := range req.Groups {
			resp.Groups = append(resp.Groups, c.fetchGroup(rg, req.RequireStable))
		}
		return resp
	}
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group = req.Group
	if req.Topics != nil || req.Version < 2 {
		rg.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range req.Topics {
		rg.Topics = append(rg.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	og := c.fetchGroup(rg, req.RequireStable)
	resp.ErrorCode = og.ErrorCode
	for _, t := range og.Topics {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// fetchGroup answers for the topics asked for, or for all if they are nil. A
// group or partition without a commit is no error: its offset is -1.
func (c *Coordinator) fetchGroup(req kmsg.OffsetFetchRequestGroup, stable bool) kmsg.OffsetFetchResponseGroup {
	resp := kmsg.NewOffsetFetchResponseGroup()
	resp.Group = req.Group
	g := c.groups[req.Group]
	if g == nil {
		g = &group{}
	}
	if g.consumer != nil {
		if err := g.consumer.mayFetch(req); err != nil {
			resp.ErrorCode = err.Code
			return resp
		}
	}
	topics := req.Topics
	if topics == nil {
		topics = g.committedTopics()
	}
	for _, t := range topics {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, i := range t.Partitions {
			p := partition{t.Topic, i}
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition = i
			rp.Offset, rp.LeaderEpoch, rp.Metadata = -1, -1, kmsg.StringPtr("")
			if o, ok := g.offsets[p]; stable && g.inTransaction(p) {
				rp.ErrorCode = kerr.UnstableOffsetCommit.Code
			} else if ok {
				rp.Offset, rp.LeaderEpoch, rp.Metadata = o.at, o.epoch, kmsg.StringPtr(o.metadata)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// committedTopics lists every partition with a commit, sorted.
func (g *group) committedTopics() []kmsg.OffsetFetchRequestGroupTopic {
	var topics []kmsg.OffsetFetchRequestGroupTopic
	for _, p := range sortedPartitions(g.offsets) {
		if n := len(topics); n == 0 || topics[n-1].Topic != p.topic {
			topics = append(topics, kmsg.OffsetFetchRequestGroupTopic{Topic: p.topic, TopicID: g.offsets[p].topicID})
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, p.index)
	}
	return topics
}

// offsetDelete is key 47: an operator drops commits of topics that no member
// of the group reads.
func (c *Coordinator) offsetDelete(req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	g := c.groups[req.Group]
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	case g == nil:
		resp.ErrorCode = kerr.GroupIDNotFound.Code
		return resp
	case !g.empty() && g.classic != nil && g.classic.protocolType != consumerProtocol:
		// What its members read is not ours to know.
		resp.ErrorCode = kerr.NonEmptyGroup.Code
		return resp
	}
	subscribed := g.subscribed()
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			if subscribed(t.Topic) {
				rp.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else {
				c.deleteOffset(g, partition{t.Topic, p.Partition})
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// TopicDeleted drops everything committed for a topic, as a new topic of the
// same name must not start at the offsets of the old one. done is called
// when that is durable.
func (c *Coordinator) TopicDeleted(topic string, done func()) {
	for _, g := range c.sorted() {
		for _, p := range sortedPartitions(g.offsets) {
			if p.topic == topic {
				c.deleteOffset(g, p)
			}
		}
		for _, id := range g.producers() {
			for _, p := range sortedPartitions(g.staged[id]) {
				if p.topic == topic {
					c.unstage(g, id, p)
				}
			}
		}
	}
	c.out.Replies = append(c.out.Replies, done)
}

func (c *Coordinator) deleteOffset(g *group, p partition) {
	if _, ok := g.offsets[p]; ok {
		delete(g.offsets, p)
		c.write(offsetKey(g.id, p), nil)
	}
}
