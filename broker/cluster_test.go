package broker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// TestElectLeaders: the one broker leads everything, which is told of the partitions that are asked for.
func TestElectLeaders(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 2, nil)
	r := dialWire(t, b)
	for version := int16(0); version <= 2; version++ {
		resp := do[*kmsg.ElectLeadersResponse](r, version, &kmsg.ElectLeadersRequest{Topics: []kmsg.ElectLeadersRequestTopic{
			{Topic: "t", Partitions: []int32{0, 7}}, {Topic: "nowhere", Partitions: []int32{0}}}})
		require.Zero(t, resp.ErrorCode)
		require.Equal(t, kerr.ElectionNotNeeded.Code, resp.Topics[0].Partitions[0].ErrorCode)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, resp.Topics[0].Partitions[1].ErrorCode)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, resp.Topics[1].Partitions[0].ErrorCode)
		all := do[*kmsg.ElectLeadersResponse](r, version, &kmsg.ElectLeadersRequest{})
		require.Equal(t, "t", all.Topics[0].Topic)
		require.Empty(t, all.Topics[0].Partitions, "what needs no election is not told when all are asked for")
	}
	odd := do[*kmsg.ElectLeadersResponse](r, 2, &kmsg.ElectLeadersRequest{ElectionType: 5, Topics: []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}})
	require.Equal(t, kerr.InvalidRequest.Code, odd.ErrorCode)
	require.Equal(t, kerr.InvalidRequest.Code, odd.Topics[0].Partitions[0].ErrorCode)
}

// TestReassignments: a partition can be assigned to the broker it is on and to nothing else.
func TestReassignments(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	alter := func(topic string, partition int32, replicas []int32) int16 {
		resp := do[*kmsg.AlterPartitionAssignmentsResponse](r, 1, &kmsg.AlterPartitionAssignmentsRequest{Topics: []kmsg.AlterPartitionAssignmentsRequestTopic{
			{Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: partition, Replicas: replicas}}}}})
		require.Zero(t, resp.ErrorCode)
		return resp.Topics[0].Partitions[0].ErrorCode
	}
	require.Zero(t, alter("t", 0, []int32{1}))
	require.Equal(t, kerr.InvalidReplicaAssignment.Code, alter("t", 0, []int32{1, 2}), "there is no broker 2")
	require.Equal(t, kerr.InvalidReplicaAssignment.Code, alter("t", 0, []int32{1, 1}))
	require.Equal(t, kerr.InvalidReplicaAssignment.Code, alter("t", 0, []int32{}))
	require.Equal(t, kerr.NoReassignmentInProgress.Code, alter("t", 0, nil))
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, alter("t", 1, []int32{1}))
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, alter("nowhere", 0, []int32{1}))
	list := do[*kmsg.ListPartitionReassignmentsResponse](r, 0, &kmsg.ListPartitionReassignmentsRequest{})
	require.Zero(t, list.ErrorCode)
	require.Empty(t, list.Topics)

	move := func(dir string, partition int32) int16 {
		resp := do[*kmsg.AlterReplicaLogDirsResponse](r, 2, &kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{
			{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "t", Partitions: []int32{partition}}}}}})
		return resp.Topics[0].Partitions[0].ErrorCode
	}
	here := do[*kmsg.DescribeLogDirsResponse](r, 4, &kmsg.DescribeLogDirsRequest{}).Dirs[0].Dir
	require.Zero(t, move(here, 0))
	require.Equal(t, kerr.ReplicaNotAvailable.Code, move(here, 1))
	require.Equal(t, kerr.LogDirNotFound.Code, move("/nowhere", 0))
}

// TestDescribeQuorum: the one broker is the quorum, and there is no other topic of metadata.
func TestDescribeQuorum(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	r := dialWire(t, b)
	ask := func(version int16, topic string, partition int32) *kmsg.DescribeQuorumResponse {
		return do[*kmsg.DescribeQuorumResponse](r, version, &kmsg.DescribeQuorumRequest{Topics: []kmsg.DescribeQuorumRequestTopic{
			{Topic: topic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{Partition: partition}}}}})
	}
	for version := int16(0); version <= 2; version++ {
		resp := ask(version, "__cluster_metadata", 0)
		p := resp.Topics[0].Partitions[0]
		require.Zero(t, p.ErrorCode)
		require.EqualValues(t, 1, p.LeaderID)
		require.Len(t, p.CurrentVoters, 1)
		require.EqualValues(t, 1, p.CurrentVoters[0].ReplicaID)
		require.Empty(t, p.Observers)
		require.Equal(t, version >= 2, len(resp.Nodes) == 1)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, ask(version, "__cluster_metadata", 1).Topics[0].Partitions[0].ErrorCode)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, ask(version, "t", 0).Topics[0].Partitions[0].ErrorCode)
	}
}

