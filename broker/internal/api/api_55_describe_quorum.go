package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// metadataTopic is the topic that a quorum of several nodes would keep the metadata in. Here it is a database: the topic
// cannot be read, and all of it is always where its only voter is.
const metadataTopic = "__cluster_metadata"

func describeQuorum(n *Node, r *wire.Request, req *kmsg.DescribeQuorumRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeQuorumResponse()
	if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	for _, rt := range req.Topics {
		st := kmsg.NewDescribeQuorumResponseTopic()
		st.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			sp := kmsg.NewDescribeQuorumResponseTopicPartition()
			sp.Partition = rp.Partition
			if rt.Topic == metadataTopic && rp.Partition == 0 {
				now := n.cfg.Now().UnixMilli()
				voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
				voter.ReplicaID, voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp = NodeID, now, now
				sp.LeaderID = NodeID
				sp.CurrentVoters = append(sp.CurrentVoters, voter)
			} else {
				sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	node := kmsg.NewDescribeQuorumResponseNode()
	l := r.Conn.Listener
	node.NodeID = NodeID
	node.Listeners = append(node.Listeners, kmsg.DescribeQuorumResponseNodeListener{Name: l.Name, Host: l.Host, Port: uint16(l.Port)})
	resp.Nodes = append(resp.Nodes, node)
	return resp, nil
}
