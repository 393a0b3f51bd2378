package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func offsetFetch(n *Node, r *wire.Request, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	if req.Version < 8 {
		return offsetFetchOne(n, r, req)
	}
	var bad []kmsg.OffsetFetchResponseGroup
	badTopics := map[string][]kmsg.OffsetFetchResponseGroupTopic{}
	groups := req.Groups[:0]
	for _, g := range req.Groups {
		if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, g.Group) {
			sg := kmsg.NewOffsetFetchResponseGroup()
			sg.Group, sg.ErrorCode = g.Group, kerr.GroupAuthorizationFailed.Code
			bad = append(bad, sg)
			continue
		}
		if g.Topics != nil {
			good := make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(g.Topics))
			for _, t := range g.Topics {
				name, code := n.offsetTopicName(r, t.Topic, t.TopicID)
				if code == 0 {
					t.Topic = name
					good = append(good, t)
					continue
				}
				badTopics[g.Group] = append(badTopics[g.Group], offsetFetchTopicError(t, code))
			}
			g.Topics = good
		}
		groups = append(groups, g)
	}
	req.Groups = groups
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.OffsetFetchResponse)
		for i := range sr.Groups {
			sg := &sr.Groups[i]
			sg.Topics = n.visible(r, req.Version, sg.Topics)
			sg.Topics = append(sg.Topics, badTopics[sg.Group]...)
		}
		sr.Groups = append(sr.Groups, bad...)
	})
}

// offsetFetchOne serves the versions that ask for one group.
func offsetFetchOne(n *Node, r *wire.Request, req *kmsg.OffsetFetchRequest) (kmsg.Response, error) {
	if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, req.Group) {
		resp := kmsg.NewPtrOffsetFetchResponse()
		resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
		for _, t := range req.Topics {
			resp.Topics = append(resp.Topics, offsetFetchOneError(t, kerr.GroupAuthorizationFailed.Code))
		}
		return resp, nil
	}
	var bad []kmsg.OffsetFetchResponseTopic
	if req.Topics != nil {
		good := make([]kmsg.OffsetFetchRequestTopic, 0, len(req.Topics))
		for _, t := range req.Topics {
			if n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t.Topic) {
				good = append(good, t)
			} else {
				bad = append(bad, offsetFetchOneError(t, kerr.TopicAuthorizationFailed.Code))
			}
		}
		req.Topics = good
	}
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.OffsetFetchResponse)
		sr.Topics = slices.DeleteFunc(sr.Topics, func(t kmsg.OffsetFetchResponseTopic) bool {
			return !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t.Topic)
		})
		sr.Topics = append(sr.Topics, bad...)
	})
}

// offsetTopicName returns the name of a topic of the request. A topic that does not exist has no offsets, which is no
// error unless it was named by id.
func (n *Node) offsetTopicName(r *wire.Request, name string, id [16]byte) (string, int16) {
	if id != noID {
		t, code := n.topic("", id)
		if t == nil {
			return "", code
		}
		name = t.Name
	}
	if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, name) {
		return "", kerr.TopicAuthorizationFailed.Code
	}
	return name, 0
}

// visible removes the topics that the client may not see, which it can only get by asking for all, and gives the ids of
// those that it gets by id.
func (n *Node) visible(r *wire.Request, version int16, topics []kmsg.OffsetFetchResponseGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	out := topics[:0]
	for _, t := range topics {
		if !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t.Topic) {
			continue
		}
		if version >= 10 && t.TopicID == noID {
			topic, _ := n.topic(t.Topic, noID)
			if topic == nil {
				continue // without an id there is no way to name it
			}
			t.TopicID = topic.ID
		}
		out = append(out, t)
	}
	return out
}

func offsetFetchTopicError(t kmsg.OffsetFetchRequestGroupTopic, code int16) kmsg.OffsetFetchResponseGroupTopic {
	st := kmsg.OffsetFetchResponseGroupTopic{Topic: t.Topic, TopicID: t.TopicID}
	for _, p := range t.Partitions {
		sp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		sp.Partition, sp.Offset, sp.LeaderEpoch, sp.Metadata, sp.ErrorCode = p, -1, -1, kmsg.StringPtr(""), code
		st.Partitions = append(st.Partitions, sp)
	}
	return st
}

func offsetFetchOneError(t kmsg.OffsetFetchRequestTopic, code int16) kmsg.OffsetFetchResponseTopic {
	st := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
	for _, p := range t.Partitions {
		sp := kmsg.NewOffsetFetchResponseTopicPartition()
		sp.Partition, sp.Offset, sp.LeaderEpoch, sp.Metadata, sp.ErrorCode = p, -1, -1, kmsg.StringPtr(""), code
		st.Partitions = append(st.Partitions, sp)
	}
	return st
}
