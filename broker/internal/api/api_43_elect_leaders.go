package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// electLeaders elects nobody: the one broker leads every partition, so no election is ever needed (KIP-460).
func electLeaders(n *Node, r *wire.Request, req *kmsg.ElectLeadersRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrElectLeadersResponse()
	allowed := n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource)
	const preferred, unclean = 0, 1
	known := req.ElectionType == preferred || req.ElectionType == unclean
	switch {
	case !allowed:
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	case !known:
		resp.ErrorCode = kerr.InvalidRequest.Code
	}
	if req.Topics == nil { // all of them: those that need no election are not told
		if resp.ErrorCode == 0 {
			for _, t := range n.topics.Snapshot().All() {
				resp.Topics = append(resp.Topics, kmsg.ElectLeadersResponseTopic{Topic: t.Name})
			}
		}
		return resp, nil
	}
	for _, rt := range req.Topics {
		st := kmsg.ElectLeadersResponseTopic{Topic: rt.Topic}
		t, code := n.topic(rt.Topic, noID)
		for _, p := range rt.Partitions {
			sp := kmsg.ElectLeadersResponseTopicPartition{Partition: p}
			switch {
			case !allowed:
				sp.ErrorCode, sp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, text(kerr.ClusterAuthorizationFailed)
			case !known:
				sp.ErrorCode, sp.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(fmt.Sprintf("Unknown election type %d", req.ElectionType))
			case code != 0:
				sp.ErrorCode, sp.ErrorMessage = code, kmsg.StringPtr("No such topic as "+rt.Topic)
			case p < 0 || p >= t.Partitions:
				sp.ErrorCode, sp.ErrorMessage = kerr.UnknownTopicOrPartition.Code, kmsg.StringPtr(fmt.Sprintf("No such partition as %s-%d", rt.Topic, p))
			default:
				sp.ErrorCode, sp.ErrorMessage = kerr.ElectionNotNeeded.Code, kmsg.StringPtr("Leader election not needed for topic partition.")
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}
