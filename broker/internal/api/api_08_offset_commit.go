package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func offsetCommit(n *Node, r *wire.Request, req *kmsg.OffsetCommitRequest) (kmsg.Response, error) {
	allowed := n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group)
	check := n.offsetTopics(r)
	var bad []kmsg.OffsetCommitResponseTopic
	good := make([]kmsg.OffsetCommitRequestTopic, 0, len(req.Topics))
	for _, t := range req.Topics {
		name, code := check(t.Topic, t.TopicID)
		if !allowed {
			code = kerr.GroupAuthorizationFailed.Code
		}
		if code == 0 {
			t.Topic = name
			good = append(good, t)
			continue
		}
		st := kmsg.OffsetCommitResponseTopic{Topic: t.Topic, TopicID: t.TopicID}
		for _, p := range t.Partitions {
			st.Partitions = append(st.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: code})
		}
		bad = append(bad, st)
	}
	if len(good) == 0 && len(bad) > 0 {
		resp := kmsg.NewPtrOffsetCommitResponse()
		resp.Topics = bad
		return resp, nil
	}
	req.Topics = good
	return n.forward(r, func(resp kmsg.Response) {
		r := resp.(*kmsg.OffsetCommitResponse)
		r.Topics = append(r.Topics, bad...)
	})
}

// offsetTopics returns a function that says under which name the offsets of a topic are kept, or why the client cannot
// commit them.
func (n *Node) offsetTopics(r *wire.Request) func(name string, id [16]byte) (string, int16) {
	return func(name string, id [16]byte) (string, int16) {
		t, code := n.topic(name, id)
		if t != nil {
			name = t.Name
		}
		switch {
		case name != "" && !n.may(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeTopic, name):
			return "", kerr.TopicAuthorizationFailed.Code
		case t == nil:
			return "", code
		}
		return name, 0
	}
}
