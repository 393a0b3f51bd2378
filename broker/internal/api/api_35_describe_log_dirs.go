package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeLogDirs(n *Node, r *wire.Request, req *kmsg.DescribeLogDirsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	if !n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeCluster, clusterResource) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return resp, nil
	}
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.TotalBytes, dir.UsableBytes = n.cfg.Dir, -1, -1
	if u, err := n.cfg.FS.GetDiskUsage(n.cfg.Dir); err == nil { // not every file system knows
		dir.TotalBytes, dir.UsableBytes = int64(u.TotalBytes), int64(u.AvailBytes)
	}
	if req.Topics == nil {
		for _, t := range n.topics.Snapshot().All() {
			dir.Topics = append(dir.Topics, n.logDirTopic(t, partitions(t)))
		}
	}
	for _, rt := range req.Topics {
		if t, code := n.topic(rt.Topic, noID); code == 0 {
			dir.Topics = append(dir.Topics, n.logDirTopic(t, slices.Clone(rt.Partitions)))
		}
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp, nil
}

func (n *Node) logDirTopic(t *topics.Topic, partitions []int32) kmsg.DescribeLogDirsResponseDirTopic {
	st := kmsg.DescribeLogDirsResponseDirTopic{Topic: t.Name}
	for _, i := range partitions {
		if p, code := n.partition(t, i); code == 0 {
			st.Partitions = append(st.Partitions, kmsg.DescribeLogDirsResponseDirTopicPartition{Partition: i, Size: p.Size()})
		}
	}
	return st
}
