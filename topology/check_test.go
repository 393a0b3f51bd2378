package topology_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

func TestErrTellsEveryMistakeAndItsFix(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		build func(top *topology.Topology, src edge)
		want  []string
	}{
		"two nodes of one name": {func(top *topology.Topology, src edge) {
			src.Process("p", pass)
			src.Process("p", pass)
		}, []string{`two nodes are called "p"`}},
		"bad names": {func(top *topology.Topology, src edge) {
			src.Process("a b", pass)
			src.Process("..", pass)
			src.Process("", pass)
			top.AddStore(kv("zähler"))
		}, []string{`name "a b" is not allowed`, `name ".." is not allowed`, "a node has no name", `name "zähler" is not allowed`}},
		"two stores of one name": {func(top *topology.Topology, src edge) {
			top.AddStore(kv("st"))
			top.AddStore(kv("st"))
		}, []string{`two stores are called "st"`}},
		"unknown store": {func(top *topology.Topology, src edge) {
			src.Process("p", pass, topology.NamedStore[any]("st"))
		}, []string{`node p uses store "st", which does not exist: add it with AddStore`}},
		"global store connected": {func(top *topology.Topology, src edge) {
			ref := top.GlobalStore("g", kv("st"), "global", serde.String, serde.String, put)
			src.Process("p", pass, ref)
		}, []string{`node p is connected to the global store "st"`}},
		"topic read twice": {func(top *topology.Topology, src edge) {
			top.Source("again", serde.String, serde.String, "in")
			top.Source("more", serde.String, serde.String, "in", "other", "other")
			top.GlobalStore("g", kv("st"), "in", serde.String, serde.String, put)
		}, []string{`topic "in" is read by two sources, src and again`, `"in" is read by two sources, src and more`, `source more reads topic "other" twice`,
			`"in" is read by two sources, src and g-source`}},
		"pattern matches a topic of another source": {func(top *topology.Topology, src edge) {
			top.AddSource(topology.SourceSpec[string, string]{Name: "all", Pattern: regexp.MustCompile("i.*"), Key: serde.String, Value: serde.String})
			top.AddSource(topology.SourceSpec[string, string]{Name: "too", Pattern: regexp.MustCompile("i.*"), Key: serde.String, Value: serde.String})
		}, []string{`topic "in" of source src also matches the pattern i.* of source all`, "pattern i.* is read by two sources, all and too"}},
		"source and sink without topic or serde": {func(top *topology.Topology, src edge) {
			top.Source("nothing", serde.String, serde.String)
			top.Source[string, string]("bytes", nil, serde.String, "b")
			src.Sink("nowhere", "", serde.String, serde.String)
			src.Sink("mute", "out", serde.String, nil)
		}, []string{"source nothing reads no topic", "source bytes has no serde", "sink nowhere needs a topic", "sink mute has no serde"}},
		"functions that are nil": {func(top *topology.Topology, src edge) {
			src.Process("p", topology.Supplier[string, string, string, string](nil))
			topology.Connect(topology.NodeSpec{Name: "c"}, (func(*topology.Context, func(topology.Record[string, string]) error) (func(topology.Record[string, string]) error, error))(nil), src)
			topology.ConnectFixedKey(topology.NodeSpec{Name: "f"}, (func(*topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error))(nil), src)
			top.GlobalStore("g", kv("st"), "global", serde.String, serde.String, nil)
		}, []string{"node p: its function is nil", "node c: its function is nil", "node f: its function is nil", "node g: its function is nil"}},
		"names that no topic can have": {func(top *topology.Topology, src edge) {
			top.Source("bad", serde.String, serde.String, "a b", "..")
			src.Sink("snk", "out/1", serde.String, serde.String)
		}, []string{`node bad: no topic can be called "a b"`, `node bad: no topic can be called ".."`, `node snk: no topic can be called "out/1"`}},
		"source with topics and a pattern": {func(top *topology.Topology, src edge) {
			top.AddSource(topology.SourceSpec[string, string]{Name: "both", Topics: []string{"t"}, Pattern: regexp.MustCompile("x.*"), Key: serde.String, Value: serde.String})
		}, []string{"source both has topics and a pattern"}},
		"store that is nil": {func(top *topology.Topology, src edge) { src.Process("p", pass, nil) }, []string{"node p is connected to a store that is nil"}},
		"store without a serde": {func(top *topology.Topology, src edge) {
			top.AddStore(state.KeyValue[string, string]("st", serde.String, nil))
		}, []string{"store st: its value has no serde"}},
		"two repartition topics of one name": {func(top *topology.Topology, src edge) {
			top.AddRepartitionTopic(topology.RepartitionTopic{Name: "r", Partitions: 2})
			top.AddRepartitionTopic(topology.RepartitionTopic{Name: "r", Partitions: 3})
		}, []string{`repartition topic "r" is asked for with 2 and with 3 partitions`}},
		"repartition topic with one end": {func(top *topology.Topology, src edge) {
			top.AddRepartitionTopic(topology.RepartitionTopic{Name: "w"})
			top.AddRepartitionTopic(topology.RepartitionTopic{Name: "r", Partitions: -1})
			top.AddRepartitionTopic(topology.RepartitionTopic{Name: "unused"})
			src.Sink("snk", "w", serde.String, serde.String)
			top.Source("rsrc", serde.String, serde.String, "r")
		}, []string{`no source reads the repartition topic "w"`, `no sink writes the repartition topic "r"`, `repartition topic "r" cannot have -1 partitions`}},
		"co-partition of an unknown topic": {func(top *topology.Topology, src edge) {
			top.Copartition("in", "elsewhere")
		}, []string{`topic "elsewhere" has to be co-partitioned`}},
		"store of a topic that nobody reads": {func(top *topology.Topology, src edge) {
			top.AddSourceStore(kv("st"), "elsewhere")
		}, []string{`store "st" is restored from topic "elsewhere", which no source reads`}},
		"parent in another topology": {func(top *topology.Topology, src edge) {
			stranger := topology.New().Source("stranger", serde.String, serde.String, "x")
			src.Merge("m", stranger)
		}, []string{"node m is behind node stranger, which belongs to another topology"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := topology.New()
			c.build(top, top.Source("src", serde.String, serde.String, "in"))
			err := top.Err()
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotPanics(t, func() { top.Describe(); top.Subtopologies(); top.InternalTopics("app") })
		})
	}
	require.NoError(t, topology.New().Err())
}
