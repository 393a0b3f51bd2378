package kafka

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

const (
	repartition = "app-by"
	countsTopic = "app-counts-changelog"
)

func TestPrepareMakesWhatIsMissingAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("in", 3)
	p, err := c.prepare(c.config(), counts(t))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{repartition, countsTopic}, p.Created)
	require.Empty(t, p.Existing)
	topics, err := c.adm.ListTopics(c.ctx, repartition, countsTopic)
	require.NoError(t, err)
	require.Len(t, topics[repartition].Partitions, 3)
	require.Len(t, topics[countsTopic].Partitions, 3)

	p, err = c.prepare(c.config(), counts(t))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{repartition, countsTopic}, p.Existing)
	require.Empty(t, p.Created)
}

func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name string
		make func(c *cluster)
		says string
	}{
		{"an input that is not there", func(*cluster) {}, "topic"},
		{"a repartition topic of other partitions", func(c *cluster) { c.topic("in", 3); c.topic(repartition, 2, "cleanup.policy", "delete") }, "internal topic " + repartition + " has 2 partitions, but the topology needs 3"},
		{"a changelog of other partitions", func(c *cluster) { c.topic("in", 3); c.topic(countsTopic, 4, "cleanup.policy", "compact") }, "internal topic " + countsTopic + " has 4 partitions, but the topology needs 3"},
		{"a changelog that forgets", func(c *cluster) { c.topic("in", 1); c.topic(countsTopic, 1, "cleanup.policy", "delete") }, "internal topic " + countsTopic + " has cleanup.policy=delete, but needs compact"},
		{"a changelog that forgets, too", func(c *cluster) { c.topic("in", 1); c.topic(countsTopic, 1, "cleanup.policy", "compact,delete") }, "has cleanup.policy=compact,delete, but needs compact"},
		{"a repartition topic that is compacted", func(c *cluster) { c.topic("in", 1); c.topic(repartition, 1, "cleanup.policy", "compact") }, "internal topic " + repartition + " has cleanup.policy=compact, but needs delete"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			x.make(c)
			_, err := c.prepare(c.config(), counts(t))
			require.ErrorContains(t, err, x.says)
			require.NotContains(t, err.Error(), "\n")
			require.ErrorAs(t, err, new(*runtime.LocalError))
			require.False(t, Restartable(err))
		})
	}
}

// Exactly-once needs offsets that are committed with the group's generation (KIP-447): a broker that does not know them is named, and nothing is made on it.
func TestPrepareRefusesABrokerThatIsTooOldForExactlyOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("in", 1)
	cfg := c.config()
	cfg.Options = append(cfg.Options, c.old(int16(kmsg.TxnOffsetCommit), 2))
	cfg.ExactlyOnce = true
	_, err := c.prepare(cfg, counts(t))
	require.ErrorContains(t, err, "Config.Guarantee is exactly_once_v2, but broker ")
	require.ErrorContains(t, err, "is too old for it: use Apache Kafka 2.5 or newer, or streams.AtLeastOnce")
	require.False(t, Restartable(err))
	topics, err := c.adm.ListTopics(c.ctx)
	require.NoError(t, err)
	require.False(t, topics.Has(countsTopic))
	cfg.ExactlyOnce = false
	_, err = c.prepare(cfg, counts(t))
	require.NoError(t, err)
}

func TestPrepareNamesTheBrokerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	cfg := c.config()
	cfg.Seeds, cfg.Options = []string{"127.0.0.1:1"}, nil
	_, err := Prepare(c.ctx, cfg, counts(t), nil, 1)
	require.ErrorContains(t, err, "no broker answers at 127.0.0.1:1: is it running, and is Config.BootstrapServers right?")
	require.True(t, Restartable(err), "it may come")
}

func TestPlanSaysWhereASourceStarts(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.AddRepartitionTopic(topology.RepartitionTopic{Name: "by"})
	source := func(name string, topics []string, p *regexp.Regexp, r topology.Reset) {
		top.AddSource(topology.SourceSpec[string, string]{Name: name, Topics: topics, Pattern: p, Key: serde.String, Value: serde.String, Reset: r}).
			Sink("to-"+name, map[bool]string{true: "by", false: "out"}[name == "a"], serde.String, serde.String)
	}
	latest := topology.Reset{Kind: topology.ResetLatest}
	hour := topology.Reset{Kind: topology.ResetByDuration, Back: time.Hour.Milliseconds()}
	source("a", []string{"a", "a2"}, nil, latest)
	source("b", []string{"b"}, nil, topology.Reset{})
	source("c", nil, regexp.MustCompile("^c-.*"), hour)
	source("d", []string{"by"}, nil, topology.Reset{})
	require.NoError(t, top.Err())
	p := &Plan{Topology: top, ApplicationID: "app", Subs: top.Subtopologies()}
	for topic, want := range map[string]topology.Reset{
		"a": latest, "a2": latest, "b": {Kind: topology.ResetLatest}, "c-1": hour, repartition: {Kind: topology.ResetEarliest},
	} {
		require.Equal(t, want, p.Reset(topic, topology.ResetLatest), topic)
	}
	require.Equal(t, topology.Reset{Kind: topology.ResetEarliest}, p.Reset("b", topology.ResetEarliest))
}
