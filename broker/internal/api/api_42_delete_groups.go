package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

func deleteGroups(n *Node, r *wire.Request, req *kmsg.DeleteGroupsRequest) (kmsg.Response, error) {
	var bad []kmsg.DeleteGroupsResponseGroup
	good := req.Groups[:0]
	for _, g := range req.Groups {
		if n.may(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeGroup, g) {
			good = append(good, g)
			continue
		}
		bad = append(bad, kmsg.DeleteGroupsResponseGroup{Group: g, ErrorCode: kerr.GroupAuthorizationFailed.Code})
	}
	req.Groups = good
	return n.forward(r, func(resp kmsg.Response) {
		sr := resp.(*kmsg.DeleteGroupsResponse)
		for _, g := range sr.Groups {
			if g.ErrorCode == 0 {
				n.changed(r, "DeleteGroups", "GROUP:"+g.Group, "")
			}
		}
		sr.Groups = append(sr.Groups, bad...)
	})
}
