package api

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// alterPartitionReassignments accepts the one assignment that there is: every partition on this broker (KIP-455).
func alterPartitionReassignments(n *Node, r *wire.Request, req *kmsg.AlterPartitionAssignmentsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	if !n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
		return resp, nil
	}
	for _, rt := range req.Topics {
		st := kmsg.AlterPartitionAssignmentsResponseTopic{Topic: rt.Topic}
		for _, rp := range rt.Partitions {
			code, err := n.checkReassignment(rt.Topic, rp)
			st.Partitions = append(st.Partitions, kmsg.AlterPartitionAssignmentsResponseTopicPartition{Partition: rp.Partition, ErrorCode: code, ErrorMessage: text(err)})
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

func (n *Node) checkReassignment(topic string, rp kmsg.AlterPartitionAssignmentsRequestTopicPartition) (int16, error) {
	t, code := n.topic(topic, noID)
	if code != 0 {
		return code, fmt.Errorf("unable to find a topic named %s", topic)
	}
	if rp.Partition < 0 || rp.Partition >= t.Partitions {
		return kerr.UnknownTopicOrPartition.Code, fmt.Errorf("unable to find partition %s:%d", topic, rp.Partition)
	}
	if rp.Replicas == nil { // stop what is going on
		return kerr.NoReassignmentInProgress.Code, nil
	}
	if len(rp.Replicas) == 0 {
		return kerr.InvalidReplicaAssignment.Code, errors.New("the manual partition assignment includes an empty replica list")
	}
	for i, id := range rp.Replicas {
		switch {
		case id != NodeID:
			return kerr.InvalidReplicaAssignment.Code, fmt.Errorf("the manual partition assignment includes broker %d, but no such broker is registered", id)
		case i > 0:
			return kerr.InvalidReplicaAssignment.Code, fmt.Errorf("the manual partition assignment includes the broker %d more than once", id)
		}
	}
	return 0, nil
}
