package group

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testTopic(n int) topicID { return topicID{0: byte(n)} }

// drawSubscribers makes members with random subscriptions to up to four topics.
func drawSubscribers(t *rapid.T, same bool) ([]subscriber, map[topicID]int32) {
	partitions := make(map[topicID]int32)
	all := []topicID{testTopic(1), testTopic(2), testTopic(3), testTopic(4)}
	for _, id := range all {
		partitions[id] = rapid.Int32Range(0, 12).Draw(t, "partitions")
	}
	members := make([]subscriber, rapid.IntRange(1, 7).Draw(t, "members"))
	for i := range members {
		members[i] = subscriber{id: fmt.Sprintf("m%d", i), topics: all}
		if !same {
			members[i].topics = rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 4, rapid.ID).Draw(t, "topics")
			slices.SortFunc(members[i].topics, topicID.compare)
		}
	}
	return members, partitions
}

func checkComplete(t *rapid.T, members []subscriber, partitions map[topicID]int32, got []assignment) {
	owner := make(map[topicPartition]int)
	for i, a := range got {
		for id, ps := range a {
			require.NotEmpty(t, ps)
			require.True(t, slices.IsSorted(ps))
			require.Contains(t, members[i].topics, id, "given a topic that it does not read")
			for _, p := range ps {
				require.Less(t, p, partitions[id])
				_, twice := owner[topicPartition{id, p}]
				require.False(t, twice, "given twice")
				owner[topicPartition{id, p}] = i
			}
		}
	}
	want := 0
	for id, n := range partitions {
		if slices.ContainsFunc(members, func(m subscriber) bool { return slices.Contains(m.topics, id) }) {
			want += int(n)
		}
	}
	require.Len(t, owner, want, "a partition is left without a reader")
}

func TestUniformIsCompleteBalancedAndSticky(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		same := rapid.Bool().Draw(t, "same subscriptions")
		members, partitions := drawSubscribers(t, same)
		first := assignUniform(members, partitions)
		checkComplete(t, members, partitions, first)
		for i := range members {
			for j := range members {
				if same {
					require.LessOrEqual(t, first[i].size()-first[j].size(), 1, "not even")
				}
				for id := range first[i] {
					if slices.Contains(members[j].topics, id) {
						require.LessOrEqual(t, first[i].size()-first[j].size(), 1, "a move would make it more even")
					}
				}
			}
		}

		for i := range members {
			members[i].current = first[i]
		}
		again := assignUniform(members, partitions)
		require.Equal(t, first, again, "nothing changed, yet partitions move")

		if gone := len(members) - 1; same && gone > 0 {
			fewer := assignUniform(members[:gone], partitions)
			checkComplete(t, members[:gone], partitions, fewer)
			for i := range fewer {
				require.True(t, first[i].within(fewer[i]), "a partition moves that nobody gave up")
			}
		}
	})
}

func TestRangeGivesRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		members, partitions := drawSubscribers(t, rapid.Bool().Draw(t, "same subscriptions"))
		got := assignRange(members, partitions)
		checkComplete(t, members, partitions, got)
		for _, a := range got {
			for _, ps := range a {
				require.Equal(t, int(ps[len(ps)-1]-ps[0])+1, len(ps), "not a run")
			}
		}
	})
}

func TestRangeCutsEqualTopicsAlike(t *testing.T) {
	one, two := testTopic(1), testTopic(2)
	topics := []topicID{one, two}
	a, b := "a", "b"
	members := []subscriber{{id: "1", topics: topics, instance: &b}, {id: "2", topics: topics, instance: &a}}
	got := assignRange(members, map[topicID]int32{one: 5, two: 5})
	require.Equal(t, []assignment{
		{one: {3, 4}, two: {3, 4}},
		{one: {0, 1, 2}, two: {0, 1, 2}},
	}, got, "static members are taken by instance id")
}

func TestUniformOfManyPartitions(t *testing.T) {
	// The bounds of a broker: all partitions with one member, 999 newcomers.
	members := make([]subscriber, 1000)
	id := testTopic(1)
	for i := range members {
		members[i] = subscriber{id: fmt.Sprintf("m%04d", i), topics: []topicID{id}}
	}
	members[0].current = assignment{}
	for p := range int32(10_000) {
		members[0].current[id] = append(members[0].current[id], p)
	}
	for _, a := range assignUniform(members, map[topicID]int32{id: 10_000}) {
		require.Equal(t, 10, a.size())
	}
}
