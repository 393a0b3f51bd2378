package assignor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// joins is what a member says when it joins.
type joins struct {
	id, hash   string
	generation int32
	owned      []int32 // partitions of "in"
}

// balance is one round led by a member of that hash: what each is assigned, as the members read it.
func balance(t *testing.T, leader string, members ...joins) (map[string][]int32, map[string]*Balancer) {
	t.Helper()
	groups := func(map[string]int32) Groups { return Groups{0: {"in"}} }
	var ms []kmsg.JoinGroupResponseMember
	readers := map[string]*Balancer{}
	for _, m := range members {
		b := &Balancer{Hash: m.hash, Groups: groups}
		readers[m.id] = b
		owned := map[string][]int32{}
		if len(m.owned) > 0 {
			owned["in"] = m.owned
		}
		ms = append(ms, kmsg.JoinGroupResponseMember{MemberID: m.id, ProtocolMetadata: b.JoinGroupMetadata([]string{"in"}, owned, m.generation)})
	}
	b := &Balancer{Hash: leader, Groups: groups}
	cb, err := kgo.NewConsumerBalancer(b, ms)
	require.NoError(t, err)
	out := map[string][]int32{}
	for _, a := range b.Balance(cb, map[string]int32{"in": 4}).IntoSyncAssignment() {
		got, err := readers[a.MemberID].ParseSyncAssignment(a.MemberAssignment)
		require.NoError(t, err)
		out[a.MemberID] = got["in"]
	}
	return out, readers
}

func TestANewcomerGetsItsShareOnceTheOthersHaveLetGo(t *testing.T) {
	t.Parallel()
	got, readers := balance(t, "v1", joins{"a", "v1", 3, []int32{0, 1, 2, 3}}, joins{"b", "v1", -1, nil})
	require.Equal(t, map[string][]int32{"a": {0, 1}, "b": nil}, got)
	for _, m := range []string{"a", "b"} {
		_, moving := readers[m].Moving()
		require.True(t, moving, "two partitions have no owner until a joins again")
	}
	got, readers = balance(t, "v1", joins{"a", "v1", 4, got["a"]}, joins{"b", "v1", 4, nil})
	require.Equal(t, map[string][]int32{"a": {0, 1}, "b": {2, 3}}, got)
	_, moving := readers["b"].Moving()
	require.False(t, moving)
}

func TestAnotherTopologyDoesNotDisturbTheOneThatRuns(t *testing.T) {
	t.Parallel()
	for _, leader := range []string{"v1", "v2"} {
		got, readers := balance(t, leader, joins{"a", "v1", 3, []int32{0, 1}}, joins{"b", "v1", 3, []int32{2, 3}},
			joins{"c", "v2", -1, nil}, joins{"d", "v2", -1, nil}, joins{"e", "v2", -1, nil})
		require.Equal(t, map[string][]int32{"a": {0, 1}, "b": {2, 3}, "c": nil, "d": nil, "e": nil}, got, leader)
		for m, b := range readers {
			hash, stale := b.Stale()
			require.Equal(t, m > "b", stale, m)
			if stale {
				require.Equal(t, "v1", hash)
			}
			_, again := b.Stale()
			require.False(t, again, "it tells once")
		}
	}
	got, _ := balance(t, "v2", joins{"c", "v2", -1, nil})
	require.Equal(t, map[string][]int32{"c": {0, 1, 2, 3}}, got)
}
