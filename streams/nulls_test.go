package streams_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

type (
	textStream = streams.Stream[string, string]
	textRow    = streams.Record[string, string]
)

// drive starts the topology of a program, without caches.
func drive(t *testing.T, program func(b *streams.Builder), o ...streamstest.Option) *streamstest.Driver {
	t.Helper()
	b := streams.NewBuilder()
	program(b)
	top, err := b.Build()
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{CacheBytes: new(int64)}, o...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// lines are the records of a topic as "key=value@time", null for what is not there.
func lines(t *testing.T, d *streamstest.Driver, topic string) (out []string) {
	t.Helper()
	for _, r := range d.Produced() {
		if r.Topic != topic {
			continue
		}
		k, v := "null", "null"
		if r.Key != nil {
			k = string(r.Key)
		}
		if r.Value != nil {
			v = string(r.Value)
		}
		out = append(out, fmt.Sprintf("%s=%s@%d", k, v, r.Time))
	}
	return out
}

var errBad = errors.New("bad")

// TestNulls checks what each verb makes of a record with key and value, of a tombstone, and of a null key, in both forms, and what it counts as
// dropped.
func TestNulls(t *testing.T) {
	t.Parallel()
	up := func(v string) string { return strings.ToUpper(v) }
	keep := func(ok bool) func(_, _ string) bool { return func(_, _ string) bool { return ok } }
	value := func(r textRow) string {
		if r.Tombstone {
			return "-"
		}
		return r.Value
	}
	cases := []struct {
		verb    string
		f       func(s textStream) textStream
		want    []string // for a=x, b=null, null=y, at 1, 2, 3
		dropped int64
	}{
		{"Filter all", func(s textStream) textStream { return s.Filter(keep(true)) }, []string{"a=x@1", "b=null@2", "null=y@3"}, 0},
		{"Filter none", func(s textStream) textStream { return s.Filter(keep(false)) }, []string{"b=null@2"}, 0},
		{"FilterNot none", func(s textStream) textStream { return s.FilterNot(keep(true)) }, []string{"b=null@2"}, 0},
		{"TryFilter", func(s textStream) textStream {
			return s.TryFilter(func(_ context.Context, r textRow) (bool, error) { return r.Tombstone || r.NoKey, nil })
		}, []string{"b=null@2", "null=y@3"}, 0},
		{"TryFilter Skip", func(s textStream) textStream {
			return s.TryFilter(func(_ context.Context, r textRow) (bool, error) { return true, skipIf(r.NoKey) })
		}, []string{"a=x@1", "b=null@2"}, 1},
		{"TryFilterNot", func(s textStream) textStream {
			return s.TryFilterNot(func(_ context.Context, r textRow) (bool, error) { return r.Tombstone, nil })
		}, []string{"a=x@1", "null=y@3"}, 0},
		{"MapValues", func(s textStream) textStream { return s.MapValues(up) }, []string{"a=X@1", "b=null@2", "null=Y@3"}, 0},
		{"MapValuesWithKey", func(s textStream) textStream { return s.MapValuesWithKey(func(k, v string) string { return k + v }) },
			[]string{"a=ax@1", "b=null@2", "null=y@3"}, 0},
		{"TryMapValues", func(s textStream) textStream {
			return s.TryMapValues(func(_ context.Context, r textRow) (string, error) {
				switch {
				case r.NoKey:
					return "", streams.Skip
				case r.Tombstone:
					return "was null", nil
				}
				return "", streams.Null
			})
		}, []string{"a=null@1", "b=was null@2"}, 1},
		{"MapValuesAsync", func(s textStream) textStream {
			return s.MapValuesAsync(2, func(_ context.Context, r textRow) (string, error) { return value(r) + value(r), skipIf(r.NoKey) })
		}, []string{"a=xx@1", "b=--@2"}, 1},
		{"Peek", func(s textStream) textStream { return s.Peek(func(_, _ string) {}) }, []string{"a=x@1", "b=null@2", "null=y@3"}, 0},
		{"TryPeek Skip", func(s textStream) textStream {
			return s.TryPeek(func(_ context.Context, r textRow) error { return skipIf(r.Tombstone) })
		},
			[]string{"a=x@1", "null=y@3"}, 1},
		{"SelectKey", func(s textStream) textStream { return s.SelectKey(func(k, v string) string { return v + k }) }, []string{"xa=x@1", "y=y@3"}, 1},
		{"MapKey", func(s textStream) textStream { return s.MapKey(func(k string) string { return k + "!" }) }, []string{"a!=x@1", "b!=null@2", "!=y@3"}, 0},
		{"TrySelectKey", func(s textStream) textStream {
			return s.TrySelectKey(func(_ context.Context, r textRow) (string, error) {
				if r.Tombstone {
					return "", streams.Null
				}
				return r.Value, skipIf(r.NoKey)
			})
		}, []string{"x=x@1", "null=null@2"}, 1},
		{"Map", func(s textStream) textStream { return s.Map(func(k, v string) (string, string) { return v, k }) }, []string{"x=a@1", "y=@3"}, 1},
		{"TryMap", func(s textStream) textStream {
			return s.TryMap(func(_ context.Context, r textRow) (textRow, error) {
				if r.Tombstone {
					return r.WithoutKey[string]().WithValue("v"), nil
				}
				return r.WithKey(r.Value), skipIf(r.NoKey)
			})
		}, []string{"x=x@1", "null=v@2"}, 1},
		{"FlatMap", func(s textStream) textStream {
			return s.FlatMap(func(k, v string, emit func(string, string)) { emit(k+"1", v); emit(k+"2", v) })
		}, []string{"a1=x@1", "a2=x@1", "1=y@3", "2=y@3"}, 1},
		{"TryFlatMap", func(s textStream) textStream {
			return s.TryFlatMap(func(_ context.Context, r textRow, emit func(textRow)) error {
				emit(r)
				return skipIf(r.NoKey)
			})
		}, []string{"a=x@1", "b=null@2", "null=y@3"}, 1},
		{"FlatMapValues", func(s textStream) textStream {
			return s.FlatMapValues(func(v string) []string { return []string{v, up(v)} })
		},
			[]string{"a=x@1", "a=X@1", "null=y@3", "null=Y@3"}, 1},
		{"FlatMapValuesSeq", func(s textStream) textStream {
			return s.FlatMapValuesSeq(func(v string) iter.Seq[string] { return slices.Values([]string{v, up(v)}) })
		}, []string{"a=x@1", "a=X@1", "null=y@3", "null=Y@3"}, 1},
		{"TryFlatMapValues", func(s textStream) textStream {
			return s.TryFlatMapValues(func(_ context.Context, r textRow) ([]string, error) { return []string{value(r)}, skipIf(r.NoKey) })
		}, []string{"a=x@1", "b=-@2"}, 1},
		{"Merge", func(s textStream) textStream { return s.Merge(s.Filter(keep(false))) }, []string{"a=x@1", "b=null@2", "b=null@2", "null=y@3"}, 0},
		{"Split to Default", func(s textStream) textStream {
			p := s.Split()
			p.Branch(keep(true)).Filter(keep(false))
			return p.Default()
		}, []string{"b=null@2"}, 0},
		{"TryBranch", func(s textStream) textStream {
			return s.Split().TryBranch(func(_ context.Context, r textRow) (bool, error) { return r.Tombstone, skipIf(r.NoKey) })
		}, []string{"b=null@2"}, 1},
		{"Repartition", func(s textStream) textStream { return s.Repartition(streams.Named("r")) }, []string{"a=x@1", "b=null@2"}, 0},
		{"ToTable", func(s textStream) textStream { return s.ToTable().ToStream() }, []string{"a=x@1", "b=null@2"}, 1},
		{"Reduce", func(s textStream) textStream {
			return s.GroupByKey().Reduce(func(a, v string) string { return a + v }).ToStream()
		}, []string{"a=x@1"}, 2},
		{"Aggregate", func(s textStream) textStream {
			return s.GroupByKey().Aggregate(func() string { return "0" }, func(_, v, a string) string { return a + v }).ToStream()
		}, []string{"a=0x@1"}, 2},
		{"TryAggregate Null", func(s textStream) textStream {
			return s.GroupByKey().TryAggregate(func() string { return "0" }, func(_ context.Context, r textRow, a string) (string, error) {
				return "", streams.Null
			}).ToStream()
		}, []string{"a=null@1"}, 2},
		{"TryReduce", func(s textStream) textStream {
			return s.Merge(s.Peek(func(_, _ string) {})).GroupByKey().
				TryReduce(func(_ context.Context, agg string, r textRow) (string, error) { return agg + r.Value, nil }).ToStream()
		}, []string{"a=x@1", "a=xx@1"}, 4},
		{"GroupBy", func(s textStream) textStream {
			return s.GroupBy(func(_, v string) string { return v }).Reduce(func(a, v string) string { return a + v }).ToStream()
		}, []string{"x=x@1", "y=y@3"}, 1},
		{"TryGroupBy", func(s textStream) textStream {
			return s.TryGroupBy(func(_ context.Context, r textRow) (string, error) { return r.Key, nil }).
				Reduce(func(a, v string) string { return a + v }).ToStream()
		}, []string{"a=x@1", "=y@3"}, 1},
		{"ProcessValues", func(s textStream) textStream {
			return s.ProcessValues(func(ctx *topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
				return fixedKey[string, string](ctx.Forward), nil
			})
		}, []string{"a=x@1", "b=null@2", "null=y@3"}, 0},
		{"ProcessValues WithoutValue", func(s textStream) textStream {
			return s.ProcessValues(func(ctx *topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
				return fixedKey[string, string](func(r topology.FixedKeyRecord[string, string]) error {
					if v, ok := r.Value(); ok {
						return ctx.Forward(r.WithoutValue[string]().WithHeaders(topology.Headers{{Key: "was", Value: []byte(v)}}))
					}
					return ctx.Forward(r.WithValue("nothing"))
				}), nil
			})
		}, []string{"a=null@1", "b=nothing@2", "null=null@3"}, 0},
	}
	for _, c := range cases {
		t.Run(c.verb, func(t *testing.T) {
			t.Parallel()
			d := drive(t, func(b *streams.Builder) {
				c.f(b.Stream("in", serde.String, serde.String)).WithKeySerde(serde.String).WithValueSerde(serde.String).To("out")
			})
			pipeNulls(t, d)
			require.Equal(t, c.want, lines(t, d, "out"))
			require.Equal(t, c.dropped, d.Dropped(), "dropped")
		})
	}
}

func skipIf(skip bool) error {
	if skip {
		return streams.Skip
	}
	return nil
}

// pipeNulls pipes a=x, b=null, null=y at 1, 2, 3.
func pipeNulls(t *testing.T, d *streamstest.Driver) {
	t.Helper()
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("a"), Value: []byte("x"), Time: 1}))
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("b"), Time: 2}))
	require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Value: []byte("y"), Time: 3}))
}