// TestLogLevelsAreRefused: who asks for the log levels of the broker, or sets one, is told where that is done.
func TestLogLevelsAreRefused(t *testing.T) {
	t.Parallel()
	r := dialWire(t, start(t, nil))
	describe := do[*kmsg.DescribeConfigsResponse](r, 4, &kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeBrokerLogger, ResourceName: "1"}}}).Resources[0]
	require.Equal(t, kerr.InvalidRequest.Code, describe.ErrorCode)
	require.Contains(t, *describe.ErrorMessage, "--log-level")
	alter := do[*kmsg.IncrementalAlterConfigsResponse](r, 1, &kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeBrokerLogger, ResourceName: "1"}}}).Resources[0]
	require.Equal(t, kerr.InvalidRequest.Code, alter.ErrorCode)
	require.Contains(t, *alter.ErrorMessage, "--log-level")
}

// TestUpdateFeatures: the levels of the features are what they are.
func TestUpdateFeatures(t *testing.T) {
	t.Parallel()
	r := dialWire(t, start(t, nil))
	update := func(version int16, updates ...kmsg.UpdateFeaturesRequestFeatureUpdate) *kmsg.UpdateFeaturesResponse {
		return do[*kmsg.UpdateFeaturesResponse](r, version, &kmsg.UpdateFeaturesRequest{FeatureUpdates: updates})
	}
	same := kmsg.UpdateFeaturesRequestFeatureUpdate{Feature: "group.version", MaxVersionLevel: 1, UpgradeType: 1}
	higher, unknown := same, same
	higher.MaxVersionLevel, unknown.Feature = 9, "nonsense"
	require.Zero(t, update(2, same).ErrorCode)
	require.Equal(t, kerr.InvalidUpdateVersion.Code, update(2, unknown, same).ErrorCode)
	require.Equal(t, kerr.InvalidUpdateVersion.Code, update(2, higher).ErrorCode)
	require.Equal(t, kerr.InvalidRequest.Code, update(2, same, same).ErrorCode)
	old := update(1, same, unknown)
	require.Zero(t, old.ErrorCode)
	require.Zero(t, old.Results[0].ErrorCode)
	require.Equal(t, kerr.InvalidUpdateVersion.Code, old.Results[1].ErrorCode)
}

// TestListConfigResources: version 0 asks for subscriptions to metrics, of which there are none; version 1 says which
// kinds it asks for.
func TestListConfigResources(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "t", 1, nil)
	r := dialWire(t, b)
	list := func(version int16, kinds ...int8) *kmsg.ListConfigResourcesResponse {
		return do[*kmsg.ListConfigResourcesResponse](r, version, &kmsg.ListConfigResourcesRequest{ResourceTypes: kinds})
	}
	topic, node := kmsg.ListConfigResourcesResponseConfigResource{Name: "t", Type: 2}, kmsg.ListConfigResourcesResponseConfigResource{Name: "1", Type: 4}
	require.Empty(t, list(0).ConfigResources)
	require.Equal(t, []kmsg.ListConfigResourcesResponseConfigResource{topic, node}, list(1).ConfigResources)
	require.Equal(t, []kmsg.ListConfigResourcesResponseConfigResource{node}, list(1, 4).ConfigResources)
	require.Empty(t, list(1, 16, 32).ConfigResources)
	require.Zero(t, alterGroup(r, "g", false, "consumer.session.timeout.ms=50000").ErrorCode)
	group := kmsg.ListConfigResourcesResponseConfigResource{Name: "g", Type: 32}
	require.Equal(t, []kmsg.ListConfigResourcesResponseConfigResource{group}, list(1, 16, 32).ConfigResources)
	require.Equal(t, []kmsg.ListConfigResourcesResponseConfigResource{topic, node, group}, list(1).ConfigResources)
	require.Equal(t, kerr.UnsupportedVersion.Code, list(1, 3).ErrorCode)
}

