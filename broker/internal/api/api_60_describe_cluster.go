package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeCluster(n *Node, r *wire.Request, req *kmsg.DescribeClusterRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeClusterResponse()
	resp.ClusterID = n.cluster
	const brokers = 1 // the endpoint type, as opposed to controllers
	if req.Version >= 1 && req.EndpointType != brokers {
		resp.ErrorCode = kerr.MismatchedEndpointType.Code
		return resp, nil
	}
	l := r.Conn.Listener
	resp.ControllerID = NodeID
	resp.Brokers = []kmsg.DescribeClusterResponseBroker{{NodeID: NodeID, Host: l.Host, Port: l.Port}}
	if req.IncludeClusterAuthorizedOperations {
		resp.ClusterAuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeCluster, clusterResource)
	}
	return resp, nil
}
