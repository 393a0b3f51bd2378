package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func createTopics(n *Node, r *wire.Request, req *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrCreateTopicsResponse()
	times := map[string]int{}
	for _, rt := range req.Topics {
		times[rt.Topic]++
	}
	for _, rt := range req.Topics {
		st := kmsg.NewCreateTopicsResponseTopic()
		st.Topic, st.NumPartitions, st.ReplicationFactor = rt.Topic, -1, -1
		switch {
		case times[rt.Topic] > 1:
			if times[rt.Topic] > len(req.Topics) {
				continue // answered already
			}
			times[rt.Topic] += len(req.Topics)
			st.ErrorCode, st.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr("the request names this topic more than once")
		case !n.can(r, kmsg.ACLOperationCreate, kmsg.ACLResourceTypeCluster, clusterResource) &&
			!n.may(r, kmsg.ACLOperationCreate, kmsg.ACLResourceTypeTopic, rt.Topic):
			st.ErrorCode = kerr.TopicAuthorizationFailed.Code
		default:
			n.createTopic(r, rt, req.ValidateOnly, &st)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

func (n *Node) createTopic(r *wire.Request, rt kmsg.CreateTopicsRequestTopic, dryRun bool, st *kmsg.CreateTopicsResponseTopic) {
	count, code, err := n.partitionCount(rt)
	if code != 0 {
		st.ErrorCode, st.ErrorMessage = code, text(err)
		return
	}
	spec := topics.Spec{Name: rt.Topic, Partitions: count, Configs: map[string]string{}}
	for _, c := range rt.Configs {
		if c.Value == nil {
			st.ErrorCode, st.ErrorMessage = kerr.InvalidConfig.Code, kmsg.StringPtr(fmt.Sprintf("configuration %s has no value", c.Name))
			return
		}
		spec.Configs[c.Name] = *c.Value
	}
	t, err := n.topics.Create(spec, dryRun)
	if err != nil {
		st.ErrorCode, st.ErrorMessage = n.topicCode(err), text(err)
		return
	}
	if !dryRun {
		st.TopicID = t.ID
		n.changed(r, "CreateTopics", topicResource(t.Name), fmt.Sprintf("%d partitions, %v", t.Partitions, spec.Configs))
	}
	if !n.can(r, kmsg.ACLOperationDescribeConfigs, kmsg.ACLResourceTypeTopic, t.Name) {
		st.ConfigErrorCode = kerr.TopicAuthorizationFailed.Code
		return
	}
	st.NumPartitions, st.ReplicationFactor = t.Partitions, 1
	for _, v := range n.topics.Describe(t) {
		st.Configs = append(st.Configs, kmsg.CreateTopicsResponseTopicConfig{Name: v.Name, Value: &v.Value, Source: int8(v.Source)})
	}
}

// partitionCount returns how many partitions are asked for. A replication factor above the number of brokers, which is
// one, is accepted: programs that are written for a cluster run here unchanged.
func (n *Node) partitionCount(rt kmsg.CreateTopicsRequestTopic) (int32, int16, error) {
	if len(rt.ReplicaAssignment) == 0 {
		switch {
		case rt.ReplicationFactor == 0 || rt.ReplicationFactor < -1:
			return 0, kerr.InvalidReplicationFactor.Code, fmt.Errorf("replication factor %d, want at least 1, or -1 for the default", rt.ReplicationFactor)
		case rt.NumPartitions == -1:
			return n.cfg.NumPartitions, 0, nil
		}
		return rt.NumPartitions, 0, nil
	}
	if rt.NumPartitions != -1 || rt.ReplicationFactor != -1 {
		return 0, kerr.InvalidRequest.Code, fmt.Errorf("both a replica assignment and a number of partitions or replicas")
	}
	seen := make([]bool, len(rt.ReplicaAssignment))
	for _, a := range rt.ReplicaAssignment {
		if a.Partition < 0 || int(a.Partition) >= len(seen) || seen[a.Partition] || len(a.Replicas) == 0 {
			return 0, kerr.InvalidReplicaAssignment.Code, fmt.Errorf("the replica assignment must name partitions 0 to %d once each, with a replica", len(seen)-1)
		}
		seen[a.Partition] = true
	}
	return int32(len(seen)), 0, nil
}
