package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// maxACLs bounds the rules of a broker.
const maxACLs = 10_000

func createACLs(n *Node, r *wire.Request, req *kmsg.CreateACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrCreateACLsResponse()
	resp.Results = make([]kmsg.CreateACLsResponseResult, len(req.Creations))
	answer := func(i int, code int16, err error) {
		resp.Results[i].ErrorCode, resp.Results[i].ErrorMessage = code, text(err)
	}
	if code, err := n.aclAccess(r, kmsg.ACLOperationAlter); err != nil {
		for i := range resp.Results {
			answer(i, code, err)
		}
		return resp, nil
	}
	n.guard.mu.Lock()
	defer n.guard.mu.Unlock()
	var add []security.ACL
	var at []int
	for i, c := range req.Creations {
		a := security.ACL{
			Type: c.ResourceType, Name: c.ResourceName, Pattern: c.ResourcePatternType, Principal: security.Principal(c.Principal),
			Host: c.Host, Operation: c.Operation, Permission: c.PermissionType,
		}
		if err := a.Check(); err != nil {
			answer(i, kerr.InvalidRequest.Code, err)
		} else if n.guard.acls.Len()+len(add) >= maxACLs {
			answer(i, kerr.PolicyViolation.Code, kerr.PolicyViolation)
		} else {
			add, at = append(add, a), append(at, i)
		}
	}
	err := n.guard.store(func(b *metadb.Batch) error {
		for _, a := range add {
			b.Set(metadb.Key(metadb.TableSecurity, security.ACLKey(a)), security.ACLValue())
		}
		return nil
	})
	if err != nil {
		code := n.securityCode(err)
		for _, i := range at {
			answer(i, code, err)
		}
		return resp, nil
	}
	n.guard.acls.Change(add, nil)
	for _, a := range add {
		n.changed(r, "CreateAcls", aclResource(a), a.String())
	}
	return resp, nil
}
