package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// clusterResource is the name of the one resource of type cluster.
const clusterResource = "kafka-cluster"

// operationsOf are the operations that mean something for a resource.
var operationsOf = map[kmsg.ACLResourceType][]kmsg.ACLOperation{
	kmsg.ACLResourceTypeTopic: {
		kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter,
		kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	},
	kmsg.ACLResourceTypeGroup: {kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe},
	kmsg.ACLResourceTypeCluster: {
		kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite,
	},
}

// may reports whether the client that sent the request may do something.
func (n *Node) may(r *wire.Request, op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	return true
}

// operations returns the bits of the operations that the client may do.
func (n *Node) operations(r *wire.Request, kind kmsg.ACLResourceType, name string) int32 {
	var bits int32
	for _, op := range operationsOf[kind] {
		if n.may(r, op, kind, name) {
			bits |= 1 << op
		}
	}
	return bits
}

// mayWriteSomething reports whether the client may write at all, which is what an idempotent producer needs.
func (n *Node) mayWriteSomething(r *wire.Request) bool { return true }
