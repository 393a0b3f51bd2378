package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func deleteTopics(n *Node, r *wire.Request, req *kmsg.DeleteTopicsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteTopicsResponse()
	for _, name := range req.TopicNames {
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	}
	for _, rt := range req.Topics {
		st := kmsg.NewDeleteTopicsResponseTopic()
		st.Topic, st.TopicID = rt.Topic, rt.TopicID
		st.ErrorCode = n.deleteTopic(r, rt, &st)
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

func (n *Node) deleteTopic(r *wire.Request, rt kmsg.DeleteTopicsRequestTopic, st *kmsg.DeleteTopicsResponseTopic) int16 {
	var name string
	if rt.Topic != nil {
		name = *rt.Topic
		if rt.TopicID != noID {
			return kerr.InvalidRequest.Code
		}
	}
	t, code := n.topic(name, rt.TopicID)
	if t != nil {
		name = t.Name
	}
	if name != "" && !n.may(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeTopic, name) {
		if rt.TopicID != noID && !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, name) {
			return kerr.UnknownTopicID.Code // the name must not leak through the id
		}
		return kerr.TopicAuthorizationFailed.Code
	}
	if t == nil {
		return code
	}
	st.Topic, st.TopicID = &t.Name, t.ID
	if err := n.removeTopic(t); err != nil {
		st.ErrorMessage = text(err)
		return n.topicCode(err)
	}
	n.changed(r, "DeleteTopics", topicResource(t.Name), "")
	return 0
}

// removeTopic deletes a topic, its records and what groups have committed for it. Once the catalogue has changed, a
// restart completes what is left to do.
func (n *Node) removeTopic(t *topics.Topic) error {
	if _, err := n.topics.Delete(t.ID); err != nil {
		return err
	}
	// A new topic of this name must not start at the old one's offsets.
	if err := n.groups.do(func(c *group.Coordinator, done func()) { c.TopicDeleted(t.Name, done) }); err != nil {
		return err
	}
	return n.finishDelete(t)
}
