package streams_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
)

// Threads read one global table at the same time: each record meets the row of its own key.
func TestAppJoinsWithAGlobalTableInThreads(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topics(4, "in", "out")
	c.topics(2, "names")
	b := streams.NewBuilder()
	names := b.GlobalTable("names", serde.String, serde.String)
	b.Stream("in", serde.String, serde.String).
		JoinGlobal(names, func(k, _ string) string { return k }, func(v, name string) string { return v + " " + name }).
		To("out")
	var want, rows, records []string
	for i := range 4000 {
		rows = append(rows, fmt.Sprintf("key-%d=name-%d", i, i))
		records = append(records, fmt.Sprintf("key-%d=%d", i, i))
		want = append(want, fmt.Sprintf("%d name-%d", i, i))
	}
	c.produce("names", rows...)
	c.produce("in", records...)
	cfg := c.config("threads")
	cfg.Threads = 3
	a := c.run(build(t, b), cfg)
	// Partitions may be on their way from one thread to another: only the output tells that all records were processed.
	c.until("all records are joined", func() bool { return len(c.read("out")) >= len(want) })
	a.stop()
	slices.Sort(want)
	require.True(t, slices.Equal(want, c.values("out")), "a record met another key's row")
}
