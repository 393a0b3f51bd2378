package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// asyncInput is n records with the keys 0, 1, ...
func asyncInput(n int) []streamstest.Raw {
	rs := make([]streamstest.Raw, n)
	for i := range rs {
		rs[i] = streamstest.Raw{Topic: "in", Key: []byte{'0' + byte(i)}, Value: []byte("v"), Time: streams.Time(i)}
	}
	return rs
}

// TestAsyncKeepsOrder checks that results come in the order of the records, that no more calls than asked for run at once, and that they do run at once: the
// first records' calls take longest.
func TestAsyncKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		d := drive(t, func(b *streams.Builder) {
			b.Stream("in", serde.String, serde.String).MapValuesAsync(3, func(_ context.Context, r textRow) (string, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(time.Duration(10-r.Time) * time.Second)
				return r.Value + r.Key, nil
			}).WithValueSerde(serde.String).To("out")
		}, streamstest.Batches())
		began := time.Now()
		require.NoError(t, d.PipeAll(slices.Values(asyncInput(9))))
		var want []string
		for i := range 9 {
			want = append(want, fmt.Sprintf("%d=v%d@%d", i, i, i))
		}
		require.Equal(t, want, lines(t, d, "out"))
		require.EqualValues(t, 3, most.Load())
		require.Less(t, time.Since(began), 25*time.Second, "one after the other would be 54 s")
	})
}

// TestAsyncContext checks that what is behind sees each result in its own record's context.
func TestAsyncContext(t *testing.T) {
	t.Parallel()
	var offsets []int64
	d := drive(t, func(b *streams.Builder) {
		b.Stream("in", serde.String, serde.String).
			MapValuesAsync(4, func(_ context.Context, r textRow) (string, error) { return r.Value, nil }).
			ProcessValues(func(ctx *topology.FixedKeyContext[string, string]) (topology.FixedKeyProcessor[string, string], error) {
				return fixedKey[string, string](func(topology.FixedKeyRecord[string, string]) error {
					m, _ := ctx.Metadata()
					offsets = append(offsets, m.Offset)
					return nil
				}), nil
			})
	}, streamstest.Batches())
	require.NoError(t, d.PipeAll(slices.Values(asyncInput(6))))
	require.Equal(t, []int64{0, 1, 2, 3, 4, 5}, offsets)
}

// TestAsyncFailures checks that an error and a panic of a call are those of the node, at their record.
func TestAsyncFailures(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, textRow) (string, error){
		"error": func(context.Context, textRow) (string, error) { return "", errBad },
		"panic": func(context.Context, textRow) (string, error) { panic(errBad) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drive(t, func(b *streams.Builder) {
				b.Stream("in", serde.String, serde.String).MapValuesAsync(2, func(ctx context.Context, r textRow) (string, error) {
					if r.Time == 1 {
						return call(ctx, r)
					}
					return r.Value, nil
				}, streams.Named("call")).WithValueSerde(serde.String).To("out")
			}, streamstest.Batches())
			err := d.PipeAll(slices.Values(asyncInput(4)))
			var node *topology.NodeError
			require.ErrorAs(t, err, &node)
			require.Equal(t, "call", node.Node)
			require.EqualValues(t, 1, node.Record.Offset)
			require.True(t, errors.Is(err, errBad))
		})
	}
}

// TestAsyncEnds checks that calls in flight are told to end with the task.
func TestAsyncEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).MapValuesAsync(2, func(ctx context.Context, r textRow) (string, error) {
			<-ctx.Done()
			ended = true
			return "", ctx.Err()
		})
		top, err := b.Build()
		require.NoError(t, err)
		d, err := streamstest.New(top, streams.Config{}, streamstest.ManualCommit())
		require.NoError(t, err)
		require.NoError(t, d.Pipe(asyncInput(1)[0]))
		synctest.Wait()
		require.False(t, ended)
		require.NoError(t, d.Close())
		synctest.Wait()
		require.True(t, ended)
	})
}

// TestAsyncDeadLetters checks that the error of a call, and a panic behind it, are told with the bytes of their own record, whichever record is processed meanwhile, and that this
// one is not lost with it.
func TestAsyncDeadLetters(t *testing.T) {
	t.Parallel()
	for _, options := range [][]streamstest.Option{nil, {streamstest.Batches()}} {
		b := streams.NewBuilder()
		b.Stream("in", serde.String, serde.String).
			MapValuesAsync(2, func(_ context.Context, r textRow) (string, error) {
				if r.Value == "v1" {
					return "", errBad
				}
				return r.Value, nil
			}).
			Peek(func(_, v string) {
				if v == "v2" {
					panic(errBad)
				}
			}).
			To("out")
		d, err := streamstest.New(build(t, b), streams.Config{DeadLetterTopic: "dead",
			OnProcessingError: func(context.Context, *streams.Failure) streams.Decision { return streams.DeadLetter }}, options...)
		require.NoError(t, err)
		in := d.Input("in", serde.String, serde.String)
		require.NoError(t, in.PipeKeyValues(func(yield func(string, string) bool) {
			for i := range 5 {
				if !yield("k", fmt.Sprint("v", i)) {
					return
				}
			}
		}))
		out, err := d.Output("out", serde.String, serde.String).ReadValues()
		require.NoError(t, err)
		require.Equal(t, []string{"v0", "v3", "v4"}, out)
		dead, err := d.Output("dead", serde.String, serde.String).ReadValues()
		require.NoError(t, err)
		require.Equal(t, []string{"v1", "v2"}, dead)
		require.NoError(t, d.Close())
	}
}