// TestDescribeTopicPartitions: a page at a time, in the order of names.
func TestDescribeTopicPartitions(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	createTopic(t, b, "b", 3, nil)
	createTopic(t, b, "a", 1, nil)
	r := dialWire(t, b)
	ask := func(limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, names ...string) *kmsg.DescribeTopicPartitionsResponse {
		req := &kmsg.DescribeTopicPartitionsRequest{ResponsePartitionLimit: limit, Cursor: cursor}
		for _, n := range names {
			req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: n})
		}
		return do[*kmsg.DescribeTopicPartitionsResponse](r, 0, req)
	}
	type place struct {
		topic     string
		partition int32
	}
	for limit := int32(0); limit <= 5; limit++ {
		var got []place
		var cursor *kmsg.DescribeTopicPartitionsRequestCursor
		for page := 0; page == 0 || cursor != nil; page++ {
			require.Less(t, page, 10)
			resp := ask(limit, cursor)
			for _, st := range resp.Topics {
				require.Zero(t, st.ErrorCode)
				require.NotZero(t, st.TopicID)
				for _, p := range st.Partitions {
					require.Equal(t, []int32{1}, p.ISR)
					got = append(got, place{*st.Topic, p.Partition})
				}
			}
			cursor = nil
			if c := resp.NextCursor; c != nil {
				cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: c.Topic, Partition: c.Partition}
			}
		}
		require.Equal(t, []place{{"a", 0}, {"b", 0}, {"b", 1}, {"b", 2}}, got, "limit %d", limit)
	}
	some := ask(2000, nil, "nowhere", "no spaces", "b", "b")
	require.Len(t, some.Topics, 3)
	require.Len(t, some.Topics[0].Partitions, 3)
	require.Equal(t, kerr.InvalidTopicException.Code, some.Topics[1].ErrorCode)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, some.Topics[2].ErrorCode)
	for _, bad := range []kmsg.DescribeTopicPartitionsRequestCursor{{Topic: "b", Partition: -2}, {Topic: "z"}} {
		require.Equal(t, kerr.InvalidRequest.Code, ask(2000, &bad, "b").Topics[0].ErrorCode)
	}
}

