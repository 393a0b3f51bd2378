package topology_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

func pass(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
	return topology.ProcessorFunc[string, string](func(context.Context, record) error { return nil }), nil
}

func put(c *topology.Context) (topology.Processor[string, string], error) {
	return topology.ProcessorFunc[string, string](func(context.Context, record) error { return nil }), nil
}

func kv(name string, o ...state.Option) state.Definition[state.KeyValueStore[string, string]] {
	return state.KeyValue(name, serde.String, serde.String, o...)
}

// orders has two sub-topologies with a repartition topic between them, and a global store.
func orders() *topology.Topology {
	top := topology.New()
	top.AddRepartitionTopic(topology.RepartitionTopic{Name: "by-user-repartition"})
	counts := top.AddStore(kv("counts"))
	src := top.Source("orders-source", serde.String, serde.String, "orders", "returns")
	key := src.Process("key", pass)
	key.Sink("by-user-sink", "by-user-repartition", serde.String, serde.String)
	top.GlobalStore("rates", kv("rates-store"), "rates", serde.String, serde.String, put)
	by := top.Source("by-user-source", serde.String, serde.String, "by-user-repartition")
	count := by.Process("count", pass, counts)
	count.Sink("out", "counts", serde.String, serde.String)
	by.AddSink(topology.SinkSpec[string, string]{Name: "routed", Key: serde.String, Value: serde.String, DynamicName: "byUser",
		Dynamic: func(record, topology.RecordMetadata) string { return "x" }})
	topology.ConnectProcessor(topology.NodeSpec{Name: "audit", Stores: []string{"log", "counts"}}, pass, count)
	top.AddStore(kv("log", state.WithoutLogging()))
	return top
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	top := orders()
	require.NoError(t, top.Err())
	require.Equal(t, strings.Join([]string{
		"Topologies:",
		"   Sub-topology: 0",
		"    Source: orders-source (topics: [orders, returns])",
		"      --> key",
		"    Processor: key (stores: [])",
		"      --> by-user-sink",
		"      <-- orders-source",
		"    Sink: by-user-sink (topic: by-user-repartition)",
		"      <-- key",
		"",
		"  Sub-topology: 1 for global store (will not generate tasks)",
		"    Source: rates-source (topics: [rates])",
		"      --> rates",
		"    Processor: rates (stores: [rates-store])",
		"      --> none",
		"      <-- rates-source",
		"  Sub-topology: 2",
		"    Source: by-user-source (topics: [by-user-repartition])",
		"      --> count, routed",
		"    Processor: count (stores: [counts])",
		"      --> audit, out",
		"      <-- by-user-source",
		"    Processor: audit (stores: [counts, log])",
		"      --> none",
		"      <-- count",
		"    Sink: out (topic: counts)",
		"      <-- count",
		"    Sink: routed (extractor class: byUser)",
		"      <-- by-user-source",
		"",
		"",
	}, "\n"), top.Describe())
}

func TestDescribePattern(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.AddSource(topology.SourceSpec[string, string]{Name: "src", Pattern: regexp.MustCompile(`orders-.*`), Key: serde.String, Value: serde.String})
	require.NoError(t, top.Err())
	require.Equal(t, "Topologies:\n   Sub-topology: 0\n    Source: src (topics: orders-.*)\n      --> none\n\n", top.Describe())
}

func TestSubtopologies(t *testing.T) {
	t.Parallel()
	subs := orders().Subtopologies()
	require.Len(t, subs, 3)
	require.Equal(t, []string{"orders", "returns"}, subs[0].Sources[0].Topics)
	require.Equal(t, []string{"by-user-repartition"}, subs[0].Sinks)
	require.True(t, subs[1].Global)
	require.Equal(t, []string{"rates-store"}, subs[1].Stores)
	require.Equal(t, topology.SubtopologyID(2), subs[2].ID)
	require.Equal(t, []string{"counts", "log"}, subs[2].Stores)
	require.Equal(t, []string{"counts"}, subs[2].Sinks)
}

func TestNodesThatShareAStoreAreOneSubtopology(t *testing.T) {
	t.Parallel()
	top := topology.New()
	top.Source("a", serde.String, serde.String, "a").Process("pa", pass, topology.NamedStore[any]("st"))
	top.Source("b", serde.String, serde.String, "b").Process("pb", pass)
	top.Source("c", serde.String, serde.String, "c").Process("pc", pass, topology.NamedStore[any]("st"))
	top.AddStore(kv("st")) // after the nodes that use it
	require.NoError(t, top.Err())
	subs := top.Subtopologies()
	require.Len(t, subs, 2)
	require.Equal(t, "c", subs[0].Sources[1].Node)
	require.Equal(t, "b", subs[1].Sources[0].Node)
}

func TestInternalTopics(t *testing.T) {
	t.Parallel()
	got := orders().InternalTopics("app")
	require.Len(t, got, 2)
	require.Equal(t, topology.InternalTopic{
		Name: "app-by-user-repartition", Kind: topology.RepartitionKind, Topic: "by-user-repartition", Subtopology: 2,
		Config: map[string]string{"cleanup.policy": "delete", "message.timestamp.type": "CreateTime", "retention.ms": "-1", "segment.bytes": "52428800"},
	}, got[0])
	require.Equal(t, "app-counts-changelog", got[1].Name)
	require.Equal(t, topology.ChangelogKind, got[1].Kind)
	require.Equal(t, "compact", got[1].Config["cleanup.policy"])
	require.Equal(t, "CreateTime", got[1].Config["message.timestamp.type"])
	require.Equal(t, topology.SubtopologyID(2), got[1].Subtopology)

	got = orders().InternalTopicsWith("app", map[string]string{"segment.bytes": "1"}, time.Hour)
	require.Equal(t, "1", got[0].Config["segment.bytes"])
	require.Equal(t, "-1", got[0].Config["retention.ms"])
	require.Equal(t, "1", got[1].Config["segment.bytes"])
}

func TestHashTellsTopologiesApart(t *testing.T) {
	t.Parallel()
	require.Equal(t, orders().Hash(), orders().Hash())
	other := orders()
	other.AddRepartitionTopic(topology.RepartitionTopic{Name: "by-user-repartition", Partitions: 3})
	require.NotEqual(t, orders().Hash(), other.Hash())
	named := topology.New()
	named.Source("other", serde.String, serde.String, "orders")
	require.NotEqual(t, orders().Hash(), named.Hash())
}
