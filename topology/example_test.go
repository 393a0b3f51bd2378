package topology_test

import (
	"context"
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// counter counts the records of each key.
type counter struct {
	ctx    *topology.ProcessorContext[string, int64]
	counts state.KeyValueStore[string, int64]
}

func newCounter(ref topology.StoreRef[state.KeyValueStore[string, int64]]) topology.Supplier[string, string, string, int64] {
	return func(ctx *topology.ProcessorContext[string, int64]) (topology.Processor[string, string], error) {
		return counter{ctx, ctx.Store(ref)}, nil
	}
}

func (c counter) Process(_ context.Context, r topology.Record[string, string]) error {
	n, _, err := c.counts.Get(r.Key)
	if err != nil {
		return err
	}
	if err := c.counts.Put(r.Key, n+1); err != nil {
		return err
	}
	return c.ctx.Forward(r.WithValue(n + 1))
}

func Example() {
	t := topology.New()
	counts := t.AddStore(state.KeyValue("counts", serde.String, serde.Int64))
	t.Source("words", serde.String, serde.String, "words").
		Process("count", newCounter(counts), counts).
		Sink("out", "word-counts", serde.String, serde.Int64)
	if err := t.Err(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(t.Describe())
	for _, topic := range t.InternalTopics("app") {
		fmt.Println(topic.Name, topic.Config["cleanup.policy"])
	}
	// Output:
	// Topologies:
	//    Sub-topology: 0
	//     Source: words (topics: [words])
	//       --> count
	//     Processor: count (stores: [counts])
	//       --> out
	//       <-- words
	//     Sink: out (topic: word-counts)
	//       <-- count
	//
	// app-counts-changelog compact
}
