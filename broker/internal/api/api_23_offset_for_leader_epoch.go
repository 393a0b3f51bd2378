package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func offsetForLeaderEpoch(n *Node, r *wire.Request, req *kmsg.OffsetForLeaderEpochRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for _, rt := range req.Topics {
		st := kmsg.OffsetForLeaderEpochResponseTopic{Topic: rt.Topic}
		t, code := n.topic(rt.Topic, noID)
		if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, rt.Topic) {
			code = kerr.TopicAuthorizationFailed.Code
		}
		for _, rp := range rt.Partitions {
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.LeaderEpoch, sp.EndOffset = rp.Partition, code, -1, -1
			if code == 0 {
				p, code := n.partition(t, rp.Partition)
				if code == 0 {
					code = checkEpoch(p, rp.CurrentLeaderEpoch)
				}
				if code == 0 {
					if epoch, end, ok := p.EndOffsetForEpoch(rp.LeaderEpoch); ok {
						sp.LeaderEpoch, sp.EndOffset = epoch, end
					}
				}
				sp.ErrorCode = code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}
