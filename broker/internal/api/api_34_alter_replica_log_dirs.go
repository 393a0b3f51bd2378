package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// alterReplicaLogDirs accepts that a partition stays where it is: there is one directory.
func alterReplicaLogDirs(n *Node, r *wire.Request, req *kmsg.AlterReplicaLogDirsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	allowed := n.may(r, kmsg.ACLOperationAlter, kmsg.ACLResourceTypeCluster, clusterResource)
	at := map[string]int{} // index of a topic in the answer: it may be asked for in several directories
	for _, rd := range req.Dirs {
		for _, rt := range rd.Topics {
			i, ok := at[rt.Topic]
			if !ok {
				i = len(resp.Topics)
				at[rt.Topic] = i
				resp.Topics = append(resp.Topics, kmsg.AlterReplicaLogDirsResponseTopic{Topic: rt.Topic})
			}
			t, code := n.topic(rt.Topic, noID)
			for _, p := range rt.Partitions {
				sp := kmsg.AlterReplicaLogDirsResponseTopicPartition{Partition: p}
				switch {
				case !allowed:
					sp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
				case rd.Dir != n.cfg.Dir:
					sp.ErrorCode = kerr.LogDirNotFound.Code
				case code != 0 || p < 0 || p >= t.Partitions:
					sp.ErrorCode = kerr.ReplicaNotAvailable.Code
				}
				resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, sp)
			}
		}
	}
	return resp, nil
}
