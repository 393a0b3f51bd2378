package group

import (
	"cmp"
	"slices"
)

// subscriber is a member as an assignor sees it.
type subscriber struct {
	id       string
	instance *string
	topics   []topicID
	current  assignment // what it was to have before
}

// assignor is a server-side assignor: a pure function of the subscriptions,
// the partition count of every topic in them, and what was before. Members
// come sorted by id. It gives every partition of a subscribed topic to exactly
// one of the topic's subscribers.
type assignor func(members []subscriber, partitions map[topicID]int32) []assignment

// assignors are those a member can ask for; the first is the default.
var assignors = []struct {
	name   string
	assign assignor
}{
	{"uniform", assignUniform},
	{"range", assignRange},
}

func findAssignor(name string) assignor {
	for _, a := range assignors {
		if a.name == name {
			return a.assign
		}
	}
	return nil
}

// assignRange gives each subscriber of a topic a run of its partitions, the
// first ones a longer run. Topics with equal counts and subscribers are cut in
// the same way, so that they can be joined.
func assignRange(members []subscriber, partitions map[topicID]int32) []assignment {
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	// Static members keep their place when they come back under a new id.
	name := func(i int) string {
		if p := members[i].instance; p != nil {
			return *p
		}
		return members[i].id
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(name(a), name(b)) })

	subscribers := make(map[topicID][]int)
	for _, i := range order {
		for _, t := range members[i].topics {
			subscribers[t] = append(subscribers[t], i)
		}
	}
	out := newAssignments(len(members))
	for t, who := range subscribers {
		next := int32(0)
		each, more := partitions[t]/int32(len(who)), partitions[t]%int32(len(who))
		for n, i := range who {
			run := each
			if int32(n) < more {
				run++
			}
			for range run {
				out[i][t] = append(out[i][t], next)
				next++
			}
		}
	}
	return out
}

// assignUniform evens out the number of partitions, and moves as few as that
// takes: members keep what they had, what is free goes to whoever has least,
// and what is left of imbalance is moved one partition at a time.
//
// With equal subscriptions the result differs by at most one between members.
// With unequal ones no single move would make it more even.
func assignUniform(members []subscriber, partitions map[topicID]int32) []assignment {
	out := newAssignments(len(members))
	load := make([]int, len(members))
	subscribers := make(map[topicID][]int)
	var topics []topicID
	for i, m := range members {
		for _, t := range m.topics {
			if subscribers[t] == nil {
				topics = append(topics, t)
			}
			subscribers[t] = append(subscribers[t], i)
		}
	}
	slices.SortFunc(topics, topicID.compare)

	taken := make(assignment)
	give := func(i int, t topicID, p int32) {
		out[i][t] = append(out[i][t], p)
		load[i]++
	}
	for i, m := range members {
		for _, t := range m.topics {
			for _, p := range m.current[t] {
				if p < partitions[t] && !taken.has(t, p) {
					taken.add(t, p)
					give(i, t, p)
				}
			}
		}
	}
	least := func(t topicID) int {
		return slices.MinFunc(subscribers[t], func(a, b int) int { return cmp.Compare(load[a], load[b]) })
	}
	for _, t := range topics {
		for p := range partitions[t] {
			if !taken.has(t, p) {
				give(least(t), t, p)
			}
		}
	}
	for i := range out {
		for _, p := range out[i] {
			slices.Sort(p)
		}
	}
	// Each move lowers the sum of the squared loads, so this ends.
	for moved := true; moved; {
		moved = false
		for i := range out {
			for _, t := range out[i].topics() {
				for n := len(out[i][t]); n > 0; n-- {
					to := least(t)
					if load[i]-load[to] < 2 {
						break
					}
					p := out[i][t][n-1]
					out[i].remove(t, p)
					out[to].add(t, p)
					load[i]--
					load[to]++
					moved = true
				}
			}
		}
	}
	return out
}

func newAssignments(n int) []assignment {
	out := make([]assignment, n)
	for i := range out {
		out[i] = make(assignment)
	}
	return out
}
