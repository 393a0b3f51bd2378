package assignor

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/topology"
)

func task(s, p int) topology.TaskID {
	return topology.TaskID{Subtopology: topology.SubtopologyID(s), Partition: int32(p)}
}

func TestEveryTaskHasOneOwnerAndLoadsDifferByAtMostOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks, members, prior := draw(t)
		got := Assign(tasks, members, prior)
		require.Len(t, got, len(tasks))
		load := map[string]int{}
		for _, m := range members {
			load[m] = 0
		}
		for _, m := range got {
			require.Contains(t, load, m)
			load[m]++
		}
		low, high := len(tasks), 0
		for _, n := range load {
			low, high = min(low, n), max(high, n)
		}
		require.LessOrEqual(t, high-low, 1)
	})
}

func TestTheOrderOfArgumentsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks, members, prior := draw(t)
		want := Assign(tasks, members, prior)
		slices.Reverse(tasks)
		slices.Reverse(members)
		require.Equal(t, want, Assign(tasks, members, prior))
	})
}

func TestASecondRoundMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks, members, prior := draw(t)
		first := Assign(tasks, members, prior)
		require.Equal(t, first, Assign(tasks, members, first))
	})
}

func TestOnlyWhatEvennessAsksForMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks, members, prior := draw(t)
		got := Assign(tasks, members, prior)
		kept, had := 0, map[string]int{}
		for _, x := range tasks {
			if slices.Contains(members, prior[x]) {
				had[prior[x]]++
				if got[x] == prior[x] {
					kept++
				}
			}
		}
		// The most that can stay: everybody keeps up to the floor, and as many as there are extras keep one more.
		floor, extra := len(tasks)/len(members), len(tasks)%len(members)
		most := 0
		for _, n := range had {
			most += min(n, floor)
			if n > floor && extra > 0 {
				most++
				extra--
			}
		}
		require.Equal(t, most, kept)
	})
}

func draw(t *rapid.T) (tasks []topology.TaskID, members []string, prior map[topology.TaskID]string) {
	for s := range rapid.IntRange(1, 4).Draw(t, "subtopologies") {
		for p := range rapid.IntRange(1, 9).Draw(t, "partitions") {
			tasks = append(tasks, task(s, p))
		}
	}
	for m := range rapid.IntRange(1, 5).Draw(t, "members") {
		members = append(members, fmt.Sprint("m", m))
	}
	prior = map[topology.TaskID]string{}
	for _, x := range tasks {
		if m := rapid.IntRange(-1, 7).Draw(t, "prior"); m >= 0 {
			prior[x] = fmt.Sprint("m", m)
		}
	}
	return tasks, members, prior
}
