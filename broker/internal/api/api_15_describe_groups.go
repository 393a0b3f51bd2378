package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeGroups(n *Node, r *wire.Request, req *kmsg.DescribeGroupsRequest) (kmsg.Response, error) {
	var bad []kmsg.DescribeGroupsResponseGroup
	good := req.Groups[:0]
	for _, g := range req.Groups {
		if n.may(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, g) {
			good = append(good, g)
			continue
		}
		sg := kmsg.NewDescribeGroupsResponseGroup()
		sg.Group, sg.ErrorCode = g, kerr.GroupAuthorizationFailed.Code
		bad = append(bad, sg)
	}
	req.Groups = good
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.DescribeGroupsResponse)
		for i := range sr.Groups {
			if req.IncludeAuthorizedOperations {
				sr.Groups[i].AuthorizedOperations = n.operations(r, kmsg.ACLResourceTypeGroup, sr.Groups[i].Group)
			}
		}
		sr.Groups = append(sr.Groups, bad...)
	})
}
