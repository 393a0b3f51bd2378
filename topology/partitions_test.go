package topology_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/topology"
)

// through sends a source's records through a repartition topic and returns the source behind it.
func through(top *topology.Topology, name string, partitions int32, topics ...string) edge {
	topic := name + "-repartition"
	top.AddRepartitionTopic(topology.RepartitionTopic{Name: topic, Partitions: partitions})
	top.Source(name+"-in", serde.String, serde.String, topics...).Sink(name+"-sink", topic, serde.String, serde.String)
	return top.Source(name+"-source", serde.String, serde.String, topic)
}

type counts = map[string]int32

func TestCountPartitions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		build    func(top *topology.Topology)
		external counts
		internal counts
		tasks    []int32
		err      string
	}{
		"as many as the largest topic upstream": {
			build:    func(top *topology.Topology) { through(top, "r", 0, "a", "b") },
			external: counts{"a": 3, "b": 5}, internal: counts{"r-repartition": 5}, tasks: []int32{5, 5},
		},
		"as asked for": {
			build:    func(top *topology.Topology) { through(top, "r", 2, "a") },
			external: counts{"a": 3}, internal: counts{"r-repartition": 2}, tasks: []int32{3, 2},
		},
		"through two repartition topics": {
			build: func(top *topology.Topology) {
				top.AddRepartitionTopic(topology.RepartitionTopic{Name: "a-later"})
				through(top, "r", 0, "a").Sink("later", "a-later", serde.String, serde.String)
				top.Source("end", serde.String, serde.String, "a-later")
			},
			external: counts{"a": 4}, internal: counts{"r-repartition": 4, "a-later": 4}, tasks: []int32{4, 4, 4},
		},
		"a circle takes what is known": {
			build: func(top *topology.Topology) { // a foreign-key join of a table with itself
				for _, topic := range []string{"ask", "answer"} {
					top.AddRepartitionTopic(topology.RepartitionTopic{Name: topic})
				}
				in := top.Source("in", serde.String, serde.String, "a")
				in.Sink("asks", "ask", serde.String, serde.String)
				in.Merge("m", top.Source("asked", serde.String, serde.String, "ask")).Sink("answers", "answer", serde.String, serde.String)
				in.Merge("n", top.Source("answered", serde.String, serde.String, "answer"))
				top.Copartition("a", "ask")
				top.Copartition("a", "answer")
			},
			external: counts{"a": 4}, internal: counts{"ask": 4, "answer": 4}, tasks: []int32{4},
		},
		"joined repartition topics take the highest": {
			build: func(top *topology.Topology) {
				through(top, "l", 0, "a").Merge("m", through(top, "r", 0, "b"))
				top.Copartition("l-repartition", "r-repartition")
			},
			external: counts{"a": 2, "b": 6}, internal: counts{"l-repartition": 6, "r-repartition": 6}, tasks: []int32{2, 6, 6},
		},
		"joined repartition topics take what was asked for": {
			build: func(top *topology.Topology) {
				through(top, "l", 3, "a").Merge("m", through(top, "r", 0, "b"))
				top.Copartition("l-repartition", "r-repartition")
			},
			external: counts{"a": 2, "b": 6}, internal: counts{"l-repartition": 3, "r-repartition": 3}, tasks: []int32{2, 3, 6},
		},
		"a repartition topic follows the external topic that it is joined with": {
			build: func(top *topology.Topology) {
				through(top, "l", 0, "a").Merge("m", top.Source("t", serde.String, serde.String, "table"))
				top.Copartition("l-repartition", "table")
			},
			external: counts{"a": 2, "table": 7}, internal: counts{"l-repartition": 7}, tasks: []int32{2, 7},
		},
		"what one join fixes, another join follows": {
			build: func(top *topology.Topology) {
				a := through(top, "a", 0, "a")
				b := through(top, "b", 0, "b")
				c := top.Source("c", serde.String, serde.String, "c")
				a.Merge("m", b, c)
				top.Copartition("a-repartition", "b-repartition")
				top.Copartition("b-repartition", "c")
			},
			external: counts{"a": 2, "b": 2, "c": 9}, internal: counts{"a-repartition": 9, "b-repartition": 9}, tasks: []int32{2, 9, 2},
		},
		"topics of a pattern count": {
			build: func(top *topology.Topology) {
				top.AddSource(topology.SourceSpec[string, string]{Name: "p", Pattern: regexp.MustCompile("^x-"), Key: serde.String, Value: serde.String})
			},
			external: counts{"x-1": 2, "x-2": 8, "y": 9}, internal: counts{}, tasks: []int32{8},
		},
		"a global topic makes no task": {
			build: func(top *topology.Topology) {
				top.GlobalStore("g", kv("st"), "a", serde.String, serde.String, put)
				top.Source("s", serde.String, serde.String, "b")
			},
			external: counts{"a": 5, "b": 1}, internal: counts{}, tasks: []int32{0, 1},
		},
		"external topics that differ": {
			build: func(top *topology.Topology) {
				top.Source("s", serde.String, serde.String, "orders").Merge("m", top.Source("t", serde.String, serde.String, "users"))
				top.Copartition("orders", "users")
			},
			external: counts{"orders": 6, "users": 4},
			err:      `topology: topics "orders" (6 partitions) and "users" (4) are joined but not co-partitioned: repartition one of the streams before the join, e.g. with Repartition and Partitions(6)`,
		},
		"a number asked for that differs from an external topic": {
			build: func(top *topology.Topology) {
				through(top, "l", 3, "a").Merge("m", top.Source("t", serde.String, serde.String, "users"))
				top.Copartition("users", "l-repartition")
			},
			external: counts{"a": 6, "users": 4},
			err:      `topology: topics "users" (4 partitions) and "l-repartition" (3) are joined but not co-partitioned: ask for 4 partitions of "l-repartition", or for none`,
		},
		"numbers asked for that differ": {
			build: func(top *topology.Topology) {
				through(top, "l", 3, "a").Merge("m", through(top, "r", 4, "b"))
				top.Copartition("l-repartition", "r-repartition")
			},
			external: counts{"a": 1, "b": 1},
			err:      `topology: topics "l-repartition" (3 partitions) and "r-repartition" (4) are joined but not co-partitioned: ask for the same number for both`,
		},
		"topics of a pattern that differ": {
			build: func(top *topology.Topology) {
				p := top.AddSource(topology.SourceSpec[string, string]{Name: "p", Pattern: regexp.MustCompile("^x-"), Key: serde.String, Value: serde.String})
				p.Merge("m", top.Source("t", serde.String, serde.String, "users"))
				top.Copartition("p", "users")
			},
			external: counts{"users": 4, "x-1": 4, "x-2": 5},
			err:      `topics "x-1" (4 partitions) and "x-2" (5) are joined`,
		},
		"topics that do not exist": {
			build:    func(top *topology.Topology) { top.Source("s", serde.String, serde.String, "a", "b", "c") },
			external: counts{"b": 1},
			err:      "topology: topic \"a\", which source s reads, does not exist: create it\ntopology: topic \"c\", which source s reads, does not exist: create it",
		},
		"a circle": {
			build: func(top *topology.Topology) {
				top.AddRepartitionTopic(topology.RepartitionTopic{Name: "loop"})
				top.Source("s", serde.String, serde.String, "loop").Sink("snk", "loop", serde.String, serde.String)
			},
			err: "the partitions of the repartition topics loop depend on each other",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			top := topology.New()
			c.build(top)
			require.NoError(t, top.Err())
			got, err := top.CountPartitions(c.external)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.internal, got.Repartition)
			require.Equal(t, c.tasks, got.Tasks)
		})
	}
}
