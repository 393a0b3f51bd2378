package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

func ExampleWrap() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		MapValues(strings.ToUpper, streams.Named("upper")).
		Filter(func(_, v string) bool { return v != "B" }, streams.Named("not-b")).
		To("out")
	top, err := b.Build(streams.Wrap(func(ctx *topology.Context) (before func(streams.Time, topology.Headers), after func(error)) {
		return func(at streams.Time, _ topology.Headers) { fmt.Println(">", ctx.NodeName(), int64(at)) },
			func(err error) { fmt.Println("<", ctx.NodeName(), err) }
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := streamstest.New(top, streams.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	if err := d.Input("in", serde.String, serde.String).PipeAt("k", "b", 7); err != nil {
		fmt.Println(err)
	}
	// Output:
	// > upper 7
	// > not-b 7
	// < not-b <nil>
	// < upper <nil>
}

// A wrapper is asked about all kinds of nodes, sees how they end, and may leave a node alone.
func TestWrapSeesEveryNode(t *testing.T) {
	t.Parallel()
	b := streams.NewBuilder()
	split := b.Stream("in", serde.String, serde.String).Split(streams.Named("split"))
	split.Default(streams.Named("-rest")).
		Process(func(ctx *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
				return ctx.Forward(r)
			}), nil
		}, streams.Named("processor")).
		ProcessValues(func(*topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
			return failAll{}, nil
		}, streams.Named("fixed")).
		To("out")
	var seen []string
	top, err := b.Build(streams.Wrap(func(ctx *topology.Context) (func(streams.Time, topology.Headers), func(error)) {
		name := ctx.NodeName()
		if name == "split-rest" {
			return nil, nil
		}
		return nil, func(err error) { seen = append(seen, fmt.Sprint(name, " ", err != nil)) }
	}))
	require.NoError(t, err)
	d, err := streamstest.New(top, streams.Config{})
	require.NoError(t, err)
	require.ErrorIs(t, d.Input("in", serde.String, serde.String).PipeKeyValue("k", "v"), errFixed)
	require.Equal(t, []string{"fixed true", "processor true", "split true"}, seen)
	require.NoError(t, d.Close())
}

var errFixed = errors.New("fixed")

type failAll struct{}

func (failAll) ProcessValue(context.Context, topology.FixedKeyRecord[string, string]) error {
	return errFixed
}