// TestQuotas: quotas are kept, shown and, where they are about bytes, held to.
func TestQuotas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, func(c *broker.Config) { c.Dir = dir })
	name := func(s string) *string { return &s }
	entity := func(kind string, name *string) kmsg.AlterClientQuotasRequestEntryEntity {
		return kmsg.AlterClientQuotasRequestEntryEntity{Type: kind, Name: name}
	}
	set := func(key string, v float64) kmsg.AlterClientQuotasRequestEntryOp {
		return kmsg.AlterClientQuotasRequestEntryOp{Key: key, Value: v}
	}
	alter := func(r *wireConn, ops []kmsg.AlterClientQuotasRequestEntryOp, e ...kmsg.AlterClientQuotasRequestEntryEntity) int16 {
		return do[*kmsg.AlterClientQuotasResponse](r, 1, &kmsg.AlterClientQuotasRequest{Entries: []kmsg.AlterClientQuotasRequestEntry{{Entity: e, Ops: ops}}}).Entries[0].ErrorCode
	}
	ops := func(o ...kmsg.AlterClientQuotasRequestEntryOp) []kmsg.AlterClientQuotasRequestEntryOp { return o }
	r := dialWire(t, b)
	require.Zero(t, alter(r, ops(set("producer_byte_rate", 1e6), set("request_percentage", 1.5)), entity("user", nil)))
	require.Zero(t, alter(r, ops(set("consumer_byte_rate", 5)), entity("client-id", name("c")), entity("user", name("u"))))
	require.Zero(t, alter(r, ops(set("connection_creation_rate", 5)), entity("ip", name("127.0.0.1"))))
	require.Zero(t, alter(r, ops(kmsg.AlterClientQuotasRequestEntryOp{Key: "producer_byte_rate", Remove: true}), entity("user", name("nobody"))), "what is not there can be removed")
	for what, code := range map[string]int16{
		"key":      alter(r, ops(set("nonsense", 1)), entity("user", nil)),
		"type":     alter(r, ops(set("producer_byte_rate", 1)), entity("nonsense", nil)),
		"nothing":  alter(r, ops(set("producer_byte_rate", 1))),
		"mix":      alter(r, ops(set("producer_byte_rate", 1)), entity("user", nil), entity("ip", nil)),
		"address":  alter(r, ops(set("connection_creation_rate", 1)), entity("ip", name("nowhere"))),
		"ip key":   alter(r, ops(set("producer_byte_rate", 1)), entity("ip", nil)),
		"zero":     alter(r, ops(set("producer_byte_rate", 0)), entity("user", nil)),
		"fraction": alter(r, ops(set("producer_byte_rate", 1.5)), entity("user", nil)),
		"empty":    alter(r, ops(set("producer_byte_rate", 1)), entity("user", name(""))),
		"twice":    alter(r, ops(set("producer_byte_rate", 1), set("producer_byte_rate", 2)), entity("user", nil)),
	} {
		require.Equal(t, kerr.InvalidRequest.Code, code, what)
	}

	// They outlive the broker.
	require.NoError(t, b.Close())
	b = start(t, func(c *broker.Config) { c.Dir = dir })
	r = dialWire(t, b)
	describe := func(strict bool, c ...kmsg.DescribeClientQuotasRequestComponent) *kmsg.DescribeClientQuotasResponse {
		return do[*kmsg.DescribeClientQuotasResponse](r, 1, &kmsg.DescribeClientQuotasRequest{Components: c, Strict: strict})
	}
	match := func(kind string, m kmsg.QuotasMatchType, name *string) kmsg.DescribeClientQuotasRequestComponent {
		return kmsg.DescribeClientQuotasRequestComponent{EntityType: kind, MatchType: m, Match: name}
	}
	const exact, byDefault, anyName = kmsg.QuotasMatchTypeExact, kmsg.QuotasMatchTypeDefault, kmsg.QuotasMatchTypeAny
	require.Len(t, describe(false).Entries, 3)
	require.Empty(t, describe(true).Entries)
	require.Len(t, describe(false, match("user", anyName, nil)).Entries, 2)
	require.Len(t, describe(true, match("user", anyName, nil)).Entries, 1)
	require.Len(t, describe(false, match("user", exact, name("u"))).Entries, 1)
	require.Empty(t, describe(true, match("user", exact, name("u"))).Entries)
	def := describe(false, match("user", byDefault, nil)).Entries
	require.Len(t, def, 1)
	require.Nil(t, def[0].Entity[0].Name)
	require.Equal(t, []kmsg.DescribeClientQuotasResponseEntryValue{{Key: "producer_byte_rate", Value: 1e6}, {Key: "request_percentage", Value: 1.5}}, def[0].Values)
	require.Equal(t, kerr.UnsupportedVersion.Code, describe(false, match("nonsense", anyName, nil)).ErrorCode)
	for _, bad := range [][]kmsg.DescribeClientQuotasRequestComponent{
		{match("", anyName, nil)}, {match("user", anyName, nil), match("user", byDefault, nil)}, {match("user", exact, nil)},
		{match("user", byDefault, name("u"))}, {match("user", anyName, name("u"))}, {match("user", 7, nil)}, {match("ip", anyName, nil), match("user", anyName, nil)},
	} {
		require.Equal(t, kerr.InvalidRequest.Code, describe(false, bad...).ErrorCode, "%+v", bad)
	}

	// 1 MB/s: the second MB is answered with the time that it is early, and what comes after it waits that long.
	createTopic(t, b, "t", 1, nil)
	big := batch{values: []string{string(make([]byte, 900_000))}}.bytes()
	send := func() *kmsg.ProduceResponse {
		return do[*kmsg.ProduceResponse](r, 9, &kmsg.ProduceRequest{Acks: 1, TimeoutMillis: 1000, Topics: []kmsg.ProduceRequestTopic{
			{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: big}}}}})
	}
	require.Zero(t, send().ThrottleMillis)
	before, wait := time.Now(), send().ThrottleMillis
	for tries := 0; wait == 0 && tries < 50; tries++ { // on a busy machine it may come too late to be early
		before, wait = time.Now(), send().ThrottleMillis
	}
	require.Positive(t, wait)
	describe(false)
	require.GreaterOrEqual(t, time.Since(before), time.Duration(wait)*time.Millisecond, "the connection is not read in between")
}

