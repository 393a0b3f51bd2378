package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

func deleteACLs(n *Node, r *wire.Request, req *kmsg.DeleteACLsRequest) (kmsg.Response, error) {
	resp := kmsg.NewPtrDeleteACLsResponse()
	accessCode, access := n.aclAccess(r, kmsg.ACLOperationAlter)
	n.guard.mu.Lock()
	defer n.guard.mu.Unlock()
	for _, rf := range req.Filters {
		sr := kmsg.NewDeleteACLsResponseResult()
		f := security.Filter{
			Type: rf.ResourceType, Name: rf.ResourceName, Pattern: rf.ResourcePatternType,
			Principal: rf.Principal, Host: rf.Host, Operation: rf.Operation, Permission: rf.PermissionType,
		}
		if access != nil {
			sr.ErrorCode, sr.ErrorMessage = accessCode, text(access)
		} else if err := f.Check(); err != nil {
			sr.ErrorCode, sr.ErrorMessage = kerr.InvalidRequest.Code, text(err)
		} else if remove, err := n.removeACLs(r, f); err != nil {
			sr.ErrorCode, sr.ErrorMessage = n.securityCode(err), text(err)
		} else {
			for _, a := range remove {
				sa := kmsg.NewDeleteACLsResponseResultMatchingACL()
				sa.ResourceType, sa.ResourceName, sa.ResourcePatternType = a.Type, a.Name, a.Pattern
				sa.Principal, sa.Host, sa.Operation, sa.PermissionType = string(a.Principal), a.Host, a.Operation, a.Permission
				sr.MatchingACLs = append(sr.MatchingACLs, sa)
			}
		}
		resp.Results = append(resp.Results, sr)
	}
	return resp, nil
}

// removeACLs removes the rules that a filter selects and returns them.
func (n *Node) removeACLs(r *wire.Request, f security.Filter) ([]security.ACL, error) {
	remove := n.guard.acls.List(f)
	err := n.guard.store(func(b *metadb.Batch) error {
		for _, a := range remove {
			b.Delete(metadb.Key(metadb.TableSecurity, security.ACLKey(a)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.guard.acls.Change(nil, remove)
	for _, a := range remove {
		n.changed(r, "DeleteAcls", aclResource(a), a.String())
	}
	return remove, nil
}

func aclResource(a security.ACL) string { return a.Type.String() + ":" + a.Name }
