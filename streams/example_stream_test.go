package streams_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

func Example() {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		FlatMapValues(strings.Fields).
		GroupBy(func(_, word string) string { return word }).
		Count(streams.As("word-counts")).
		ToStream().
		To("counts")

	pipe(b, "lines 1=to be or not to be")
	// Output:
	// counts to=1
	// counts be=1
	// counts or=1
	// counts not=1
	// counts to=2
	// counts be=2
}

func ExampleBuilder_Build() {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		MapValues(func(s string) []string { return strings.Fields(s) }, streams.Named("words")).
		To("words", streams.Named("write"))
	b.Stream("lines", serde.String, serde.String).Repartition(streams.Named("again"), streams.Partitions(0)).To("lines-again")

	_, err := b.Build()
	fmt.Println(err)
	// Output:
	// streams: the topology cannot be built:
	// node again: Partitions(0): a topic has at least 1
	// node write needs a serde for its value of type []string: give one with WithValueSerde where the value is made, or for the type with Builder.Register
}

func ExampleBuilder_Register() {
	type point struct{ X, Y int }
	b := streams.NewBuilder()
	b.Register(serde.JSON[point]())
	b.Stream("steps", serde.String, serde.String).
		GroupByKey().
		Aggregate(func() point { return point{} }, func(_, step string, p point) point {
			if step == "right" {
				p.X++
			} else {
				p.Y++
			}
			return p
		}).
		ToStream().
		To("positions")

	pipe(b, "steps a=right", "steps a=up", "steps a=right")
	// Output:
	// positions a={"X":1,"Y":0}
	// positions a={"X":1,"Y":1}
	// positions a={"X":2,"Y":1}
}

func ExampleStream_Filter() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		Filter(func(_, v string) bool { return v != "noise" }).
		To("out")

	pipe(b, "in a=signal", "in a=noise", "in a")
	// Output:
	// out a=signal
	// out a deleted
}

func ExampleStream_TryFilter() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryFilter(func(_ context.Context, r streams.Record[string, string]) (bool, error) {
			return !r.Tombstone, nil // asked about every record
		}).
		To("out")

	pipe(b, "in a=x", "in a")
	// Output:
	// out a=x
}

func ExampleStream_MapValues() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		MapValues(func(v string) int64 { return int64(len(v)) }). // built-in scalars need no serde
		To("lengths")

	pipe(b, "in a=four", "in a")
	// Output:
	// lengths a=4
	// lengths a deleted
}

func ExampleStream_TryMapValues() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryMapValues(func(_ context.Context, r streams.Record[string, string]) (int64, error) {
			switch {
			case r.Tombstone:
				return 0, streams.Null // stays a tombstone
			case r.Value == "":
				return 0, streams.Skip // dropped and counted
			}
			return strconv.ParseInt(r.Value, 10, 64) // an error goes to the processing handler
		}).
		To("numbers")

	pipe(b, "in a=7", "in b=", "in c", "in d=x")
	// Output:
	// numbers a=7
	// numbers c deleted
	// node KSTREAM-MAPVALUES-0000000001, task 0_0, record in/0@3: strconv.ParseInt: parsing "x": invalid syntax
}

func ExampleStream_MapValuesAsync() {
	look := func(ctx context.Context, key string) (string, error) { return "value of " + key, ctx.Err() }

	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		MapValuesAsync(8, func(ctx context.Context, r streams.Record[string, string]) (string, error) {
			return look(ctx, r.Key) // up to 8 at once, results in order
		}).
		To("out")

	pipe(b, "in a=x", "in b=x")
	// Output:
	// out a=value of a
	// out b=value of b
}

func ExampleStream_FlatMap() {
	b := streams.NewBuilder()
	b.Stream("orders", serde.String, serde.String).
		FlatMap(func(order, items string, emit func(string, string)) {
			for item := range strings.SplitSeq(items, ",") {
				emit(item, order)
			}
		}).
		To("items")

	pipe(b, "orders o1=pen,ink")
	// Output:
	// items pen=o1
	// items ink=o1
}

func ExampleStream_FlatMapValuesSeq() {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).FlatMapValuesSeq(strings.FieldsSeq).To("words")

	pipe(b, "lines 1=two words")
	// Output:
	// words 1=two
	// words 1=words
}

func ExampleStream_SelectKey() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		SelectKey(func(_, v string) string { return v[:1] }).
		To("by-letter")

	pipe(b, "in 1=apple", "in 2=bread")
	// Output:
	// by-letter a=apple
	// by-letter b=bread
}

func ExampleStream_MapKey() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).MapKey(strings.ToLower).To("out")

	pipe(b, "in A=x", "in A") // a tombstone keeps its key, so it passes
	// Output:
	// out a=x
	// out a deleted
}

func ExampleStream_Map() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).Map(func(k, v string) (string, string) { return v, k }).To("swapped")

	pipe(b, "in a=x")
	// Output:
	// swapped x=a
}

func ExampleStream_Peek() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		Peek(func(k, v string) { fmt.Println("seen", k, v) }).
		To("out")

	pipe(b, "in a=x")
	// Output:
	// seen a x
	// out a=x
}

