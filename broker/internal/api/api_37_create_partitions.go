package api

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func createPartitions(n *Node, r *wire.Request, req *kmsg.CreatePartitionsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrCreatePartitionsResponse()
	seen := map[string]bool{}
	for _, rt := range req.Topics {
		st := kmsg.NewCreatePartitionsResponseTopic()
		st.Topic = rt.Topic
		var err error
		switch {
		case seen[rt.Topic]:
			st.ErrorCode, err = kerr.InvalidRequest.Code, errors.New("the request names this topic more than once")
		case !n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeTopic, rt.Topic):
			st.ErrorCode = kerr.TopicAuthorizationFailed.Code
		default:
			if st.ErrorCode, err = n.createPartitions(rt, req.ValidateOnly); st.ErrorCode == 0 && !req.ValidateOnly {
				n.changed(r, "CreatePartitions", topicResource(rt.Topic), fmt.Sprintf("%d partitions", rt.Count))
			}
		}
		seen[rt.Topic] = true
		st.ErrorMessage = text(err)
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

func (n *Node) createPartitions(rt kmsg.CreatePartitionsRequestTopic, dryRun bool) (int16, error) {
	t, code := n.topic(rt.Topic, noID)
	if code != 0 {
		return code, nil
	}
	if added := rt.Count - t.Partitions; rt.Assignment != nil && added > 0 && int(added) != len(rt.Assignment) {
		return kerr.InvalidReplicaAssignment.Code, fmt.Errorf("%d partitions to add and %d assignments", added, len(rt.Assignment))
	}
	if _, err := n.topics.Grow(rt.Topic, rt.Count, dryRun); err != nil {
		return n.topicCode(err), err
	}
	return 0, nil
}
