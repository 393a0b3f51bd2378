package interchange

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// application is that of interop/Interchange.java.
func application(t *testing.T) *topology.Topology {
	b := streams.NewBuilder()
	in := func(topic string) streams.Stream[string, string] { return b.Stream(topic, serde.String, serde.String) }
	window1 := func(k window.Windowed[string], n int64) (string, string) {
		return k.Key, fmt.Sprintf("%d=%d", k.Window.Start%3_600_000, n)
	}
	in("clicks").GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Minute, Grace: 30 * time.Second}).
		Count(streams.As("per-minute")).
		ToStream().Map(window1).To("clicks-out")
	in("visits").GroupByKey().
		WindowedBySession(window.Session[string]{Gap: 20 * time.Second, Grace: time.Minute}).
		Count(streams.As("sessions")).
		ToStream().TryMap(func(_ context.Context, r streams.Record[window.Windowed[string], int64]) (streams.Record[string, string], error) {
		n := "null"
		if !r.Tombstone {
			n = fmt.Sprint(r.Value)
		}
		text := fmt.Sprintf("%d-%d=%s", r.Key.Window.Start%3_600_000, r.Key.Window.End%3_600_000, n)
		return streams.Record[string, string]{Key: r.Key.Key, Value: text, Time: r.Time, Headers: r.Headers}, nil
	}).To("visits-out")
	or := func(s *string) string {
		if s == nil {
			return "null"
		}
		return *s
	}
	left, right := in("left"), in("right")
	left.OuterJoinStream(right, window.Within(10*time.Second, 5*time.Second), func(l, r *string) string { return or(l) + "+" + or(r) }, streams.As("pairs")).To("pairs-out")
	customers := b.Table("customers", serde.String, serde.String, streams.As("customers"))
	b.Table("orders", serde.String, serde.String, streams.As("orders")).
		LeftJoinForeignKey(customers, func(_, v string) (string, bool) { fk, _, ok := strings.Cut(v, ":"); return fk, ok },
			func(o string, c *string) string { return o + "/" + or(c) }, streams.Named("of-customer"), streams.As("orders-of-customers")).
		ToStream().To("orders-out")
	in("events").GroupBy(func(_, v string) string { return v }, streams.Named("by-value")).
		WindowedBy(window.Tumbling[string]{Size: time.Minute, Grace: 10 * time.Second}).
		Count(streams.As("event-counts")).
		Suppress(streams.UntilWindowCloses{}, streams.Named("final")).
		ToStream().Map(window1).To("events-out")
	top, err := b.Build()
	require.NoError(t, err)
	return top
}

var (
	inputs  = []string{"clicks", "visits", "left", "right", "customers", "orders", "events"}
	outputs = []string{"clicks-out", "visits-out", "pairs-out", "orders-out", "events-out"}
)

// record is one of the input, at a time in seconds. "-" deletes.
type record struct {
	topic, key, value string
	at                int
}

// parts are what is written while each of the runs goes on, in the order of time. What a part leaves open, the next one has to know of.
var parts = [][]record{
	{ // ours
		{"clicks", "a", "1", 0}, {"clicks", "a", "2", 10}, {"clicks", "b", "1", 20}, {"clicks", "a", "3", 70},
		{"visits", "u", "1", 0}, {"visits", "u", "2", 10}, {"visits", "v", "1", 15}, {"visits", "u", "3", 40},
		{"left", "x", "l1", 0}, {"right", "x", "r1", 3}, {"left", "y", "l2", 5}, {"right", "z", "r3", 6}, {"left", "w", "l9", 9},
		{"customers", "c1", "Ada", 0}, {"orders", "o1", "c1:pen", 1}, {"orders", "o2", "c2:ink", 2}, {"orders", "o3", "c1:cap", 3},
		{"events", "1", "go", 0}, {"events", "2", "go", 30}, {"events", "3", "stop", 59}, {"events", "4", "go", 61},
	},
	{ // Java
		{"clicks", "a", "4", 50}, {"clicks", "b", "2", 75}, {"clicks", "late", "0", 45}, {"clicks", "a", "5", 130},
		{"visits", "u", "4", 25}, {"visits", "v", "2", 30}, {"visits", "w", "1", 90},
		{"left", "z", "l3", 10}, {"right", "y", "r2", 12}, {"left", "y", "l4", 30}, {"right", "q", "r5", 31},
		{"customers", "c2", "Bob", 10}, {"orders", "o1", "c2:pen", 11}, {"orders", "o3", "-", 12}, {"orders", "o4", "c1:mug", 13},
		{"events", "5", "stop", 65}, {"events", "6", "stop", 135}, {"events", "7", "go", 136},
	},
	{ // ours, with its own old state
		{"clicks", "a", "6", 140}, {"clicks", "b", "3", 100}, {"clicks", "c", "1", 200},
		{"visits", "w", "2", 105}, {"visits", "v", "3", 100}, {"visits", "u", "5", 160},
		{"right", "y", "r4", 33}, {"left", "q", "l5", 40}, {"left", "p", "l6", 70}, {"right", "p", "r6", 71},
		{"customers", "c1", "-", 20}, {"customers", "c2", "Ben", 21}, {"orders", "o5", "c1:cup", 22},
		{"events", "8", "go", 140}, {"events", "9", "go", 200},
	},
	{ // ours, with nothing but the topics
		{"clicks", "c", "2", 205}, {"clicks", "a", "7", 150}, {"visits", "u", "6", 170}, {"visits", "w", "3", 112},
		{"left", "p", "l7", 75}, {"right", "end", "r7", 120},
		{"customers", "c1", "Eve", 30}, {"orders", "o2", "-", 31}, {"events", "10", "stop", 201}, {"events", "11", "end", 400},
	},
}

