package streams_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// TestTryTableJoins checks the answers of functions that join two tables: Null is no row, which takes an earlier one back, Skip drops the change, and an error
// is one of the join's node, about which the handler decides.
func TestTryTableJoins(t *testing.T) {
	t.Parallel()
	type table = streams.Table[string, string]
	answer := func(joined string, l string) (string, error) {
		switch l {
		case "null":
			return "", streams.Null
		case "skip":
			return "", streams.Skip
		case "bad":
			return "", errBad
		}
		return joined, nil
	}
	inner := func(_ context.Context, k, l, r string) (string, error) { return answer(k+":"+l+r, l) }
	left := func(_ context.Context, k, l string, r *string) (string, error) {
		if r == nil {
			return answer(k+":"+l+"-", l)
		}
		return answer(k+":"+l+*r, l)
	}
	foreign := func(_, _ string) (string, bool) { return "a", true }
	const node, foreignNode = "joined-join-this", "joined-subscription-response-resolver"
	named := streams.Named("joined")
	type option interface {
		streams.StoreOption
		streams.ForeignKeyOption
	}
	cases := []struct {
		verb string
		node string
		f    func(l, r table, o option) table
		left bool
	}{
		{"TryJoin", node, func(l, r table, o option) table { return l.TryJoin(r, inner, named, o) }, false},
		{"TryLeftJoin", node, func(l, r table, o option) table { return l.TryLeftJoin(r, left, named, o) }, true},
		{"TryOuterJoin", node, func(l, r table, o option) table {
			return l.TryOuterJoin(r, func(ctx context.Context, k string, l, r *string) (string, error) {
				if l == nil {
					return "no " + k, nil
				}
				return left(ctx, k, *l, r)
			}, named, o)
		}, true},
		{"TryJoinForeignKey", foreignNode, func(l, r table, o option) table {
			return l.TryJoinForeignKey(r, foreign, inner, named, o)
		}, false},
		{"TryLeftJoinForeignKey", foreignNode, func(l, r table, o option) table {
			return l.TryLeftJoinForeignKey(r, foreign, left, named, o)
		}, true},
	}
	for _, c := range cases {
		for _, stored := range []bool{false, true} {
			name, o := c.verb, option(named)
			if stored {
				name, o = name+" with a store", streams.As("rows")
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := streams.NewBuilder()
				c.f(b.Table("l", serde.String, serde.String), b.Table("r", serde.String, serde.String), o).ToStream().To("out")
				var failed []*streams.Failure
				d, err := streamstest.New(build(t, b), streams.Config{CacheBytes: new(int64),
					OnProcessingError: func(_ context.Context, f *streams.Failure) streams.Decision {
						failed = append(failed, &streams.Failure{Err: f.Err, Node: f.Node})
						return streams.Drop
					}})
				require.NoError(t, err)
				defer d.Close()
				l, r := d.Input("l", serde.String, serde.String), d.Input("r", serde.String, serde.String)
				require.NoError(t, l.PipeAt("a", "x", 1))
				require.NoError(t, r.PipeAt("a", "1", 2))
				want := []string{"a=a:x1@2"}
				if c.left {
					want = []string{"a=a:x-@1", "a=a:x1@2"}
				}
				require.Equal(t, want, lines(t, d, "out"))

				require.NoError(t, l.PipeAt("a", "null", 3))
				require.Equal(t, []string{"a=null@3"}, lines(t, d, "out"))

				require.NoError(t, l.PipeAt("a", "skip", 4))
				require.Empty(t, lines(t, d, "out"))
				require.EqualValues(t, 1, d.Dropped())
				require.Empty(t, failed)

				require.NoError(t, l.PipeAt("a", "bad", 5))
				require.Empty(t, lines(t, d, "out"))
				require.Len(t, failed, 1)
				require.ErrorIs(t, failed[0].Err, errBad)
				var at *topology.NodeError
				require.ErrorAs(t, failed[0].Err, &at)
				require.Equal(t, c.node, at.Node)

				require.NoError(t, l.PipeAt("a", "y", 6))
				require.Equal(t, []string{"a=a:y1@6"}, lines(t, d, "out"), "and it goes on")
			})
		}
	}
}

