package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func listGroups(n *Node, r *wire.Request, req *kmsg.ListGroupsRequest) (kmsg.Response, error) {
	all := n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeCluster, clusterResource)
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.ListGroupsResponse)
		sr.Groups = slices.DeleteFunc(sr.Groups, func(g kmsg.ListGroupsResponseGroup) bool {
			return !all && !n.can(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, g.Group)
		})
	})
}
