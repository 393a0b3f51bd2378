package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func deleteRecords(n *Node, r *wire.Request, req *kmsg.DeleteRecordsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteRecordsResponse()
	for _, rt := range req.Topics {
		st := kmsg.DeleteRecordsResponseTopic{Topic: rt.Topic}
		t, code := n.topic(rt.Topic, noID)
		if !n.may(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeTopic, rt.Topic) {
			code = kerr.TopicAuthorizationFailed.Code
		}
		// Records of a topic that is only compacted hold the latest values: they are not deleted by offset.
		if code == 0 && !t.Settings.CleanupDelete {
			code = kerr.PolicyViolation.Code
		}
		for _, rp := range rt.Partitions {
			sp := kmsg.NewDeleteRecordsResponseTopicPartition()
			sp.Partition, sp.LowWatermark, sp.ErrorCode = rp.Partition, -1, code
			if code == 0 {
				p, code := n.partition(t, rp.Partition)
				if code == 0 {
					low, err := p.DeleteRecordsBefore(rp.Offset)
					if code = n.logCode(err); code == 0 {
						sp.LowWatermark = low
						n.changed(r, "DeleteRecords", topicResource(t.Name), fmt.Sprintf("partition %d up to offset %d", rp.Partition, low))
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
