package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/shape"
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
	shape    shape.Shape // checked before a request is decoded
	handle   handler
	preAuth  bool // answered before a client has said who it is
}

// table is every API the broker serves, and nothing else is: what is missing here is neither advertised nor answered.
func table() []api {
	return []api{
		// Produce is advertised from version 0 because librdkafka takes a higher minimum for a broker that cannot
		// compress (KAFKA-18659). Versions below 3 are answered with an error.
		{key: kmsg.Produce, min: 0, max: 13, handle: on(produce),
			shape: shape.MustParse("str@3 i16 i32 [str@0-12 uuid@13 [i32 bytes]]")},
		{key: kmsg.Fetch, min: 4, max: 18, handle: on(fetch),
			shape: shape.MustParse("i32@0-14 i32 i32 i32@3 i8@4 i32@7 i32@7 [str@0-12 uuid@13 [i32 i32@9 i64 i32@12 i64@5 i32]] [str@7-12 uuid@13 []i32]@7 str@11 {1 i32 i64}")},
		{key: kmsg.ListOffsets, min: 1, max: 11, handle: on(listOffsets),
			shape: shape.MustParse("i32 i8@2 [str [i32 i32@4 i64 i32@0-0]] i32@10")},
		{key: kmsg.Metadata, min: 0, max: 13, handle: on(metadata),
			shape: shape.MustParse("[uuid@10 str] i8@4 i8@8-10 i8@8")},
		{key: kmsg.OffsetCommit, min: 2, max: 10, handle: on(offsetCommit),
			shape: shape.MustParse("str i32@1 str@1 str@7 i64@2-4 [str@0-9 uuid@10 [i32 i64 i64@1-1 i32@6 str]]")},
		{key: kmsg.OffsetFetch, min: 1, max: 10, handle: on(offsetFetch),
			shape: shape.MustParse("str@0-7 [str []i32]@0-7 [str str@9 i32@9 [str@8-9 uuid@10 []i32]]@8 i8@7")},
		{key: kmsg.FindCoordinator, min: 0, max: 6, handle: on(findCoordinator),
			shape: shape.MustParse("str@0-3 i8@1 []str@4")},
		{key: kmsg.JoinGroup, min: 0, max: 9, handle: on(joinGroup),
			shape: shape.MustParse("str i32 i32@1 str str@5 str [str bytes] str@8")},
		{key: kmsg.Heartbeat, min: 0, max: 4, handle: on(heartbeat),
			shape: shape.MustParse("str i32 str str@3")},
		{key: kmsg.LeaveGroup, min: 0, max: 5, handle: on(leaveGroup),
			shape: shape.MustParse("str str@0-2 [str str str@5]@3")},
		{key: kmsg.SyncGroup, min: 0, max: 5, handle: on(syncGroup),
			shape: shape.MustParse("str i32 str str@3 str@5 str@5 [str bytes]")},
		{key: kmsg.DescribeGroups, min: 0, max: 6, handle: on(describeGroups),
			shape: shape.MustParse("[]str i8@3")},
		{key: kmsg.ListGroups, min: 0, max: 5, handle: on(listGroups),
			shape: shape.MustParse("[]str@4 []str@5")},
		{key: kmsg.SASLHandshake, min: 1, max: 1, handle: on(saslHandshake), preAuth: true,
			shape: shape.MustParse("str")},
		{key: kmsg.ApiVersions, min: 0, max: 4, handle: apiVersions, preAuth: true,
			shape: shape.MustParse("str@3 str@3 str@5 i32@5")},
		{key: kmsg.CreateTopics, min: 2, max: 7, handle: on(createTopics),
			shape: shape.MustParse("[str i32 i16 [i32 []i32] [str str]] i32 i8@1")},
		{key: kmsg.DeleteTopics, min: 1, max: 6, handle: on(deleteTopics),
			shape: shape.MustParse("[]str@0-5 [str uuid]@6 i32")},
		{key: kmsg.DeleteRecords, min: 0, max: 2, handle: on(deleteRecords),
			shape: shape.MustParse("[str [i32 i64]] i32")},
		{key: kmsg.InitProducerID, min: 0, max: 5, handle: on(initProducerID),
			shape: shape.MustParse("str i32 i64@3 i16@3")},
		{key: kmsg.OffsetForLeaderEpoch, min: 2, max: 4, handle: on(offsetForLeaderEpoch),
			shape: shape.MustParse("i32@3 [str [i32 i32@2 i32]]")},
		{key: kmsg.AddPartitionsToTxn, min: 0, max: 5, handle: on(addPartitionsToTxn),
			shape: shape.MustParse("str@0-3 i64@0-3 i16@0-3 [str []i32]@0-3 [str i64 i16 i8 [str []i32]]@4")},
		{key: kmsg.AddOffsetsToTxn, min: 0, max: 4, handle: on(addOffsetsToTxn),
			shape: shape.MustParse("str i64 i16 str")},
		{key: kmsg.EndTxn, min: 0, max: 5, handle: on(endTxn),
			shape: shape.MustParse("str i64 i16 i8")},
		{key: kmsg.WriteTxnMarkers, min: 1, max: 2, handle: on(writeTxnMarkers),
			shape: shape.MustParse("[i64 i16 i8 [str []i32] i32 i8@2]")},
		{key: kmsg.TxnOffsetCommit, min: 0, max: 6, handle: on(txnOffsetCommit),
			shape: shape.MustParse("str str i64 i16 i32@3 str@3 str@3 [str@0-5 uuid@6 [i32 i64 i32@2 str]]")},
		{key: kmsg.DescribeACLs, min: 1, max: 3, handle: on(describeACLs),
			shape: shape.MustParse("i8 str i8@1 str str i8 i8")},
		{key: kmsg.CreateACLs, min: 1, max: 3, handle: on(createACLs),
			shape: shape.MustParse("[i8 str i8@1 str str i8 i8]")},
		{key: kmsg.DeleteACLs, min: 1, max: 3, handle: on(deleteACLs),
			shape: shape.MustParse("[i8 str i8@1 str str i8 i8]")},
		{key: kmsg.DescribeConfigs, min: 1, max: 4, handle: on(describeConfigs),
			shape: shape.MustParse("[i8 str []str] i8@1 i8@3")},
		{key: kmsg.AlterConfigs, min: 0, max: 2, handle: on(alterConfigs),
			shape: shape.MustParse("[i8 str [str str]] i8")},
		{key: kmsg.AlterReplicaLogDirs, min: 1, max: 2, handle: on(alterReplicaLogDirs),
			shape: shape.MustParse("[str [str []i32]]")},
		{key: kmsg.DescribeLogDirs, min: 1, max: 5, handle: on(describeLogDirs),
			shape: shape.MustParse("[str []i32]")},
		{key: kmsg.SASLAuthenticate, min: 0, max: 2, handle: on(saslAuthenticate), preAuth: true,
			shape: shape.MustParse("bytes")},
		{key: kmsg.CreatePartitions, min: 0, max: 3, handle: on(createPartitions),
			shape: shape.MustParse("[str i32 [[]i32]] i32 i8")},
		{key: kmsg.DeleteGroups, min: 0, max: 3, handle: on(deleteGroups),
			shape: shape.MustParse("[]str")},
		{key: kmsg.ElectLeaders, min: 0, max: 2, handle: on(electLeaders),
			shape: shape.MustParse("i8@1 [str []i32] i32")},
		{key: kmsg.IncrementalAlterConfigs, min: 0, max: 1, handle: on(incrementalAlterConfigs),
			shape: shape.MustParse("[i8 str [str i8 str]] i8")},
		{key: kmsg.AlterPartitionAssignments, min: 0, max: 1, handle: on(alterPartitionReassignments),
			shape: shape.MustParse("i32 i8@1 [str [i32 []i32]]")},
		{key: kmsg.ListPartitionReassignments, min: 0, max: 0, handle: on(listPartitionReassignments),
			shape: shape.MustParse("i32 [str []i32]")},
		{key: kmsg.OffsetDelete, min: 0, max: 0, handle: on(offsetDelete),
			shape: shape.MustParse("str [str [i32]]")},
		{key: kmsg.DescribeClientQuotas, min: 0, max: 1, handle: on(describeClientQuotas),
			shape: shape.MustParse("[str i8 str] i8")},
		{key: kmsg.AlterClientQuotas, min: 0, max: 1, handle: on(alterClientQuotas),
			shape: shape.MustParse("[[str str] [str i64 i8]] i8")},
		{key: kmsg.DescribeUserSCRAMCredentials, min: 0, max: 0, handle: on(describeUserSCRAMCredentials),
			shape: shape.MustParse("[str]")},
		{key: kmsg.AlterUserSCRAMCredentials, min: 0, max: 0, handle: on(alterUserSCRAMCredentials),
			shape: shape.MustParse("[str i8] [str i8 i32 bytes bytes]")},
		{key: kmsg.DescribeQuorum, min: 0, max: 2, handle: on(describeQuorum),
			shape: shape.MustParse("[str [i32]]")},
		{key: kmsg.UpdateFeatures, min: 0, max: 2, handle: on(updateFeatures),
			shape: shape.MustParse("i32 [str i16 i8@0-0 i8@1] i8@1")},
		{key: kmsg.DescribeCluster, min: 0, max: 2, handle: on(describeCluster),
			shape: shape.MustParse("i8 i8@1 i8@2")},
		{key: kmsg.DescribeProducers, min: 0, max: 0, handle: on(describeProducers),
			shape: shape.MustParse("[str []i32]")},
		{key: kmsg.DescribeTransactions, min: 0, max: 0, handle: on(describeTransactions),
			shape: shape.MustParse("[]str")},
		{key: kmsg.ListTransactions, min: 0, max: 2, handle: on(listTransactions),
			shape: shape.MustParse("[]str []i64 i64@1 str@2")},
		{key: kmsg.ConsumerGroupHeartbeat, min: 0, max: 1, handle: on(consumerGroupHeartbeat),
			shape: shape.MustParse("str str i32 str str i32 []str str@1 str [uuid []i32]")},
		{key: kmsg.ConsumerGroupDescribe, min: 0, max: 1, handle: on(consumerGroupDescribe),
			shape: shape.MustParse("[]str i8")},
		{key: kmsg.ListConfigResources, min: 0, max: 1, handle: on(listConfigResources),
			shape: shape.MustParse("[]i8@1")},
		{key: kmsg.DescribeTopicPartitions, min: 0, max: 0, handle: on(describeTopicPartitions),
			shape: shape.MustParse("[str] i32 <str i32>")},
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
	case a == nil, !a.preAuth && !c.Authenticated():
		return wire.Refuse
	case version >= a.min && version <= a.max:
		return wire.Serve
	case a.key == kmsg.ApiVersions:
		return wire.ServeV0
	}
	return wire.Refuse
}

// Decode is part of wire.Handler.
func (d *Dispatcher) Decode(key, version int16, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if err := d.find(key).shape.Check(body, version, req.IsFlexible()); err != nil {
		return nil, err
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, err
	}
	return req, nil
}

// Handle is part of wire.Handler.
func (d *Dispatcher) Handle(r *wire.Request) (kmsg.Response, error) {
	id := d.n.guard.identity(r.Conn) // before another goroutine asks for it
	a := d.find(r.Key)
	if !a.preAuth && id.expired(d.n.cfg.Now) {
		return nil, fmt.Errorf("%s of client %q: the log-in of %s has ended, and the client did not log in again", a.key.Name(), r.ClientID, id.principal)
	}
	return a.handle(d.n, r)
}
