package streams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// Kafka Streams caches the stores of windows of time that are emitted when they close, and no others: what a cache holds back of them is the changelog.
func TestEmitOnCloseWithCache(t *testing.T) {
	const ms = time.Millisecond
	join := func(a, v string) string { return a + v }
	letters := func(b *streams.Builder) streams.Stream[string, string] {
		return b.Stream("in", serde.String, serde.String).FlatMapValues(func(v string) []string {
			var out []string
			for _, r := range v {
				out = append(out, string(r))
			}
			return out
		})
	}
	times := func(w window.Windows[string, window.Windowed[string]]) func(*streams.Builder, ...streams.StoreOption) {
		return func(b *streams.Builder, o ...streams.StoreOption) {
			letters(b).GroupByKey().WindowedBy(w).EmitOnClose().Reduce(join, append(o, streams.As("s"))...).ToStream().MapKey(atWindow).To("out")
		}
	}
	sessions := func(b *streams.Builder, o ...streams.StoreOption) {
		letters(b).GroupByKey().WindowedBySession(window.Session[string]{Gap: 9 * ms}).EmitOnClose().Reduce(join, append(o, streams.As("s"))...).ToStream().MapKey(atWindow).To("out")
	}
	for name, c := range map[string]struct {
		build    func(*streams.Builder, ...streams.StoreOption)
		opts     []streams.StoreOption
		out, log string // of abc@1, de@3, f@1000
	}{
		"tumbling": {build: times(window.Tumbling[string]{Size: 10 * ms}), out: "abcde", log: "abc abcde f"},
		"hopping":  {build: times(window.Hopping[string]{Size: 10 * ms, Advance: 5 * ms}), out: "abcde", log: "abc abcde f f"},
		"tumbling, in memory": {build: times(window.Tumbling[string]{Size: 10 * ms}), opts: []streams.StoreOption{streams.InMemory()},
			out: "abcde", log: "abc abcde f"},
		"tumbling, no cache": {build: times(window.Tumbling[string]{Size: 10 * ms}), opts: []streams.StoreOption{streams.Caching(false)},
			out: "abcde", log: "a ab abc abcd abcde f"},
		"sliding": {build: times(window.Sliding[string]{Difference: 9 * ms}), out: "abcde de", log: "a ab abc d abcd de abcde f"},
		"session": {build: sessions, out: "abcde", log: "a ab abc null abcd null abcde f"},
	} {
		t.Run(name, func(t *testing.T) {
			b := streams.NewBuilder()
			c.build(b, c.opts...)
			d := started(t, b, streams.Config{ApplicationID: "app"})
			in := d.Input("in", serde.String, serde.String)
			for i, v := range []string{"abc", "de", "f"} {
				require.NoError(t, in.Pipe(streams.Record[string, string]{Key: "k", Value: v, Time: []streams.Time{1, 3, 1000}[i]}))
			}
			got := map[string]string{}
			for _, p := range d.Produced() {
				v := "null"
				if p.Value != nil {
					v = string(p.Value)
				}
				if got[p.Topic] != "" {
					v = " " + v
				}
				got[p.Topic] += v
			}
			require.Equal(t, map[string]string{"out": c.out, "app-s-changelog": c.log}, got)
		})
	}
}
