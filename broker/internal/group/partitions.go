package group

import (
	"bytes"
	"iter"
	"maps"
	"slices"
)

// Topic is what the catalogue says of a topic.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions int32
}

// SetTopics tells what topics there are, in place of what was told before.
// Consumer groups take notice at the next heartbeat of a member. The slice is
// copied.
func (c *Coordinator) SetTopics(topics []Topic) {
	c.topics = make(map[string]Topic, len(topics))
	c.topicNames = make(map[topicID]string, len(topics))
	for _, t := range topics {
		c.topics[t.Name] = t
		c.topicNames[t.ID] = t.Name
	}
	for _, g := range c.groups {
		if g.consumer != nil {
			g.consumer.stale = true
		}
	}
}

type topicID [16]byte

func (id topicID) compare(o topicID) int { return bytes.Compare(id[:], o[:]) }

// assignment is a set of partitions: ascending, without empty topics.
type assignment map[topicID][]int32

func (a assignment) all() iter.Seq2[topicID, int32] {
	return func(yield func(topicID, int32) bool) {
		for _, id := range a.topics() {
			for _, i := range a[id] {
				if !yield(id, i) {
					return
				}
			}
		}
	}
}

func (a assignment) topics() []topicID {
	return slices.SortedFunc(maps.Keys(a), topicID.compare)
}

func (a assignment) has(id topicID, i int32) bool {
	_, ok := slices.BinarySearch(a[id], i)
	return ok
}

func (a assignment) size() int {
	n := 0
	for _, p := range a {
		n += len(p)
	}
	return n
}

// add needs that the partition is not there.
func (a assignment) add(id topicID, i int32) {
	at, _ := slices.BinarySearch(a[id], i)
	a[id] = slices.Insert(a[id], at, i)
}

func (a assignment) remove(id topicID, i int32) {
	at, ok := slices.BinarySearch(a[id], i)
	if !ok {
		return
	}
	if a[id] = slices.Delete(a[id], at, at+1); len(a[id]) == 0 {
		delete(a, id)
	}
}

// where keeps the partitions for which ok holds.
func (a assignment) where(ok func(topicID, int32) bool) assignment {
	out := make(assignment)
	for id, i := range a.all() {
		if ok(id, i) {
			out[id] = append(out[id], i)
		}
	}
	return out
}

func (a assignment) and(b assignment) assignment { return a.where(b.has) }

func (a assignment) minus(b assignment) assignment {
	return a.where(func(id topicID, i int32) bool { return !b.has(id, i) })
}

func (a assignment) plus(b assignment) assignment {
	out := a.clone()
	for id, i := range b.minus(a).all() {
		out.add(id, i)
	}
	return out
}

func (a assignment) clone() assignment {
	out := make(assignment, len(a))
	for id, p := range a {
		out[id] = slices.Clone(p)
	}
	return out
}

func (a assignment) equal(b assignment) bool {
	return maps.EqualFunc(a, b, slices.Equal[[]int32])
}

// within reports whether all of a is in b.
func (a assignment) within(b assignment) bool { return len(a.minus(b)) == 0 }
