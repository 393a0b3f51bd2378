package streams_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

func ExampleTable_JoinGlobal() {
	b := streams.NewBuilder()
	cities := b.GlobalTable("cities", serde.String, serde.String)
	b.Table("people", serde.String, serde.String).
		JoinGlobal(cities, func(_, city string) string { return city }, func(_, name string) string { return name }).
		ToStream().
		To("homes")

	pipe(b, "cities B=Berlin", "people ann=B", "cities B=Bern", "people ann=B", "people ann=X", "people ann")
	// Output:
	// homes ann=Berlin
	// homes ann=Bern
	// homes ann deleted
	// homes ann deleted
}

func ExampleTable_LeftJoinGlobal() {
	b := streams.NewBuilder()
	cities := b.GlobalTable("cities", serde.String, serde.String)
	b.Table("people", serde.String, serde.String).
		LeftJoinGlobal(cities, func(_, city string) string { return city }, func(city string, name *string) string {
			if name == nil {
				return city + "?"
			}
			return *name
		}).
		ToStream().
		To("homes")

	pipe(b, "cities B=Berlin", "people ann=B", "people bob=X", "people bob")
	// Output:
	// homes ann=Berlin
	// homes bob=X?
	// homes bob deleted
}

// What a row made before is taken back, although the global table has gone on: the result's store knows it. With a store, what never was is not deleted.
func TestTableJoinsGlobalTable(t *testing.T) {
	t.Parallel()
	for _, cache := range []int64{0, 1 << 20} {
		b := streams.NewBuilder()
		cities := b.GlobalTable("cities", serde.String, serde.String)
		homes := b.Table("people", serde.String, serde.String).
			TryJoinGlobal(cities, func(_ context.Context, _, city string) (string, error) {
				switch city {
				case "none":
					return "", streams.Null
				case "ignored":
					return "", streams.Skip
				}
				return city, nil
			}, func(_ context.Context, k, city, key, name string) (string, error) {
				if name == "Nowhere" {
					return "", streams.Null
				}
				return name, nil
			}, streams.As("homes"))
		homes.ToStream().To("homes")
		homes.GroupBy(func(k, home string) (string, string) { return home, k }).Count(streams.As("inhabitants")).ToStream().To("inhabitants")
		top := build(t, b)
		d, err := streamstest.New(top, streams.Config{CacheBytes: &cache})
		require.NoError(t, err)
		pipe := func(topic, k, v string) {
			t.Helper()
			r := streamstest.Raw{Topic: topic, Key: []byte(k)}
			if v != "" {
				r.Value = []byte(v)
			}
			require.NoError(t, d.Pipe(r))
		}
		read := func() (out []string) {
			t.Helper()
			for r, err := range d.Output("homes", serde.String, serde.String).All() {
				require.NoError(t, err)
				out = append(out, fmt.Sprint(r.Key, "=", r.Value, r.Tombstone))
			}
			for r, err := range d.Output("inhabitants", serde.String, serde.Int64).All() {
				require.NoError(t, err)
				out = append(out, fmt.Sprint(r.Key, ":", r.Value))
			}
			return out
		}
		pipe("cities", "B", "Berlin")
		pipe("cities", "N", "Nowhere")
		pipe("people", "ann", "B")
		require.Equal(t, []string{"ann=Berlinfalse", "Berlin:1"}, read())
		pipe("cities", "B", "Bern")
		require.Empty(t, read(), "a change of the global table makes no row")
		pipe("people", "ann", "B")
		require.Equal(t, []string{"ann=Bernfalse", "Berlin:0", "Bern:1"}, read())
		pipe("people", "bob", "X")
		require.Empty(t, read(), "no such city, and nothing to delete")
		pipe("people", "ann", "ignored")
		require.Empty(t, read())
		require.EqualValues(t, 1, d.Dropped())
		require.NoError(t, d.Crash())
		pipe("people", "ann", "N")
		require.Equal(t, []string{"ann=true", "Bern:0"}, read())
		pipe("people", "ann", "none")
		pipe("people", "ann", "")
		require.Empty(t, read())
		require.NoError(t, d.Close())
	}
}
