package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// writeTxnMarkers ends transactions in partitions without asking their coordinator. It is how an operator aborts a
// transaction that hangs.
func writeTxnMarkers(n *Node, r *wire.Request, req *kmsg.WriteTxnMarkersRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrWriteTxnMarkersResponse()
	allowed := n.can(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource) ||
		n.may(r, kmsg.ACLOperationClusterAction, kmsg.ACLResourceTypeCluster, clusterResource)
	for _, m := range req.Markers {
		sm := kmsg.WriteTxnMarkersResponseMarker{ProducerID: m.ProducerID}
		for _, rt := range m.Topics {
			st := kmsg.WriteTxnMarkersResponseMarkerTopic{Topic: rt.Topic}
			t, code := n.topic(rt.Topic, noID)
			if !allowed {
				code = kerr.ClusterAuthorizationFailed.Code
			}
			for _, i := range rt.Partitions {
				sp := kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: i, ErrorCode: code}
				if code == 0 {
					p, code := n.partition(t, i)
					if code == 0 {
						_, err := p.AppendMarker(m.ProducerID, m.ProducerEpoch, m.CoordinatorEpoch, m.Committed)
						if code = n.logCode(err); code == 0 {
							n.changed(r, "WriteTxnMarkers", topicResource(rt.Topic), fmt.Sprintf("partition %d, producer %d epoch %d, commit %t", i, m.ProducerID, m.ProducerEpoch, m.Committed))
						}
					}
					sp.ErrorCode = code
				}
				st.Partitions = append(st.Partitions, sp)
			}
			sm.Topics = append(sm.Topics, st)
		}
		resp.Markers = append(resp.Markers, sm)
	}
	return resp, nil
}
