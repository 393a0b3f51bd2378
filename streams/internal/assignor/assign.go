// Package assignor says which member of the group gets which task: a pure function, and its adapter to the group protocol.
package assignor

import (
	"slices"

	"github.com/millrace-go/millrace/topology"
)

// Assign gives every task to one member: as evenly as numbers allow, and where it was before as far as that allows (sticky). The answer depends
// on the arguments only, not on their order. prior says who had a task last; a member that is not in members counts as gone.
//
// The law: loads differ by at most one, and no other even assignment moves fewer tasks.
func Assign(tasks []topology.TaskID, members []string, prior map[topology.TaskID]string) map[topology.TaskID]string {
	out := make(map[topology.TaskID]string, len(tasks))
	if len(members) == 0 {
		return out
	}
	tasks, members = slices.Clone(tasks), slices.Clone(members)
	// By partition first, so that the tasks of one sub-topology spread over the members.
	slices.SortFunc(tasks, func(a, b topology.TaskID) int {
		if a.Partition != b.Partition {
			return int(a.Partition) - int(b.Partition)
		}
		return int(a.Subtopology) - int(b.Subtopology)
	})
	slices.Sort(members)
	load := make(map[string]int, len(members))
	for _, m := range members {
		load[m] = 0
	}
	// A member keeps up to floor tasks; extra members may keep one more, those who had most first come first.
	floor, extra := len(tasks)/len(members), len(tasks)%len(members)
	for _, t := range tasks {
		m := prior[t]
		n, here := load[m]
		if !here {
			continue
		}
		switch {
		case n < floor:
		case n == floor && extra > 0:
			extra--
		default:
			continue
		}
		out[t] = m
		load[m]++
	}
	for _, t := range tasks {
		if _, ok := out[t]; ok {
			continue
		}
		low := members[0]
		for _, m := range members[1:] {
			if load[m] < load[low] {
				low = m
			}
		}
		out[t] = low
		load[low]++
	}
	return out
}
