package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerGroupDescribe is key 69. The owner fills in authorized operations.
func (c *Coordinator) consumerGroupDescribe(req *kmsg.ConsumerGroupDescribeRequest) *kmsg.ConsumerGroupDescribeResponse {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	for _, id := range req.Groups {
		rg := kmsg.NewConsumerGroupDescribeResponseGroup()
		rg.Group = id
		switch g := c.groups[id]; {
		case id == "":
			rg.ErrorCode = kerr.InvalidGroupID.Code
		case g == nil:
			rg.ErrorCode = kerr.GroupIDNotFound.Code
			rg.ErrorMessage = kmsg.StringPtr("Group " + id + " not found.")
		case g.consumer == nil:
			rg.ErrorCode = kerr.GroupIDNotFound.Code
			rg.ErrorMessage = kmsg.StringPtr("Group " + id + " is not a consumer group.")
		default:
			g.consumer.describe(c, &rg)
		}
		resp.Groups = append(resp.Groups, rg)
	}
	return resp
}

// memberTypeConsumer says that a member speaks the consumer protocol.
const memberTypeConsumer = 1

func (k *consumer) describe(c *Coordinator, rg *kmsg.ConsumerGroupDescribeResponseGroup) {
	rg.State = k.state()
	rg.Epoch, rg.AssignmentEpoch, rg.AssignorName = k.epoch, k.targetEpoch, k.assignor
	for _, m := range k.members {
		rm := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		rm.MemberID, rm.InstanceID, rm.RackID, rm.MemberEpoch = m.id, m.instance, m.rack, m.epoch
		rm.ClientID, rm.ClientHost = m.client.ID, m.client.Host
		rm.SubscribedTopics, rm.SubscribedTopicRegex = m.topics, m.regex
		rm.Assignment = c.describeAssignment(m.assigned)
		rm.TargetAssignment = c.describeAssignment(m.target)
		rm.MemberType = memberTypeConsumer
		rg.Members = append(rg.Members, rm)
	}
}

// describeAssignment leaves out topics that have been deleted: they have no name.
func (c *Coordinator) describeAssignment(a assignment) kmsg.Assignment {
	out := kmsg.NewAssignment()
	for _, t := range a.topics() {
		if name, ok := c.topicNames[t]; ok {
			out.TopicPartitions = append(out.TopicPartitions, kmsg.AssignmentTopicPartition{TopicID: t, Topic: name, Partitions: a[t]})
		}
	}
	return out
}
