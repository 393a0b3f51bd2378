package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// handler answers one request. It returns nil for a request without an answer and after Request.Later.
type handler func(n *Node, r *wire.Request) (kmsg.Response, error)

// on turns a function of the request's own type into a handler.
func on[Q kmsg.Request](f func(n *Node, r *wire.Request, req Q) (kmsg.Response, error)) handler {
	return func(n *Node, r *wire.Request) (kmsg.Response, error) { return f(n, r, r.Body.(Q)) }
}

// api is one row of the table.
type api struct {
	key      kmsg.Key
	min, max int16
	handle   handler
}

// table is every API the broker serves, and nothing else is: what is missing here is neither advertised nor answered.
func table() []api {
	return []api{
		// Produce is advertised from version 0 because librdkafka takes a higher minimum for a broker that cannot
		// compress (KAFKA-18659). Versions below 3 are answered with an error.
		{key: kmsg.Produce, min: 0, max: 13, handle: on(produce)},
		{key: kmsg.Fetch, min: 4, max: 18, handle: on(fetch)},
		{key: kmsg.ListOffsets, min: 1, max: 11, handle: on(listOffsets)},
		{key: kmsg.Metadata, min: 0, max: 13, handle: on(metadata)},
		{key: kmsg.OffsetCommit, min: 2, max: 10, handle: on(offsetCommit)},
		{key: kmsg.OffsetFetch, min: 1, max: 10, handle: on(offsetFetch)},
		{key: kmsg.FindCoordinator, min: 0, max: 6, handle: on(findCoordinator)},
		{key: kmsg.JoinGroup, min: 0, max: 9, handle: on(joinGroup)},
		{key: kmsg.Heartbeat, min: 0, max: 4, handle: on(heartbeat)},
		{key: kmsg.LeaveGroup, min: 0, max: 5, handle: on(leaveGroup)},
		{key: kmsg.SyncGroup, min: 0, max: 5, handle: on(syncGroup)},
		{key: kmsg.DescribeGroups, min: 0, max: 6, handle: on(describeGroups)},
		{key: kmsg.ListGroups, min: 0, max: 5, handle: on(listGroups)},
		{key: kmsg.ApiVersions, min: 0, max: 4, handle: apiVersions},
		{key: kmsg.CreateTopics, min: 2, max: 7, handle: on(createTopics)},
		{key: kmsg.DeleteTopics, min: 1, max: 6, handle: on(deleteTopics)},
		{key: kmsg.DeleteRecords, min: 0, max: 2, handle: on(deleteRecords)},
		{key: kmsg.InitProducerID, min: 0, max: 5, handle: on(initProducerID)},
		{key: kmsg.OffsetForLeaderEpoch, min: 2, max: 4, handle: on(offsetForLeaderEpoch)},
		{key: kmsg.AddPartitionsToTxn, min: 0, max: 5, handle: on(addPartitionsToTxn)},
		{key: kmsg.AddOffsetsToTxn, min: 0, max: 4, handle: on(addOffsetsToTxn)},
		{key: kmsg.EndTxn, min: 0, max: 5, handle: on(endTxn)},
		{key: kmsg.TxnOffsetCommit, min: 0, max: 6, handle: on(txnOffsetCommit)},
		{key: kmsg.DescribeConfigs, min: 1, max: 4, handle: on(describeConfigs)},
		{key: kmsg.AlterConfigs, min: 0, max: 2, handle: on(alterConfigs)},
		{key: kmsg.CreatePartitions, min: 0, max: 3, handle: on(createPartitions)},
		{key: kmsg.DeleteGroups, min: 0, max: 3, handle: on(deleteGroups)},
		{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: on(incrementalAlterConfigs)},
		{key: kmsg.OffsetDelete, min: 0, max: 0, handle: on(offsetDelete)},
		{key: kmsg.DescribeCluster, min: 0, max: 2, handle: on(describeCluster)},
	}
}

// Dispatcher finds the handler of a request. It implements wire.Handler.
type Dispatcher struct {
	n     *Node
	table []api
	byKey [256]*api
}

// NewDispatcher returns the dispatcher of a node.
func NewDispatcher(n *Node) *Dispatcher {
	d := &Dispatcher{n: n, table: table()}
	for i := range d.table {
		d.byKey[d.table[i].key] = &d.table[i]
	}
	n.apis = d.table
	return d
}

func (d *Dispatcher) find(key int16) *api {
	if key < 0 || int(key) >= len(d.byKey) {
		return nil
	}
	return d.byKey[key]
}

// Check is part of wire.Handler.
func (d *Dispatcher) Check(c *wire.Conn, key, version int16) wire.Verdict {
	a := d.find(key)
	switch {
	case a == nil:
		return wire.Refuse
	case version >= a.min && version <= a.max:
		return wire.Serve
	case a.key == kmsg.ApiVersions:
		return wire.ServeV0
	}
	return wire.Refuse
}

// Handle is part of wire.Handler.
func (d *Dispatcher) Handle(r *wire.Request) (kmsg.Response, error) {
	return d.find(r.Key).handle(d.n, r)
}