// expected are the outputs of the parts up to n in one run that nothing interrupts.
func expected(t *testing.T, base time.Time, n int) map[string][]string {
	zero := int64(0)
	d, err := streamstest.New(application(t), streams.Config{ApplicationID: "interchange", CacheBytes: &zero, EmitInterval: -1}, streamstest.StartAt(base))
	require.NoError(t, err)
	for _, part := range parts[:n] {
		for _, r := range part {
			in := d.Input(r.topic, serde.String, serde.String)
			rec := topology.Record[string, string]{Key: r.key, Value: r.value, Time: window.At(base.Add(time.Duration(r.at) * time.Second))}
			if r.value == "-" {
				rec.Value, rec.Tombstone = "", true
			}
			require.NoError(t, in.Pipe(rec))
		}
	}
	got := map[string][]string{}
	for _, topic := range outputs {
		rs, err := d.Output(topic, serde.String, serde.String).ReadAll()
		require.NoError(t, err)
		for _, r := range rs {
			got[topic] = append(got[topic], line(r.Key, r.Value, r.Tombstone))
		}
	}
	require.NoError(t, d.Close())
	return got
}

var list = regexp.MustCompile(`[^ \[\n]+(, [^ \]\n]+)+`)

// sorted is a description with its lists in order: Java prints sets.
func sorted(described string) string {
	return list.ReplaceAllStringFunc(described, func(l string) string {
		names := strings.Split(l, ", ")
		slices.Sort(names)
		return strings.Join(names, ", ")
	})
}

func line(key, value string, tombstone bool) string {
	if tombstone {
		return key + " -"
	}
	return key + " " + value
}

