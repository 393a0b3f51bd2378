package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// Timestamps with a meaning of their own.
const (
	offsetLatest          = -1
	offsetEarliest        = -2
	offsetMaxTimestamp    = -3
	offsetEarliestLocal   = -4
	offsetLatestTiered    = -5
	offsetEarliestPending = -6
)

func listOffsets(n *Node, r *wire.Request, req *kmsg.ListOffsetsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrListOffsetsResponse()
	iso := commitlog.ReadUncommitted
	if req.IsolationLevel == 1 {
		iso = commitlog.ReadCommitted
	}
	for _, rt := range req.Topics {
		st := kmsg.ListOffsetsResponseTopic{Topic: rt.Topic}
		t, code := n.topic(rt.Topic, noID)
		if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, rt.Topic) {
			code = kerr.TopicAuthorizationFailed.Code
		}
		for _, rp := range rt.Partitions {
			sp := kmsg.NewListOffsetsResponseTopicPartition()
			sp.Partition, sp.ErrorCode = rp.Partition, code
			sp.Timestamp, sp.Offset, sp.LeaderEpoch = -1, -1, -1
			if code == 0 {
				p, code := n.partition(t, rp.Partition)
				if code == 0 {
					code = checkEpoch(p, rp.CurrentLeaderEpoch)
				}
				if code == 0 {
					code = n.listOne(p, rp.Timestamp, iso, &sp)
				}
				sp.ErrorCode = code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil
}

func (n *Node) listOne(p *commitlog.Partition, timestamp int64, iso commitlog.Isolation, sp *kmsg.ListOffsetsResponseTopicPartition) int16 {
	o := p.Offsets()
	switch timestamp {
	case offsetLatest:
		sp.Offset = o.HighWatermark
		if iso == commitlog.ReadCommitted {
			sp.Offset = o.LastStable
		}
		sp.LeaderEpoch = p.LeaderEpoch()
		return n.logCode(p.Err())
	case offsetEarliest, offsetEarliestLocal:
		sp.Offset, sp.LeaderEpoch = o.LogStart, p.EpochAt(o.LogStart)
		return n.logCode(p.Err())
	case offsetLatestTiered, offsetEarliestPending:
		return 0 // there is no tiered storage, so there is no such offset
	}
	if timestamp < 0 && timestamp != offsetMaxTimestamp {
		return kerr.UnsupportedVersion.Code
	}
	var found commitlog.TimeOffset
	var ok bool
	var err error
	if timestamp == offsetMaxTimestamp {
		found, ok, err = p.MaxTimestampOffset(iso)
	} else {
		found, ok, err = p.OffsetForTime(timestamp, iso)
	}
	if err != nil {
		return n.logCode(err)
	}
	if ok {
		sp.Offset, sp.Timestamp, sp.LeaderEpoch = found.Offset, found.Timestamp, found.LeaderEpoch
	}
	return 0
}
