package group

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// group is one group id: its committed offsets and, if it has or had members,
// the protocol that they speak.
type group struct {
	id      string
	offsets map[partition]offset
	staged  map[int64]map[partition]offset // by producer id: in an open transaction

	// At most one of them is set; none is a group of offsets only, "simple"
	// in Kafka's words. A group without members changes from one to the other
	// with the next join.
	classic  *classic
	consumer *consumer

	due  time.Time // when tick is to be called; zero when never
	slot int       // index in the coordinator's timers; -1 when not there
}

// partition names one partition of a topic.
type partition struct {
	topic string
	index int32
}

func (c *Coordinator) newGroup(id string) *group {
	g := &group{id: id, offsets: make(map[partition]offset), slot: -1}
	c.groups[id] = g
	return g
}

// forget removes g from memory and, if it was written, from the pairs.
func (c *Coordinator) forget(g *group) {
	c.unschedule(g)
	delete(c.groups, g.id)
	if g.classic != nil {
		c.write(groupKey(g.id), nil)
	}
	if g.consumer != nil {
		c.write(consumerKey(g.id), nil)
	}
}

// sorted is the groups by id: what is listed or done for each has one order.
func (c *Coordinator) sorted() []*group {
	return slices.SortedFunc(maps.Values(c.groups), func(a, b *group) int { return cmp.Compare(a.id, b.id) })
}

// wake makes tick run no later than at; a zero time changes nothing.
//
// The due time is only ever moved forward here: a heartbeat that extends a
// session leaves it where it was, and tick finds out that nothing is due yet.
// So a heartbeat costs no look at the other members.
func (g *group) wake(at time.Time) {
	if !at.IsZero() && (g.due.IsZero() || at.Before(g.due)) {
		g.due = at
	}
}

func (g *group) tick(c *Coordinator, now time.Time) {
	if g.classic != nil {
		g.classic.tick(c, now)
	}
	if g.consumer != nil {
		g.consumer.tick(c, now)
	}
}

// next is the earliest time at which something in g becomes due.
func (g *group) next() time.Time {
	if g.classic != nil {
		return g.classic.next()
	}
	if g.consumer != nil {
		return g.consumer.next()
	}
	return time.Time{}
}

func (g *group) empty() bool {
	if g.consumer != nil {
		return len(g.consumer.members) == 0
	}
	return g.classic == nil || g.classic.state == empty
}

// sooner is the earlier of two times, of which a zero one stands for never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