// TestTableNulls checks deletes: what each verb of a table makes of them, and of Null.
func TestTableNulls(t *testing.T) {
	t.Parallel()
	type table = streams.Table[string, string]
	null := func(context.Context, string, string) (string, error) { return "", streams.Null }
	cases := []struct {
		verb string
		f    func(t table) table
		want []string // for a=x, a=null, a=y, at 1, 2, 3
	}{
		{"Filter of a table with a store", func(t table) table {
			return t.Filter(func(string, string) bool { return true }, streams.As("f")).Filter(func(_, v string) bool { return v == "x" })
		}, []string{"a=x@1", "a=null@2"}},
		{"Filter", func(t table) table { return t.Filter(func(_, v string) bool { return v == "x" }) },
			[]string{"a=x@1", "a=null@2", "a=null@3"}},
		{"FilterNot", func(t table) table { return t.FilterNot(func(_, v string) bool { return v == "x" }, streams.As("f")) },
			[]string{"a=null@1", "a=null@2", "a=y@3"}},
		{"MapValues", func(t table) table { return t.MapValues(strings.ToUpper) }, []string{"a=X@1", "a=null@2", "a=Y@3"}},
		{"TryMapValues Null", func(t table) table { return t.TryMapValues(null) }, []string{"a=null@1", "a=null@2", "a=null@3"}},
		{"TransformValues", func(t table) table {
			return t.TransformValues(func(*topology.Context) (func(context.Context, string, *string) (string, error), error) {
				return func(_ context.Context, k string, v *string) (string, error) {
					switch {
					case v == nil:
						return "gone", nil
					case *v == "x":
						return "", streams.Null
					}
					return k + *v, nil
				}, nil
			})
		}, []string{"a=null@1", "a=gone@2", "a=ay@3"}},
		{"TryGroupBy Null", func(t table) table {
			return t.TryGroupBy(func(_ context.Context, k, v string) (string, string, error) {
				if v == "y" {
					return "", "", streams.Null
				}
				return k, v, nil
			}).Reduce(func(a, v string) string { return a + "+" + v }, func(a, v string) string { return a + "-" + v })
		}, []string{"a=x@1", "a=x-x@2"}},
		{"TryAggregate Null", func(t table) table {
			return t.GroupBy(func(k, v string) (string, string) { return k, v }).TryAggregate(func() string { return "0" },
				func(_ context.Context, _, v, a string) (string, error) { return a + "+" + v, nil },
				func(_ context.Context, _, _, a string) (string, error) { return "", streams.Null })
		}, []string{"a=0+x@1", "a=null@2", "a=0+y@3"}},
	}
	for _, c := range cases {
		t.Run(c.verb, func(t *testing.T) {
			t.Parallel()
			d := drive(t, func(b *streams.Builder) {
				c.f(b.Table("in", serde.String, serde.String)).WithKeySerde(serde.String).WithValueSerde(serde.String).ToStream().To("out")
			})
			in := d.Input("in", serde.String, serde.String)
			require.NoError(t, in.PipeAt("a", "x", 1))
			require.NoError(t, d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("a"), Time: 2}))
			require.NoError(t, in.PipeAt("a", "y", 3))
			require.Equal(t, c.want, lines(t, d, "out"))
		})
	}
}