// TestDescribeBrokerConfigs: what a client needs to know of the broker is there, as it sees it.
func TestDescribeBrokerConfigs(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0"; c.Groups.MinSessionTimeout = 123 * time.Millisecond })
	resp := dialRaw(t, b).ask(versioned(&kmsg.DescribeConfigsRequest{Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}}}, 4)).(*kmsg.DescribeConfigsResponse).Resources[0]
	require.Zero(t, resp.ErrorCode)
	got := map[string]kmsg.DescribeConfigsResponseResourceConfig{}
	for _, c := range resp.Configs {
		got[c.Name] = c
	}
	for name, want := range map[string]string{
		"advertised.listeners": "PLAINTEXT://" + b.Addr(), "node.id": "1", "group.min.session.timeout.ms": "123", "log.cleaner.backoff.ms": "15000",
	} {
		c := got[name]
		require.NotNil(t, c.Value, name)
		require.Equal(t, want, *c.Value, name)
		require.True(t, c.ReadOnly, name)
		require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, c.Source, name)
	}
	require.Equal(t, kmsg.ConfigTypeInt, got["log.cleaner.backoff.ms"].ConfigType)
	for name, v := range map[string]string{"group.max.session.timeout.ms": "1800000", "group.consumer.session.timeout.ms": "45000",
		"group.consumer.max.heartbeat.interval.ms": "15000", "group.max.size": "1000", "offset.metadata.max.bytes": "4096"} {
		require.Equal(t, v, *got[name].Value, name)
	}
	require.False(t, got["log.retention.ms"].ReadOnly)
}

// TestBrokerDefaults: the broker without a name is the default of all brokers, and has what was set and nothing else.
func TestBrokerDefaults(t *testing.T) {
	t.Parallel()
	r := dialWire(t, start(t, nil))
	describe := func() []kmsg.DescribeConfigsResponseResourceConfig {
		resp := do[*kmsg.DescribeConfigsResponse](r, 4, &kmsg.DescribeConfigsRequest{IncludeSynonyms: true, Resources: []kmsg.DescribeConfigsRequestResource{
			{ResourceType: kmsg.ConfigResourceTypeBroker}}}).Resources[0]
		require.Zero(t, resp.ErrorCode)
		return resp.Configs
	}
	alter := func(op kmsg.IncrementalAlterConfigOp, name string, value *string) int16 {
		return do[*kmsg.IncrementalAlterConfigsResponse](r, 1, &kmsg.IncrementalAlterConfigsRequest{Resources: []kmsg.IncrementalAlterConfigsRequestResource{
			{ResourceType: kmsg.ConfigResourceTypeBroker, Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Op: op, Value: value}}}}}).Resources[0].ErrorCode
	}
	require.Empty(t, describe())
	require.Zero(t, alter(kmsg.IncrementalAlterConfigOpSet, "log.retention.ms", kmsg.StringPtr("5000")))
	got := describe()
	require.Len(t, got, 1)
	require.Equal(t, "5000", *got[0].Value)
	require.Equal(t, kmsg.ConfigSourceDynamicDefaultBrokerConfig, got[0].Source)
	require.Len(t, got[0].ConfigSynonyms, 1)
	require.Zero(t, alter(kmsg.IncrementalAlterConfigOpDelete, "log.retention.ms", nil))
	require.Empty(t, describe())
	require.Zero(t, alter(kmsg.IncrementalAlterConfigOpDelete, "leader.replication.throttled.rate", nil), "as Kafka's tool does after a reassignment")
	require.Equal(t, kerr.InvalidConfig.Code, alter(kmsg.IncrementalAlterConfigOpSet, "leader.replication.throttled.rate", kmsg.StringPtr("1")))
	require.Equal(t, kerr.InvalidConfig.Code, alter(kmsg.IncrementalAlterConfigOpDelete, "node.id", nil))
}
