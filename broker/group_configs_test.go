package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// alterGroup sets configs of a group, "name=value", or deletes them, "name".
func alterGroup(r *wireConn, group string, dryRun bool, changes ...string) kmsg.IncrementalAlterConfigsResponseResource {
	r.t.Helper()
	rr := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: group}
	for _, c := range changes {
		name, value, set := strings.Cut(c, "=")
		rc := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: kmsg.IncrementalAlterConfigOpDelete}
		if set {
			rc.Op, rc.Value = kmsg.IncrementalAlterConfigOpSet, &value
		}
		rr.Configs = append(rr.Configs, rc)
	}
	req := &kmsg.IncrementalAlterConfigsRequest{ValidateOnly: dryRun, Resources: []kmsg.IncrementalAlterConfigsRequestResource{rr}}
	return do[*kmsg.IncrementalAlterConfigsResponse](r, 1, req).Resources[0]
}

// describeGroup returns "name=value source" of each config of a group, then those of its synonyms.
func describeGroup(r *wireConn, group string) (configs, synonyms []string) {
	r.t.Helper()
	resp := do[*kmsg.DescribeConfigsResponse](r, 4, &kmsg.DescribeConfigsRequest{IncludeSynonyms: true, Resources: []kmsg.DescribeConfigsRequestResource{
		{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: group}}}).Resources[0]
	require.Zero(r.t, resp.ErrorCode)
	for _, c := range resp.Configs {
		configs = append(configs, c.Name+"="+*c.Value+" "+c.Source.String())
		for _, s := range c.ConfigSynonyms {
			synonyms = append(synonyms, s.Name+"="+*s.Value+" "+s.Source.String())
		}
	}
	return configs, synonyms
}

// TestGroupConfigs: a group has what was set on it and else what the broker has, within the broker's bounds.
func TestGroupConfigs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bounds := broker.Groups{MaxConsumerSessionTimeout: 100 * time.Second, MaxConsumerHeartbeatInterval: 55 * time.Second, ConsumerHeartbeatInterval: 7 * time.Second}
	b := start(t, func(c *broker.Config) { c.Dir, c.Groups = dir, bounds })
	r := dialWire(t, b)
	defaults := []string{"consumer.assignment.interval.ms=1000 DEFAULT_CONFIG", "consumer.heartbeat.interval.ms=7000 STATIC_BROKER_CONFIG", "consumer.session.timeout.ms=45000 DEFAULT_CONFIG"}
	got, synonyms := describeGroup(r, "g")
	require.Equal(t, defaults, got)
	require.Equal(t, []string{"group.consumer.assignment.interval.ms=1000 DEFAULT_CONFIG", "group.consumer.heartbeat.interval.ms=7000 STATIC_BROKER_CONFIG",
		"group.consumer.session.timeout.ms=45000 DEFAULT_CONFIG"}, synonyms)

	for _, x := range []struct{ change, says string }{
		{"consumer.session.timeout.ms=44999", "greater than or equal to group.consumer.min.session.timeout.ms"},
		{"consumer.session.timeout.ms=100001", "less than or equal to group.consumer.max.session.timeout.ms"},
		{"consumer.heartbeat.interval.ms=4999", "greater than or equal to group.consumer.min.heartbeat.interval.ms"},
		{"consumer.heartbeat.interval.ms=55001", "less than or equal to group.consumer.max.heartbeat.interval.ms"},
		{"consumer.heartbeat.interval.ms=45000", "must be greater than consumer.heartbeat.interval.ms"},
		{"consumer.session.timeout.ms=abc", "whole number"},
		{"share.auto.offset.reset=earliest", "unknown group config name: share.auto.offset.reset"},
	} {
		resp := alterGroup(r, "g", false, x.change)
		require.Equal(t, kerr.InvalidConfig.Code, resp.ErrorCode, x.change)
		require.Contains(t, *resp.ErrorMessage, x.says)
	}
	require.Equal(t, kerr.InvalidRequest.Code, alterGroup(r, "", false, "consumer.session.timeout.ms=50000").ErrorCode)
	require.Zero(t, alterGroup(r, "g", true, "consumer.session.timeout.ms=50000").ErrorCode)
	got, _ = describeGroup(r, "g")
	require.Equal(t, defaults, got)

	require.Zero(t, alterGroup(r, "g", false, "consumer.session.timeout.ms= 90000", "consumer.heartbeat.interval.ms=50000", "unknown").ErrorCode)
	set := []string{defaults[0], "consumer.heartbeat.interval.ms=50000 GROUP_CONFIG", "consumer.session.timeout.ms=90000 GROUP_CONFIG"}
	got, synonyms = describeGroup(r, "g")
	require.Equal(t, set, got)
	require.Len(t, synonyms, 5)
	other, _ := describeGroup(r, "h")
	require.Equal(t, defaults, other)
	heartbeat := func(r *wireConn, group string) int32 {
		resp := do[*kmsg.ConsumerGroupHeartbeatResponse](r, 1, &kmsg.ConsumerGroupHeartbeatRequest{
			Group: group, MemberID: "m", RebalanceTimeoutMillis: 1000, SubscribedTopicNames: []string{"t"}, Topics: []kmsg.ConsumerGroupHeartbeatRequestTopic{}})
		require.Zero(t, resp.ErrorCode)
		return resp.HeartbeatIntervalMillis
	}
	require.EqualValues(t, 50000, heartbeat(r, "g"))
	require.EqualValues(t, 7000, heartbeat(r, "h"))

	// They outlive the broker; where the bounds have become narrower, they are moved into them.
	require.NoError(t, b.Close())
	b = start(t, func(c *broker.Config) { c.Dir = dir })
	r = dialWire(t, b)
	got, _ = describeGroup(r, "g")
	require.Equal(t, []string{defaults[0], "consumer.heartbeat.interval.ms=15000 GROUP_CONFIG", "consumer.session.timeout.ms=60000 GROUP_CONFIG"}, got)
	require.EqualValues(t, 15000, heartbeat(r, "g"))
	require.Zero(t, alterGroup(r, "g", false, "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms").ErrorCode)
	require.NoError(t, b.Close())
	r = dialWire(t, start(t, func(c *broker.Config) { c.Dir = dir }))
	got, _ = describeGroup(r, "g")
	require.Equal(t, []string{defaults[0], "consumer.heartbeat.interval.ms=5000 DEFAULT_CONFIG", defaults[2]}, got)
}

// TestGroupConfigsAreBounded: there are no more groups with configs than there can be groups.
func TestGroupConfigsAreBounded(t *testing.T) {
	t.Parallel()
	r := dialWire(t, start(t, func(c *broker.Config) { c.Groups.MaxGroups = 1 }))
	require.Zero(t, alterGroup(r, "g", false, "consumer.session.timeout.ms=50000").ErrorCode)
	require.Equal(t, kerr.PolicyViolation.Code, alterGroup(r, "h", false, "consumer.session.timeout.ms=50000").ErrorCode)
	require.Zero(t, alterGroup(r, "h", false, "consumer.session.timeout.ms").ErrorCode)
	require.Zero(t, alterGroup(r, "g", false, "consumer.session.timeout.ms").ErrorCode)
	require.Zero(t, alterGroup(r, "h", false, "consumer.session.timeout.ms=50000").ErrorCode)
}
