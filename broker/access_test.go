package broker_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// right is what an access control list gives.
type right struct {
	kind kmsg.ACLResourceType
	name string
	op   kmsg.ACLOperation
}

func topicRight(op kmsg.ACLOperation) right { return right{kmsg.ACLResourceTypeTopic, "t", op} }
func groupRight(op kmsg.ACLOperation) right { return right{kmsg.ACLResourceTypeGroup, "g", op} }
func clusterRight(op kmsg.ACLOperation) right {
	return right{kmsg.ACLResourceTypeCluster, "kafka-cluster", op}
}
func txnRight(op kmsg.ACLOperation) right { return right{kmsg.ACLResourceTypeTransactionalId, "x", op} }

// Operations, in short.
const (
	opRead            = kmsg.ACLOperationRead
	opWrite           = kmsg.ACLOperationWrite
	opCreate          = kmsg.ACLOperationCreate
	opDelete          = kmsg.ACLOperationDelete
	opAlter           = kmsg.ACLOperationAlter
	opDescribe        = kmsg.ACLOperationDescribe
	opClusterAction   = kmsg.ACLOperationClusterAction
	opDescribeConfigs = kmsg.ACLOperationDescribeConfigs
	opAlterConfigs    = kmsg.ACLOperationAlterConfigs
	opIdempotentWrite = kmsg.ACLOperationIdempotentWrite
)

// access is one thing that a client may ask for and what it needs to be allowed for it.
type access struct {
	name  string
	req   kmsg.Request
	needs []right
	// shown says of a listing whether it has what the rights are about; others are refused with an error.
	shown func(kmsg.Response) bool
}

// versioned sets a request's version and returns it.
func versioned[R kmsg.Request](req R, version int16) R {
	req.SetVersion(version)
	return req
}

var member = "m"

func topicName() *string { return kmsg.StringPtr("t") }

