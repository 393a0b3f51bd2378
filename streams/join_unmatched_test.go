package streams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

// outerJoin joins l and r, whose records may come 20 ms before those of l and 5 ms after.
func outerJoin(t *testing.T) *streamstest.Driver {
	t.Helper()
	return drive(t, func(b *streams.Builder) {
		l, r := b.Stream("l", serde.String, serde.String), b.Stream("r", serde.String, serde.String)
		l.OuterJoinStream(r, window.Join{Before: 20 * time.Millisecond, After: 5 * time.Millisecond}, func(l, r *string) string {
			return orNobody(l) + "-" + orNobody(r)
		}).To("out")
	})
}

// TestUnmatchedRecordsBeforeTheFirstLook: a record of r looks for unmatched ones when the window of one that old would be over for r,
// 20 ms, also if nothing has looked before it, as in Kafka Streams: here the first to look is one of l.
func TestUnmatchedRecordsBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	d := outerJoin(t)
	pipe := func(topic, key, value string, at streams.Time) []string {
		r := streamstest.Raw{Topic: topic, Key: []byte(key), Time: at}
		if value != "" {
			r.Value = []byte(value)
		}
		require.NoError(t, d.Pipe(r))
		return lines(t, d, "out")
	}
	require.Empty(t, pipe("l", "a", "", 9)) // dropped, but stream time
	require.Empty(t, pipe("l", "a", "late", 5))
	require.Empty(t, pipe("r", "a", "other", 14))
	require.Equal(t, []string{"a=late-nobody@5"}, pipe("l", "z", "v", 27))
}

// TestUnmatchedRecordsOutliveARestart: what waits in the store when a task starts is let go, although nothing is added to it.
func TestUnmatchedRecordsOutliveARestart(t *testing.T) {
	t.Parallel()
	d := outerJoin(t)
	require.NoError(t, d.Input("l", serde.String, serde.String).PipeAt("a", "v", 5))
	require.NoError(t, d.Crash())
	require.NoError(t, d.Input("r", serde.String, serde.String).PipeAt("z", "w", 100))
	require.Equal(t, []string{"a=v-nobody@5"}, lines(t, d, "out"))
}
