package streams_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// picky is a serde of texts that refuses "bad".
var picky = serde.New(func(dst []byte, s string) ([]byte, error) {
	if s == "bad" {
		return dst, errBad
	}
	return serde.String.Append(dst, s)
}, serde.String.Decode)

// TestRowThatAStoreRefuses checks that a row that its store's serde refuses is an error of its node, about which the processing handler is asked, and that the
// others go on.
func TestRowThatAStoreRefuses(t *testing.T) {
	t.Parallel()
	programs := map[string]func(b *streams.Builder) streams.Stream[string, string]{
		"aggregate": func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String).GroupByKey().
				Reduce(func(_, v string) string { return v }, streams.Named("node")).WithValueSerde(picky).ToStream()
		},
		"table": func(b *streams.Builder) streams.Stream[string, string] {
			return b.Stream("in", serde.String, serde.String).WithValueSerde(picky).ToTable(streams.Named("node"), streams.As("rows")).ToStream()
		},
		"table filter": func(b *streams.Builder) streams.Stream[string, string] {
			return b.Table("in", serde.String, serde.String).
				Filter(func(string, string) bool { return true }, streams.Named("node"), streams.As("rows")).WithValueSerde(picky).ToStream()
		},
		"table join": func(b *streams.Builder) streams.Stream[string, string] {
			t := b.Table("in", serde.String, serde.String)
			return t.LeftJoin(t, func(v string, _ *string) string { return v }, streams.Named("node"), streams.As("rows")).WithValueSerde(picky).ToStream()
		},
	}
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := streams.NewBuilder()
			program(b).WithValueSerde(serde.String).To("out")
			top, err := b.Build()
			require.NoError(t, err)
			var failures []error
			d, err := streamstest.New(top, streams.Config{CacheBytes: new(int64), OnProcessingError: func(_ context.Context, f *streams.Failure) streams.Decision {
				failures = append(failures, f.Err)
				return streams.Drop
			}})
			require.NoError(t, err)
			defer func() { require.NoError(t, d.Close()) }()
			in := d.Input("in", serde.String, serde.String)
			for i, v := range []string{"x", "bad", "y"} {
				require.NoError(t, in.PipeAt("a", v, streams.Time(i)))
			}
			got := lines(t, d, "out")
			require.NotEmpty(t, got)
			require.Equal(t, "a=y@2", got[len(got)-1])
			require.NotContains(t, got, "a=bad@1")
			require.NotEmpty(t, failures)
			var node *topology.NodeError
			require.ErrorAs(t, failures[0], &node)
			require.Equal(t, "node", node.Node)
			var row *state.RowError
			require.True(t, errors.As(failures[0], &row) && errors.Is(row, errBad), failures[0])
		})
	}
}