// accesses is every API of the broker, with what Kafka asks of a client for it.
var accesses = []access{
	{name: "Produce", needs: []right{topicRight(opWrite)}, req: versioned(&kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{
		{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte("nonsense")}}}}}, 9)},
	{name: "Produce in a transaction", needs: []right{topicRight(opWrite), txnRight(opWrite)}, req: versioned(&kmsg.ProduceRequest{TransactionID: kmsg.StringPtr("x"), Acks: -1,
		Topics: []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte("nonsense")}}}}}, 9)},
	{name: "Fetch", needs: []right{topicRight(opRead)}, req: versioned(&kmsg.FetchRequest{ReplicaID: -1, ReplicaState: kmsg.FetchRequestReplicaState{ID: -1, Epoch: -1}, MaxBytes: 1000, SessionEpoch: -1, Topics: []kmsg.FetchRequestTopic{
		{Topic: "t", Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 1000, CurrentLeaderEpoch: -1}}}}}, 12)},
	{name: "ListOffsets", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.ListOffsetsRequest{ReplicaID: -1, Topics: []kmsg.ListOffsetsRequestTopic{
		{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{CurrentLeaderEpoch: -1, Timestamp: -1}}}}}, 5)},
	{name: "Metadata of a topic", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: topicName()}}}, 9)},
	{name: "Metadata of all topics", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.MetadataRequest{}, 9), shown: func(r kmsg.Response) bool {
		return slices.ContainsFunc(r.(*kmsg.MetadataResponse).Topics, func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == "t" })
	}},
	{name: "OffsetCommit", needs: []right{groupRight(opRead), topicRight(opRead)}, req: versioned(&kmsg.OffsetCommitRequest{Group: "g", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{
		{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}}}}}, 8)},
	{name: "OffsetFetch", needs: []right{groupRight(opDescribe), topicRight(opDescribe)}, req: versioned(&kmsg.OffsetFetchRequest{Group: "g", Topics: []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}}, 7)},
	{name: "OffsetFetch of many", needs: []right{groupRight(opDescribe), topicRight(opDescribe)}, req: versioned(&kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{
		{Group: "g", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}}}}, 8)},
	{name: "FindCoordinator of a group", needs: []right{groupRight(opDescribe)}, req: versioned(&kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, 4)},
	{name: "FindCoordinator of a transaction", needs: []right{txnRight(opDescribe)}, req: versioned(&kmsg.FindCoordinatorRequest{CoordinatorType: 1, CoordinatorKeys: []string{"x"}}, 4)},
	{name: "JoinGroup", needs: []right{groupRight(opRead)}, req: versioned(&kmsg.JoinGroupRequest{Group: "g", SessionTimeoutMillis: 10000, RebalanceTimeoutMillis: 10000, ProtocolType: "consumer",
		Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range"}}}, 9)},
	{name: "Heartbeat", needs: []right{groupRight(opRead)}, req: versioned(&kmsg.HeartbeatRequest{Group: "g", MemberID: member}, 4)},
	{name: "LeaveGroup", needs: []right{groupRight(opRead)}, req: versioned(&kmsg.LeaveGroupRequest{Group: "g", Members: []kmsg.LeaveGroupRequestMember{{MemberID: member}}}, 4)},
	{name: "SyncGroup", needs: []right{groupRight(opRead)}, req: versioned(&kmsg.SyncGroupRequest{Group: "g", MemberID: member}, 5)},
	{name: "DescribeGroups", needs: []right{groupRight(opDescribe)}, req: versioned(&kmsg.DescribeGroupsRequest{Groups: []string{"g"}}, 5)},
	{name: "ListGroups of a group", needs: []right{groupRight(opDescribe)}, req: versioned(&kmsg.ListGroupsRequest{}, 4), shown: listsGroup},
	{name: "ListGroups of the cluster", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.ListGroupsRequest{}, 4), shown: listsGroup},
	{name: "CreateTopics", needs: []right{{kmsg.ACLResourceTypeTopic, "new", opCreate}}, req: createTopicRequest()},
	{name: "CreateTopics by the cluster", needs: []right{clusterRight(opCreate)}, req: createTopicRequest()},
	{name: "DeleteTopics", needs: []right{{kmsg.ACLResourceTypeTopic, "gone", opDelete}}, req: versioned(&kmsg.DeleteTopicsRequest{TopicNames: []string{"gone"}}, 5)},
	{name: "DeleteRecords", needs: []right{topicRight(opDelete)}, req: versioned(&kmsg.DeleteRecordsRequest{Topics: []kmsg.DeleteRecordsRequestTopic{
		{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{}}}}}, 2)},
	{name: "InitProducerID of a transaction", needs: []right{txnRight(opWrite)}, req: versioned(&kmsg.InitProducerIDRequest{TransactionalID: kmsg.StringPtr("x"), TransactionTimeoutMillis: 1000, ProducerID: -1, ProducerEpoch: -1}, 4)},
	{name: "InitProducerID by a topic", needs: []right{topicRight(opWrite)}, req: versioned(&kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1}, 4)},
	{name: "InitProducerID by the cluster", needs: []right{clusterRight(opIdempotentWrite)}, req: versioned(&kmsg.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1}, 4)},
	{name: "OffsetForLeaderEpoch", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.OffsetForLeaderEpochRequest{ReplicaID: -1, Topics: []kmsg.OffsetForLeaderEpochRequestTopic{
		{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1}}}}}, 4)},
	{name: "AddPartitionsToTxn", needs: []right{txnRight(opWrite), topicRight(opWrite)}, req: versioned(&kmsg.AddPartitionsToTxnRequest{TransactionalID: "x", Topics: []kmsg.AddPartitionsToTxnRequestTopic{
		{Topic: "t", Partitions: []int32{0}}}}, 3)},
	{name: "AddPartitionsToTxn by a broker", needs: []right{clusterRight(opClusterAction)}, req: versioned(&kmsg.AddPartitionsToTxnRequest{}, 4)},
	{name: "AddOffsetsToTxn", needs: []right{txnRight(opWrite), groupRight(opRead)}, req: versioned(&kmsg.AddOffsetsToTxnRequest{TransactionalID: "x", Group: "g"}, 3)},
	{name: "EndTxn", needs: []right{txnRight(opWrite)}, req: versioned(&kmsg.EndTxnRequest{TransactionalID: "x"}, 3)},
	{name: "WriteTxnMarkers", needs: []right{clusterRight(opClusterAction)}, req: markers()},
	{name: "WriteTxnMarkers by an operator", needs: []right{clusterRight(opAlter)}, req: markers()},
	{name: "TxnOffsetCommit", needs: []right{txnRight(opWrite), groupRight(opRead), topicRight(opRead)}, req: versioned(&kmsg.TxnOffsetCommitRequest{TransactionalID: "x", Group: "g", Generation: -1,
		Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}}, 3)},
	{name: "DescribeACLs", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.DescribeACLsRequest{ResourceType: kmsg.ACLResourceTypeAny, ResourcePatternType: kmsg.ACLResourcePatternTypeAny,
		Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}, 3)},
	{name: "CreateACLs", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.CreateACLsRequest{Creations: []kmsg.CreateACLsRequestCreation{{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: "elsewhere",
		ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Principal: "User:nobody", Host: "*", Operation: opRead, PermissionType: kmsg.ACLPermissionTypeAllow}}}, 3)},
	{name: "DeleteACLs", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.DeleteACLsRequest{Filters: []kmsg.DeleteACLsRequestFilter{{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: kmsg.StringPtr("elsewhere"),
		ResourcePatternType: kmsg.ACLResourcePatternTypeAny, Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}}}, 3)},
	{name: "DescribeConfigs of a topic", needs: []right{topicRight(opDescribeConfigs)}, req: versioned(&kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}}}, 4)},
	{name: "DescribeConfigs of the broker", needs: []right{clusterRight(opDescribeConfigs)}, req: versioned(&kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}}}, 4)},
	{name: "AlterConfigs of a topic", needs: []right{topicRight(opAlterConfigs)}, req: versioned(&kmsg.AlterConfigsRequest{Resources: []kmsg.AlterConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}}, ValidateOnly: true}, 2)},
	{name: "IncrementalAlterConfigs of a topic", needs: []right{topicRight(opAlterConfigs)}, req: versioned(&kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"}}, ValidateOnly: true}, 1)},
	{name: "IncrementalAlterConfigs of the broker", needs: []right{clusterRight(opAlterConfigs)}, req: versioned(&kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}}, ValidateOnly: true}, 1)},
	{name: "DescribeConfigs of a group", needs: []right{groupRight(opDescribeConfigs)}, req: versioned(&kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g"}}}, 4)},
	{name: "IncrementalAlterConfigs of a group", needs: []right{groupRight(opAlterConfigs)}, req: versioned(&kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g"}}, ValidateOnly: true}, 1)},
	{name: "DescribeLogDirs", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.DescribeLogDirsRequest{}, 4)},
	{name: "CreatePartitions", needs: []right{topicRight(opAlter)}, req: versioned(&kmsg.CreatePartitionsRequest{Topics: []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 5}}, ValidateOnly: true}, 3)},
	{name: "DeleteGroups", needs: []right{{kmsg.ACLResourceTypeGroup, "none", opDelete}}, req: versioned(&kmsg.DeleteGroupsRequest{Groups: []string{"none"}}, 2)},
	{name: "OffsetDelete", needs: []right{groupRight(opDelete), topicRight(opRead)}, req: versioned(&kmsg.OffsetDeleteRequest{Group: "g", Topics: []kmsg.OffsetDeleteRequestTopic{
		{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 7}}}}}, 0)},
	{name: "AlterReplicaLogDirs", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{
		{Dir: "/nowhere", Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "t", Partitions: []int32{0}}}}}}, 2)},
	{name: "ElectLeaders", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.ElectLeadersRequest{}, 2)},
	{name: "AlterPartitionReassignments", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.AlterPartitionAssignmentsRequest{}, 1)},
	{name: "ListPartitionReassignments", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.ListPartitionReassignmentsRequest{}, 0)},
	{name: "AlterClientQuotas", needs: []right{clusterRight(opAlterConfigs)}, req: versioned(&kmsg.AlterClientQuotasRequest{Entries: []kmsg.AlterClientQuotasRequestEntry{{}}}, 1)},
	{name: "DescribeQuorum", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.DescribeQuorumRequest{}, 2)},
	{name: "UpdateFeatures", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.UpdateFeaturesRequest{}, 2)},
	{name: "ListConfigResources", needs: []right{clusterRight(opDescribeConfigs)}, req: versioned(&kmsg.ListConfigResourcesRequest{}, 1)},
	{name: "DescribeTopicPartitions", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.DescribeTopicPartitionsRequest{Topics: []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "t"}}}, 0)},
	{name: "DescribeTopicPartitions of all", needs: []right{topicRight(opDescribe)}, req: versioned(&kmsg.DescribeTopicPartitionsRequest{}, 0), shown: func(r kmsg.Response) bool {
		return len(r.(*kmsg.DescribeTopicPartitionsResponse).Topics) > 0
	}},
	{name: "DescribeClientQuotas", needs: []right{clusterRight(opDescribeConfigs)}, req: versioned(&kmsg.DescribeClientQuotasRequest{}, 1)},
	{name: "DescribeUserSCRAMCredentials", needs: []right{clusterRight(opDescribe)}, req: versioned(&kmsg.DescribeUserSCRAMCredentialsRequest{}, 0)},
	{name: "AlterUserSCRAMCredentials", needs: []right{clusterRight(opAlter)}, req: versioned(&kmsg.AlterUserSCRAMCredentialsRequest{Deletions: []kmsg.AlterUserSCRAMCredentialsRequestDeletion{{Name: "nobody", Mechanism: 1}}}, 0)},
	{name: "DescribeProducers", needs: []right{topicRight(opRead)}, req: versioned(&kmsg.DescribeProducersRequest{Topics: []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0}}}}, 0)},
	{name: "DescribeTransactions", needs: []right{txnRight(opDescribe)}, req: versioned(&kmsg.DescribeTransactionsRequest{TransactionalIDs: []string{"x"}}, 0)},
	{name: "ListTransactions", needs: []right{txnRight(opDescribe)}, req: versioned(&kmsg.ListTransactionsRequest{DurationFilterMillis: -1}, 1), shown: func(r kmsg.Response) bool {
		return len(r.(*kmsg.ListTransactionsResponse).TransactionStates) > 0
	}},
	{name: "ConsumerGroupHeartbeat", needs: []right{groupRight(opRead), topicRight(opDescribe)}, req: versioned(&kmsg.ConsumerGroupHeartbeatRequest{Group: "g", MemberID: member, MemberEpoch: 3, SubscribedTopicNames: []string{"t"}}, 1)},
	{name: "ConsumerGroupDescribe", needs: []right{groupRight(opDescribe)}, req: versioned(&kmsg.ConsumerGroupDescribeRequest{Groups: []string{"g"}}, 1)},
}