func TestAnApplicationChangesItsRuntime(t *testing.T) {
	addr, libs := os.Getenv("MILLRACE_KAFKA"), os.Getenv("MILLRACE_JAVA_LIBS")
	if addr == "" || libs == "" {
		t.Skip("needs an Apache Kafka and its jars: MILLRACE_KAFKA and MILLRACE_JAVA_LIBS, see make interop")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	require.NoError(t, err)
	defer cl.Close()
	k := &kafka{t: t, ctx: ctx, addr: addr, cl: cl, adm: kadm.NewClient(cl), base: time.Now().Add(-time.Hour).Truncate(time.Hour)}
	for _, topic := range slices.Concat(inputs, outputs) {
		_, err := k.adm.CreateTopic(ctx, 1, 1, nil, topic)
		require.NoError(t, err)
	}
	ours, dir := application(t), t.TempDir()
	began := time.Now()
	took := func(what string) { t.Logf("%s after %v", what, time.Since(began).Round(time.Millisecond)) }

	stop := k.ours(ours, dir)
	took("ours runs")
	k.part(1)
	took("the first part is done")
	stop()
	described, restored, stop := k.java(libs)
	require.Equal(t, sorted(described), sorted(ours.Describe()), "both give everything the same names")
	for _, store := range []string{"per-minute", "sessions", "event-counts", "final-store", "orders-of-customers", "customers", "orders"} {
		require.Contains(t, restored, store, "Java restores every store from what ours has written")
	}
	took("Java runs")
	k.part(2)
	took("the second part is done")
	stop()
	took("Java has stopped")
	stop = k.ours(ours, dir)
	took("ours runs")
	k.part(3)
	took("the third part is done")
	stop()
	stop = k.ours(ours, t.TempDir())
	took("ours runs")
	k.part(4)
	stop()
}

type kafka struct {
	t    *testing.T
	ctx  context.Context
	addr string
	cl   *kgo.Client
	adm  *kadm.Client
	base time.Time
}

// ours runs our application.
func (k *kafka) ours(top *topology.Topology, dir string) (stop func()) {
	zero := int64(0)
	app, err := streams.New(top, streams.Config{ApplicationID: "interchange", BootstrapServers: []string{k.addr}, Guarantee: streams.ExactlyOnce, StateDir: dir, CacheBytes: &zero,
		EmitInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(k.t, err)
	ctx, cancel := context.WithCancel(k.ctx)
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	require.NoError(k.t, app.Wait(k.ctx, streams.Running))
	return func() {
		cancel()
		require.NoError(k.t, <-ended)
	}
}

// java runs Java's. It answers how that describes itself, and how many records it has restored of each store.
func (k *kafka) java(libs string) (described string, restored map[string]int, stop func()) {
	cmd := exec.CommandContext(k.ctx, "java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", libs, filepath.Join("..", "..", "interop", "Interchange.java"), k.addr, k.t.TempDir())
	in, err := cmd.StdinPipe()
	require.NoError(k.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(k.t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(k.t, cmd.Start())
	restored = map[string]int{}
	lines := bufio.NewScanner(out)
	running := false
	for lines.Scan() && lines.Text() != "end" {
		switch s := lines.Text(); {
		case running:
			var store string
			var n int
			_, err := fmt.Sscan(s, &store, &n)
			require.NoError(k.t, err, s)
			restored[store] = n
		case s == "running":
			running = true
		default:
			described += s + "\n"
		}
	}
	require.True(k.t, running, "Java does not run: %s", &complaints)
	return described, restored, func() {
		require.NoError(k.t, in.Close())
		_, _ = io.Copy(io.Discard, out)
		require.NoError(k.t, cmd.Wait(), "%s", &complaints)
	}
}

// part writes the n-th part, record by record as the driver takes them, and waits for what has to come of all parts up to it.
func (k *kafka) part(n int) {
	k.t.Helper()
	for _, r := range parts[n-1] {
		rec := &kgo.Record{Topic: r.topic, Key: []byte(r.key), Value: []byte(r.value), Timestamp: k.base.Add(time.Duration(r.at) * time.Second)}
		if r.value == "-" {
			rec.Value = nil
		}
		require.NoError(k.t, k.cl.ProduceSync(k.ctx, rec).FirstErr())
	}
	want := expected(k.t, k.base, n)
	var got map[string][]string
	for last := []string(nil); ; {
		got = k.outputs()
		if equal := k.compare(want, got); equal == "" {
			return
		} else if last = append(last, equal); len(last) > 100 {
			require.Failf(k.t, "the outputs differ", "after part %d: %s", n, equal)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-k.ctx.Done():
			require.Failf(k.t, "the outputs differ", "after part %d: %v", n, k.compare(want, got))
		}
	}
}

// compare says what differs. The way of a foreign key leads over two topics: there only the last row of each key is certain.
func (k *kafka) compare(want, got map[string][]string) string {
	for _, topic := range outputs {
		w, g := want[topic], got[topic]
		if topic == "orders-out" {
			w, g = last(w), last(g)
		}
		if !slices.Equal(w, g) {
			return fmt.Sprintf("%s\nwant %q\ngot  %q", topic, w, g)
		}
	}
	return ""
}

func last(lines []string) (out []string) {
	rows := map[string]string{}
	for _, l := range lines {
		k, v, _ := strings.Cut(l, " ")
		rows[k] = v
	}
	for k, v := range rows {
		out = append(out, k+" "+v)
	}
	slices.Sort(out)
	return out
}

// outputs are the committed records of the outputs.
func (k *kafka) outputs() map[string][]string {
	ends, err := k.adm.ListEndOffsets(k.ctx, outputs...)
	require.NoError(k.t, err)
	from := map[string]map[int32]kgo.Offset{}
	left := map[string]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Topic], left[o.Topic] = map[int32]kgo.Offset{0: kgo.NewOffset().AtStart()}, o.Offset
		}
	})
	got := map[string][]string{}
	if len(left) == 0 {
		return got
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond), kgo.ConsumePartitions(from))
	require.NoError(k.t, err)
	defer cl.Close()
	for len(left) > 0 {
		fs := cl.PollFetches(k.ctx)
		require.NoError(k.t, fs.Err())
		for r := range fs.RecordsAll() {
			if r.Offset+1 >= left[r.Topic] {
				delete(left, r.Topic)
			}
			if !r.Attrs.IsControl() {
				got[r.Topic] = append(got[r.Topic], line(string(r.Key), string(r.Value), r.Value == nil))
			}
		}
	}
	return got
}
