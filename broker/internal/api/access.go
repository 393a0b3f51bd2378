package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// clusterResource is the name of the one resource of type cluster.
const clusterResource = security.ClusterName

// operationsOf are the operations that mean something for a resource.
var operationsOf = map[kmsg.ACLResourceType][]kmsg.ACLOperation{
	kmsg.ACLResourceTypeTopic: {
		kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter,
		kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	},
	kmsg.ACLResourceTypeGroup: {
		kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	},
	kmsg.ACLResourceTypeCluster: {
		kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite,
	},
}

// may reports whether the client that sent the request may do something that it asks for. A refusal is told.
func (n *Node) may(r *wire.Request, op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	if n.can(r, op, kind, name) {
		return true
	}
	n.guard.audit(security.Event{
		Kind: security.Denied, Principal: n.principal(r), Host: r.Conn.Host(),
		Operation: op.String(), Resource: kind.String() + ":" + name, Reason: kmsg.NameForKey(r.Key),
	})
	return false
}

// can is may for what the client did not ask for by name: nothing is told.
func (n *Node) can(r *wire.Request, op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	return n.guard.everything(r) || n.guard.acls.Allowed(n.principal(r), r.Conn.Host(), op, kind, name)
}

// everything reports whether the client may do everything: nobody is asked for rights, or it is part of this process.
func (g *guard) everything(r *wire.Request) bool {
	return !g.cfg.Authorize || r.Conn.Listener.Trusted
}

// restricted is the principal of a client that may not do everything; empty for others.
func (g *guard) restricted(r *wire.Request) string {
	if g.everything(r) {
		return ""
	}
	return string(g.identity(r.Conn).principal)
}

// operations returns the bits of the operations that the client may do.
func (n *Node) operations(r *wire.Request, kind kmsg.ACLResourceType, name string) int32 {
	var bits int32
	for _, op := range operationsOf[kind] {
		if n.can(r, op, kind, name) {
			bits |= 1 << op
		}
	}
	return bits
}

// mayWriteSomething reports whether the client may write at all, which is what an idempotent producer needs.
func (n *Node) mayWriteSomething(r *wire.Request) bool {
	return n.guard.everything(r) ||
		n.guard.acls.AllowedSomewhere(n.principal(r), r.Conn.Host(), kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic) ||
		n.may(r, kmsg.ACLOperationIdempotentWrite, kmsg.ACLResourceTypeCluster, clusterResource)
}