// free is what everybody may ask for.
var free = []kmsg.Key{kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate, kmsg.DescribeCluster}

func listsGroup(r kmsg.Response) bool { return len(r.(*kmsg.ListGroupsResponse).Groups) > 0 }

func createTopicRequest() kmsg.Request {
	return versioned(&kmsg.CreateTopicsRequest{ValidateOnly: true, TimeoutMillis: 1000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "new", NumPartitions: 1, ReplicationFactor: 1}}}, 7)
}

func markers() kmsg.Request {
	return versioned(&kmsg.WriteTxnMarkersRequest{Markers: []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 1, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: "nowhere", Partitions: []int32{0}}}}}}, 1)
}

// refused reports whether an answer says anywhere that something is not allowed.
func refused(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && refused(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if v.Type().Elem().Kind() == reflect.Struct && refused(v.Index(i)) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "ErrorCode" {
				switch int16(v.Field(i).Int()) {
				case kerr.TopicAuthorizationFailed.Code, kerr.GroupAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code, kerr.TransactionalIDAuthorizationFailed.Code:
					return true
				}
			} else if v.Type().Field(i).Name != "UnknownTags" && refused(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

// TestAccess: each API is refused without its rights, with all but one of them, and with the same rights to something
// else; and allowed with them. Every API that the broker serves is in the table.
func TestAccess(t *testing.T) {
	t.Parallel()
	b := start(t, secured)
	inside := client(t, b) // everything is allowed to it
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "gone", 1, nil)
	commit := versioned(&kmsg.OffsetCommitRequest{Group: "g", Generation: -1, Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{}}}}}, 8)
	_, err := commit.RequestWith(ctx(t), inside)
	require.NoError(t, err)
	root, alice := dialRaw(t, b), dialRaw(t, b)
	require.Zero(t, root.logIn("root", "canary-root"))
	require.Zero(t, alice.logIn("alice", "canary-alice"))
	open := kmsg.NewPtrInitProducerIDRequest()
	open.Version, open.TransactionalID, open.TransactionTimeoutMillis = 4, kmsg.StringPtr("x"), 60_000
	require.Zero(t, root.ask(open).(*kmsg.InitProducerIDResponse).ErrorCode)

	give := func(rights []right) {
		req := versioned(&kmsg.CreateACLsRequest{}, 3)
		for _, r := range rights {
			req.Creations = append(req.Creations, kmsg.CreateACLsRequestCreation{ResourceType: r.kind, ResourceName: r.name, ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral,
				Principal: "User:alice", Host: "*", Operation: r.op, PermissionType: kmsg.ACLPermissionTypeAllow})
		}
		for _, r := range root.ask(req).(*kmsg.CreateACLsResponse).Results {
			require.Zero(t, r.ErrorCode, "%v", r.ErrorMessage)
		}
	}
	takeAll := func() {
		req := versioned(&kmsg.DeleteACLsRequest{Filters: []kmsg.DeleteACLsRequestFilter{{ResourceType: kmsg.ACLResourceTypeAny, ResourcePatternType: kmsg.ACLResourcePatternTypeAny,
			Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}}}, 3)
		require.Zero(t, root.ask(req).(*kmsg.DeleteACLsResponse).Results[0].ErrorCode)
	}
	allowed := func(a access, rights ...right) bool {
		give(rights)
		defer takeAll()
		resp := alice.ask(a.req)
		if a.shown != nil {
			return a.shown(resp)
		}
		return !refused(reflect.ValueOf(resp))
	}
	covered := map[int16]bool{}
	for _, a := range accesses {
		covered[a.req.Key()] = true
		require.False(t, allowed(a), "%s without any right", a.name)
		var elsewhere []right
		for i, r := range a.needs {
			require.False(t, len(a.needs) > 1 && allowed(a, slices.Delete(slices.Clone(a.needs), i, i+1)...), "%s without %v", a.name, r)
			if r.kind == kmsg.ACLResourceTypeCluster {
				r.op = opCreate + opDelete + opAlter - r.op // another operation: there is only one cluster
				if r.op < opRead || r.op > opIdempotentWrite || slices.ContainsFunc(a.needs, func(n right) bool { return n.op == r.op }) {
					r.op = kmsg.ACLOperationCreateTokens
				}
			}
			if r.kind != kmsg.ACLResourceTypeCluster {
				r.name = "elsewhere"
			}
			elsewhere = append(elsewhere, r)
		}
		if a.name != "InitProducerID by a topic" { // which asks for any topic
			require.False(t, allowed(a, elsewhere...), "%s with rights to something else", a.name)
		}
		require.True(t, allowed(a, a.needs...), "%s with its rights", a.name)
	}
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "raw", "1"
	for _, k := range alice.ask(versions).(*kmsg.ApiVersionsResponse).ApiKeys {
		require.True(t, covered[k.ApiKey] || slices.Contains(free, kmsg.Key(k.ApiKey)), "no test says who may ask for %s", kmsg.NameForKey(k.ApiKey))
	}
}

// TestNamesDoNotLeak: a client that may not see a topic cannot tell it from one that is not there, by id neither.
func TestNamesDoNotLeak(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) { secured(c); c.AutoCreateTopics = false })
	createTopic(t, b, "hidden", 1, nil)
	ask := func(user string, topic kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
		c := dialRaw(t, b)
		require.Zero(t, c.logIn(user, "canary-"+user))
		return c.ask(versioned(&kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{topic}}, 12)).(*kmsg.MetadataResponse).Topics[0]
	}
	seen := ask("root", kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr("hidden")})
	require.Zero(t, seen.ErrorCode)
	for _, name := range []string{"hidden", "absent"} {
		got := ask("alice", kmsg.MetadataRequestTopic{Topic: &name})
		require.Equal(t, kerr.TopicAuthorizationFailed.Code, got.ErrorCode, name)
		require.Zero(t, got.TopicID)
	}
	byID := ask("alice", kmsg.MetadataRequestTopic{TopicID: seen.TopicID})
	require.Equal(t, kerr.UnknownTopicID.Code, byID.ErrorCode)
	require.Nil(t, byID.Topic)
}
