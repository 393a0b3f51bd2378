package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func offsetDelete(n *Node, r *wire.Request, req *kmsg.OffsetDeleteRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrOffsetDeleteResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return resp, nil
	}
	check := n.offsetTopics(r)
	var bad []kmsg.OffsetDeleteResponseTopic
	good := req.Topics[:0]
	for _, t := range req.Topics {
		_, code := check(t.Topic, noID)
		if code == 0 {
			good = append(good, t)
			continue
		}
		st := kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			st.Partitions = append(st.Partitions, kmsg.OffsetDeleteResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
		}
		bad = append(bad, st)
	}
	req.Topics = good
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.OffsetDeleteResponse)
		for _, t := range sr.Topics {
			if slices.ContainsFunc(t.Partitions, func(p kmsg.OffsetDeleteResponseTopicPartition) bool { return p.ErrorCode == 0 }) {
				n.changed(r, "OffsetDelete", "GROUP:"+req.Group, "offsets of topic "+t.Topic)
			}
		}
		sr.Topics = append(sr.Topics, bad...)
	})
}