func ExampleStream_ForEach() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).ForEach(func(k, v string) { fmt.Println(k, v) })

	pipe(b, "in a=x")
	// Output:
	// a x
}

func ExampleStream_Print() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.Named("input")).Print(os.Stdout)

	pipe(b, "in a=x", "in a")
	// Output:
	// [input]: a, x
	// [input]: a, null
}

func ExampleStream_Merge() {
	b := streams.NewBuilder()
	b.Stream("web", serde.String, serde.String).Merge(b.Stream("app", serde.String, serde.String)).To("all")

	pipe(b, "web a=1", "app b=2")
	// Output:
	// all a=1
	// all b=2
}

func ExampleStream_Split() {
	b := streams.NewBuilder()
	sizes := b.Stream("in", serde.String, serde.String).Split(streams.Named("by-size"))
	long := sizes.Branch(func(_, v string) bool { return len(v) > 3 }, streams.Named("-long"))
	rest := sizes.Default(streams.Named("-rest"))
	long.To("long")
	rest.To("rest")

	pipe(b, "in a=x", "in b=xxxxx")
	// Output:
	// rest a=x
	// long b=xxxxx
}

func ExampleStream_ToDynamic() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		ToDynamic(func(r streams.Record[string, string], _ topology.RecordMetadata) string { return "user-" + r.Key })

	pipe(b, "in ann=x", "in bob=y")
	// Output:
	// user-ann ann=x
	// user-bob bob=y
}

func ExampleStream_Repartition() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		SelectKey(func(_, v string) string { return v }).
		Repartition(streams.Named("by-value"), streams.Partitions(12)).
		To("out")

	pipe(b, "in a=x") // by the topic app-by-value-repartition
	// Output:
	// out x=x
}

func ExampleStream_Process() {
	b := streams.NewBuilder()
	seen := b.AddStore(state.KeyValue("seen", serde.String, serde.String))
	b.Stream("in", serde.String, serde.String).
		Process(func(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			store := ctx.Store(seen)
			return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
				if _, ok, err := store.Get(r.Key); ok || err != nil {
					return err
				}
				if err := store.Put(r.Key, r.Value); err != nil {
					return err
				}
				return ctx.Forward(r)
			}), nil
		}, streams.Using(seen), streams.Named("first-only")).
		To("firsts")

	pipe(b, "in a=1", "in a=2", "in b=3")
	// Output:
	// firsts a=1
	// firsts b=3
}

func ExampleStream_ProcessValues() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		ProcessValues(func(ctx *topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
			return numbering{ctx: ctx, last: map[string]int{}}, nil
		}).
		To("numbered")

	pipe(b, "in a=x", "in b=y", "in a=z")
	// Output:
	// numbered a=1:x
	// numbered b=1:y
	// numbered a=2:z
}

// numbering numbers the values of each key, in memory: a store would outlive the process.
type numbering struct {
	ctx  *topology.FixedKeyContext[string, string]
	last map[string]int
}

func (n numbering) ProcessValue(_ context.Context, r topology.FixedKeyRecord[string, string]) error {
	v, ok := r.Value()
	if !ok {
		return nil
	}
	n.last[r.Key()]++
	return n.ctx.Forward(r.WithValue(fmt.Sprintf("%d:%s", n.last[r.Key()], v)))
}

func ExampleGroupedStream_Reduce() {
	b := streams.NewBuilder()
	b.Stream("bids", serde.String, serde.String).
		GroupByKey().
		Reduce(func(highest, bid string) string { return max(highest, bid) }, streams.As("highest")).
		ToStream().
		To("highest-bids")

	pipe(b, "bids car=100", "bids car=300", "bids car=200")
	// Output:
	// highest-bids car=100
	// highest-bids car=300
	// highest-bids car=300
}

func ExampleGroupedStream_TryAggregate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		TryAggregate(func() string { return "" }, func(_ context.Context, r streams.Record[string, string], all string) (string, error) {
			if r.Value == "reset" {
				return "", streams.Null // deletes the aggregate
			}
			return all + r.Value, nil
		}).
		ToStream().
		To("out")

	pipe(b, "in a=x", "in a=y", "in a=reset", "in a=z")
	// Output:
	// out a=x
	// out a=xy
	// out a deleted
	// out a=z
}

func ExampleOptimize() {
	program := func() *streams.Builder {
		b := streams.NewBuilder()
		words := b.Stream("lines", serde.String, serde.String).SelectKey(func(_, v string) string { return v })
		words.GroupByKey().Count(streams.As("counts"))
		words.GroupByKey().Reduce(func(_, v string) string { return v }, streams.As("last"))
		return b
	}
	for _, rewrites := range []streams.Rewrite{0, streams.AllRewrites} {
		top, err := program().Build(streams.Optimize(rewrites))
		if err != nil {
			fmt.Println(err)
			return
		}
		lines := slices.DeleteFunc(strings.Split(top.Describe(), "\n"), func(l string) bool { return !strings.Contains(l, "Sink:") })
		fmt.Println(len(lines), "internal topics")
	}
	// Output:
	// 2 internal topics
	// 1 internal topics
}