// TestTombstonesHaveNoValue checks that a deleted row's value does not show behind ToStream.
func TestTombstonesHaveNoValue(t *testing.T) {
	t.Parallel()
	var got []textRow
	d := drive(t, func(b *streams.Builder) {
		b.Table("in", serde.String, serde.String).Filter(func(string, string) bool { return false }).ToStream().
			TryForEach(func(_ context.Context, r textRow) error { got = append(got, r); return nil })
	})
	require.NoError(t, d.Input("in", serde.String, serde.String).PipeAt("a", "x", 1))
	require.Len(t, got, 1)
	require.True(t, got[0].Tombstone)
	require.Empty(t, got[0].Value)
}

// TestTryErrors checks that an error of a Try function is the error of its node.
func TestTryErrors(t *testing.T) {
	t.Parallel()
	d := drive(t, func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).
			TryPeek(func(context.Context, textRow) error { return errBad }, streams.Named("peek")).
			TryMapValues(func(_ context.Context, r textRow) (string, error) { return "", nil }).To("out")
	})
	err := d.Input("in", serde.String, serde.String).PipeAt("a", "x", 1)
	var node *topology.NodeError
	require.ErrorAs(t, err, &node)
	require.Equal(t, "peek", node.Node)
	require.ErrorIs(t, err, errBad)
}
