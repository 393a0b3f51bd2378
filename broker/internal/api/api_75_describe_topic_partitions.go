package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// maxDescribedPartitions is how many partitions one answer tells of at most; the cursor says where the next goes on.
const maxDescribedPartitions = 2000

// describeTopicPartitions tells of topics in the order of their names, a page at a time (KIP-966).
func describeTopicPartitions(n *Node, r *wire.Request, req *kmsg.DescribeTopicPartitionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	snap := n.topics.Snapshot()
	var names []string
	for _, rt := range req.Topics {
		names = append(names, rt.Topic)
	}
	all := len(names) == 0
	if all {
		for _, t := range snap.All() {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	first := int32(0)
	if c := req.Cursor; c != nil {
		at, _ := slices.BinarySearch(names, c.Topic)
		if c.Partition < 0 || !all && (at == len(names) || names[at] != c.Topic) {
			for _, name := range names {
				resp.Topics = append(resp.Topics, absentTopicPartitions(name, kerr.InvalidRequest.Code))
			}
			return resp, nil
		}
		names = names[at:]
		if len(names) > 0 && names[0] == c.Topic { // it may be gone by now
			first = c.Partition
		}
	}
	left := min(max(1, req.ResponsePartitionLimit), maxDescribedPartitions)
	for _, name := range names {
		t := snap.ByName(name)
		if !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, name) {
			if !all {
				resp.Topics = append(resp.Topics, absentTopicPartitions(name, kerr.TopicAuthorizationFailed.Code))
			}
			first = 0
			continue
		}
		if t == nil {
			code := kerr.UnknownTopicOrPartition.Code
			if topics.CheckName(name) != nil {
				code = kerr.InvalidTopicException.Code
			}
			st := absentTopicPartitions(name, code)
			st.AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeTopic, name)
			resp.Topics = append(resp.Topics, st)
			first = 0
			continue
		}
		if left == 0 {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: first}
			break
		}
		st := kmsg.NewDescribeTopicPartitionsResponseTopic()
		st.Topic, st.TopicID, st.IsInternal = &t.Name, t.ID, t.Internal()
		st.AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeTopic, t.Name)
		end := min(t.Partitions, first+left)
		for i := first; i < end; i++ {
			st.Partitions = append(st.Partitions, n.describedPartition(t, i))
		}
		left -= max(0, end-first)
		resp.Topics = append(resp.Topics, st)
		if end < t.Partitions {
			resp.NextCursor = &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: name, Partition: end}
			break
		}
		first = 0
	}
	return resp, nil
}

func absentTopicPartitions(name string, code int16) kmsg.DescribeTopicPartitionsResponseTopic {
	st := kmsg.NewDescribeTopicPartitionsResponseTopic()
	st.Topic, st.ErrorCode = &name, code
	return st
}

func (n *Node) describedPartition(t *topics.Topic, i int32) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	sp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	replicas := []int32{NodeID}
	sp.Partition, sp.LeaderID, sp.Replicas, sp.ISR = i, NodeID, replicas, replicas
	sp.EligibleLeaderReplicas, sp.LastKnownELR, sp.OfflineReplicas = []int32{}, []int32{}, []int32{}
	if p, code := n.partition(t, i); code == 0 {
		sp.LeaderEpoch = p.LeaderEpoch()
	}
	return sp
}
