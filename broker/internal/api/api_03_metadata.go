package api

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func metadata(n *Node, r *wire.Request, req *kmsg.MetadataRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrMetadataResponse()
	resp.ClusterID = kmsg.StringPtr(n.cluster)
	resp.ControllerID = NodeID
	l := r.Conn.Listener
	resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: NodeID, Host: l.Host, Port: l.Port}}
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeCluster, clusterResource)
	}
	all := req.Topics == nil || req.Version == 0 && len(req.Topics) == 0
	if all {
		for _, t := range n.topics.Snapshot().All() {
			if n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, t.Name) {
				resp.Topics = append(resp.Topics, n.metadataTopic(r, req, t))
			}
		}
		return resp, nil
	}
	create := n.cfg.AutoCreateTopics && (req.AllowAutoTopicCreation || req.Version < 4)
	for _, rt := range req.Topics {
		var name string
		if rt.Topic != nil {
			name = *rt.Topic
		}
		t, code := n.topic(name, rt.TopicID)
		if t != nil {
			name = t.Name
		}
		if name != "" && !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, name) {
			t, code = nil, kerr.TopicAuthorizationFailed.Code
			if rt.TopicID != noID {
				name, code = "", kerr.UnknownTopicID.Code // a name must not leak through an id
			}
		}
		if t == nil && code == kerr.UnknownTopicOrPartition.Code {
			t, code = n.metadataAbsent(r, name, create)
		}
		if t != nil {
			resp.Topics = append(resp.Topics, n.metadataTopic(r, req, t))
			continue
		}
		st := kmsg.NewMetadataResponseTopic()
		st.ErrorCode, st.TopicID = code, rt.TopicID
		if name != "" || req.Version < 12 {
			st.Topic = &name
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

// metadataAbsent answers for a topic that is not there, or creates it.
func (n *Node) metadataAbsent(r *wire.Request, name string, create bool) (*topics.Topic, int16) {
	if err := topics.CheckName(name); err != nil {
		return nil, kerr.InvalidTopicException.Code
	}
	if !create {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	if !n.can(r, kmsg.ACLOperationCreate, kmsg.ACLResourceTypeCluster, clusterResource) &&
		!n.may(r, kmsg.ACLOperationCreate, kmsg.ACLResourceTypeTopic, name) {
		return nil, kerr.TopicAuthorizationFailed.Code
	}
	t, err := n.topics.Create(topics.Spec{Name: name, Partitions: n.cfg.NumPartitions}, false)
	if errors.Is(err, topics.ErrExists) { // by somebody else, just now
		return n.topic(name, noID)
	}
	if err != nil {
		return nil, n.topicCode(err)
	}
	n.changed(r, "CreateTopics", topicResource(name), "asked for and not there")
	return t, 0
}

func (n *Node) metadataTopic(r *wire.Request, req *kmsg.MetadataRequest, t *topics.Topic) kmsg.MetadataResponseTopic {
	st := kmsg.NewMetadataResponseTopic()
	st.Topic, st.TopicID, st.IsInternal = &t.Name, t.ID, t.Internal()
	if req.IncludeTopicAuthorizedOperations {
		st.AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeTopic, t.Name)
	}
	st.Partitions = make([]kmsg.MetadataResponseTopicPartition, t.Partitions)
	replicas := []int32{NodeID}
	for i := range st.Partitions {
		sp := &st.Partitions[i]
		sp.Default()
		sp.Partition, sp.Leader, sp.Replicas, sp.ISR = int32(i), NodeID, replicas, replicas
		sp.OfflineReplicas = []int32{}
		if p, code := n.partition(t, int32(i)); code == 0 {
			sp.LeaderEpoch = p.LeaderEpoch()
		}
	}
	return st
}
