package streams_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

func ExampleBuilder_Table() {
	b := streams.NewBuilder()
	b.Table("customers", serde.String, serde.String, streams.As("customers")).
		MapValues(strings.ToUpper).
		ToStream().
		To("names")

	pipe(b, "customers 1=ann", "customers 1=anne", "customers 1")
	// Output:
	// names 1=ANN
	// names 1=ANNE
	// names 1 deleted
}

func ExampleStream_ToTable() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).ToTable(streams.As("latest")).ToStream().To("out")

	pipe(b, "in a=x", "in a")
	// Output:
	// out a=x
	// out a deleted
}

func ExampleTable_Filter() {
	b := streams.NewBuilder()
	b.Table("stock", serde.String, serde.String, streams.As("stock")).
		Filter(func(_, n string) bool { return n != "0" }).
		ToStream().
		To("available")

	pipe(b, "stock pen=3", "stock ink=0", "stock pen=0") // there never was ink to delete
	// Output:
	// available pen=3
	// available pen deleted
}

func ExampleTable_TryMapValues() {
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String).
		TryMapValues(func(_ context.Context, k, v string) (string, error) {
			if v == "secret" {
				return "", streams.Null // no row
			}
			return k + ":" + v, nil
		}).
		ToStream().
		To("out")

	pipe(b, "in a=x", "in a=secret")
	// Output:
	// out a=a:x
	// out a deleted
}

func ExampleTable_TransformValues() {
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String).
		TransformValues(func(ctx *topology.Context) (func(context.Context, string, *string) (string, error), error) {
			return func(_ context.Context, k string, v *string) (string, error) {
				at := ctx.RecordContext().Time
				if v == nil {
					return fmt.Sprint("deleted at ", int64(at)), nil
				}
				return fmt.Sprint(*v, " since ", int64(at)), nil
			}, nil
		}).
		ToStream().
		To("out")

	pipe(b, "in a=x", "in a")
	// Output:
	// out a=x since 0
	// out a=deleted at 1
}

func ExampleTable_GroupBy() {
	b := streams.NewBuilder()
	towns := b.Table("towns", serde.String, serde.String) // who lives where
	towns.GroupBy(func(name, town string) (string, string) { return town, name }).
		WithValueSerde(serde.String).
		Count(streams.As("inhabitants")).
		ToStream().
		To("inhabitants")

	pipe(b, "towns ann=Ulm", "towns bob=Ulm", "towns ann=Bonn")
	// Output:
	// inhabitants Ulm=1
	// inhabitants Ulm=2
	// inhabitants Ulm=1
	// inhabitants Bonn=1
}

func ExampleGroupedTable_Aggregate() {
	b := streams.NewBuilder()
	b.Table("salaries", serde.String, serde.Int64).
		GroupBy(func(_ string, salary int64) (string, int64) { return "all", salary }).
		Aggregate(func() int64 { return 0 },
			func(_ string, salary, sum int64) int64 { return sum + salary },
			func(_ string, salary, sum int64) int64 { return sum - salary }).
		ToStream().
		To("sum")

	pipe(b, "salaries ann=\x00\x00\x00\x00\x00\x00\x00\x07", "salaries bob=\x00\x00\x00\x00\x00\x00\x00\x05", "salaries ann=\x00\x00\x00\x00\x00\x00\x00\x08")
	// Output:
	// sum all=7
	// sum all=12
	// sum all=13
}

func ExampleTable_Join() {
	b := streams.NewBuilder()
	names, towns := b.Table("names", serde.String, serde.String), b.Table("towns", serde.String, serde.String)
	names.Join(towns, func(name, town string) string { return name + " of " + town }).ToStream().To("people")

	pipe(b, "names 1=Ann", "towns 1=Ulm", "names 1=Anne", "towns 1")
	// Output:
	// people 1=Ann of Ulm
	// people 1=Anne of Ulm
	// people 1 deleted
}

func ExampleTable_LeftJoin() {
	b := streams.NewBuilder()
	names, towns := b.Table("names", serde.String, serde.String), b.Table("towns", serde.String, serde.String)
	names.LeftJoin(towns, func(name string, town *string) string {
		if town == nil {
			return name
		}
		return name + " of " + *town
	}, streams.As("people")).ToStream().To("people")

	pipe(b, "names 1=Ann", "towns 1=Ulm", "towns 1", "towns 2=Bonn")
	// Output:
	// people 1=Ann
	// people 1=Ann of Ulm
	// people 1=Ann
}

func ExampleTable_OuterJoin() {
	b := streams.NewBuilder()
	books, lent := b.Table("books", serde.String, serde.String), b.Table("lent", serde.String, serde.String)
	books.OuterJoin(lent, func(title, to *string) string {
		switch {
		case title == nil:
			return "an unknown book lent to " + *to
		case to == nil:
			return *title
		}
		return *title + ", lent to " + *to
	}).ToStream().To("library")

	pipe(b, "lent 1=Bob", "books 1=Emma", "lent 1", "books 1")
	// Output:
	// library 1=an unknown book lent to Bob
	// library 1=Emma, lent to Bob
	// library 1=Emma
	// library 1 deleted
}

func ExampleBuilder_AddGlobalStore() {
	b := streams.NewBuilder()
	ref := topology.NamedStore[state.KeyValueStore[string, string]]("names")
	b.AddGlobalStore(state.KeyValue("names", serde.String, serde.String), "names", serde.String, serde.String,
		func(ctx *topology.Context) (topology.Processor[string, string], error) {
			store := ctx.Store(ref)
			return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
				return store.Put(r.Key, strings.ToUpper(r.Value))
			}), nil
		})
	b.Stream("ids", serde.String, serde.String).
		ProcessValues(func(ctx *topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
			store := ctx.Store(ref) // every processor may read a global store
			return lookup(func(r topology.FixedKeyRecord[string, string]) error {
				id, _ := r.Value()
				name, _, err := store.Get(id)
				if err != nil {
					return err
				}
				return ctx.Forward(r.WithValue(name))
			}), nil
		}).
		To("out")

	pipe(b, "names 7=ann", "ids a=7")
	// Output:
	// out a=ANN
}

type lookup func(topology.FixedKeyRecord[string, string]) error

func (f lookup) ProcessValue(_ context.Context, r topology.FixedKeyRecord[string, string]) error {
	return f(r)
}
