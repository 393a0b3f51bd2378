package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func describeACLs(n *Node, r *wire.Request, req *kmsg.DescribeACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDescribeACLsResponse()
	f := security.Filter{
		Type: req.ResourceType, Name: req.ResourceName, Pattern: req.ResourcePatternType,
		Principal: req.Principal, Host: req.Host, Operation: req.Operation, Permission: req.PermissionType,
	}
	if code, err := n.aclAccess(r, kmsg.ACLOperationDescribe); err != nil {
		resp.ErrorCode, resp.ErrorMessage = code, text(err)
		return resp, nil
	}
	if err := f.Check(); err != nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.InvalidRequest.Code, text(err)
		return resp, nil
	}
	for _, a := range n.guard.acls.List(f) { // in an order that has the rules of one resource together
		last := len(resp.Resources) - 1
		if last < 0 || resp.Resources[last].ResourceName != a.Name || resp.Resources[last].ResourceType != a.Type ||
			resp.Resources[last].ResourcePatternType != a.Pattern {
			sr := kmsg.NewDescribeACLsResponseResource()
			sr.ResourceType, sr.ResourceName, sr.ResourcePatternType = a.Type, a.Name, a.Pattern
			resp.Resources = append(resp.Resources, sr)
			last++
		}
		sa := kmsg.NewDescribeACLsResponseResourceACL()
		sa.Principal, sa.Host, sa.Operation, sa.PermissionType = string(a.Principal), a.Host, a.Operation, a.Permission
		resp.Resources[last].ACLs = append(resp.Resources[last].ACLs, sa)
	}
	return resp, nil
}

// aclAccess says whether rules are in use and the client may look at them, or change them.
func (n *Node) aclAccess(r *wire.Request, op kmsg.ACLOperation) (int16, error) {
	switch {
	case !n.guard.cfg.Authorize:
		return kerr.SecurityDisabled.Code, errSecurityDisabled
	case !n.may(r, op, kmsg.ACLResourceTypeCluster, clusterResource):
		return kerr.ClusterAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed
	}
	return 0, nil
}