// TestTryLeftJoinGlobal checks the answers of both functions: a Null key finds nothing.
func TestTryLeftJoinGlobal(t *testing.T) {
	t.Parallel()
	d := drive(t, func(b *streams.Builder) {
		cities := b.GlobalTable("cities", serde.String, serde.String)
		b.Table("in", serde.String, serde.String).
			TryLeftJoinGlobal(cities, func(_ context.Context, _, city string) (string, error) {
				switch city {
				case "none":
					return "B", streams.Null
				case "ignored":
					return "", streams.Skip
				}
				return city, nil
			}, func(_ context.Context, k, city, key string, name *string) (string, error) {
				switch {
				case city == "bad":
					return "", errBad
				case city == "gone":
					return "", streams.Null
				case name == nil:
					return k + " is lost in (" + key + ")", nil
				}
				return k + " lives in " + *name, nil
			}, streams.As("homes"), streams.Named("home")).
			ToStream().To("out")
	})
	require.NoError(t, d.Input("cities", serde.String, serde.String).PipeAt("B", "Berlin", 0))
	in := d.Input("in", serde.String, serde.String)
	for i, city := range []string{"B", "none", "X", "ignored", "gone"} {
		require.NoError(t, in.PipeAt("ann", city, streams.Time(i+1)))
	}
	require.Equal(t, []string{"ann=ann lives in Berlin@1", "ann=ann is lost in ()@2", "ann=ann is lost in (X)@3", "ann=null@5"}, lines(t, d, "out"))
	require.EqualValues(t, 1, d.Dropped(), "the one whose key was skipped")
	var at *topology.NodeError
	require.ErrorAs(t, in.PipeAt("ann", "bad", 6), &at)
	require.Equal(t, "home", at.Node)
	require.ErrorIs(t, at, errBad)
}

// TestPartitionedByFindsTheTablesPartitions joins tables that lie in other partitions than those of their keys' hashes: subscriptions and answers go where
// the functions say.
func TestPartitionedByFindsTheTablesPartitions(t *testing.T) {
	t.Parallel()
	at := func(k string) int { return int(k[len(k)-1] - '0') }
	byDigit := func(_ string, r streams.Record[string, any], n int32) []int32 { return []int32{int32(at(r.Key)) % n} }
	b := streams.NewBuilder()
	orders, customers := b.Table("orders", serde.String, serde.String), b.Table("customers", serde.String, serde.String)
	orders.JoinForeignKey(customers, func(_, customer string) (string, bool) { return customer, true },
		func(customer, name string) string { return customer + " is " + name }, streams.PartitionedBy[string, string](byDigit, byDigit)).
		ToStream().To("out")
	d, err := streamstest.New(build(t, b), streams.Config{CacheBytes: new(int64)}, streamstest.Partitions(4, "orders", "out"), streamstest.Partitions(3, "customers"))
	require.NoError(t, err)
	defer d.Close()
	pipe := func(topic string, partitions int, k, v string, time streams.Time) {
		t.Helper()
		require.NoError(t, d.PipeTo(at(k)%partitions, streamstest.Raw{Topic: topic, Key: []byte(k), Value: []byte(v), Time: time}))
	}
	pipe("customers", 3, "c0", "Ann", 1)
	pipe("customers", 3, "c1", "Bob", 2)
	pipe("orders", 4, "o3", "c0", 3)
	pipe("orders", 4, "o2", "c2", 4) // who comes later
	pipe("orders", 4, "o1", "c1", 5)
	pipe("customers", 3, "c2", "Cid", 6)
	pipe("orders", 4, "o3", "c2", 7)
	require.Equal(t, []string{"o3=c0 is Ann@3", "o1=c1 is Bob@5", "o2=c2 is Cid@6", "o3=c2 is Cid@7"}, lines(t, d, "out"))
}
