package streams_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// pipeAt is pipe for records that begin with their time: "5s in a=x".
func pipeAt(b *streams.Builder, records ...string) {
	top, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := streamstest.New(top, streams.Config{ApplicationID: "app"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for _, r := range records {
		at, rest, _ := strings.Cut(r, " ")
		topic, rest, _ := strings.Cut(rest, " ")
		key, value, ok := strings.Cut(rest, "=")
		after, err := time.ParseDuration(at)
		if err != nil {
			fmt.Println(err)
			return
		}
		raw := streamstest.Raw{Topic: topic, Key: []byte(key), Time: streams.Time(after.Milliseconds())}
		if ok {
			raw.Value = []byte(value)
		}
		if err := d.Pipe(raw); err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range d.Produced() {
			if !strings.HasPrefix(r.Topic, "app-") {
				fmt.Printf("%s: %s %s\n", time.Duration(r.Time)*time.Millisecond, r.Topic, show(r))
			}
		}
	}
}

// span is a windowed key as a line of an example has it.
func span(k window.Windowed[string]) string {
	from, to := time.Duration(k.Start)*time.Millisecond, time.Duration(k.End)*time.Millisecond
	return fmt.Sprintf("%s[%v-%v]", k.Key, from, to)
}

func ExampleGroupedStream_WindowedBy() {
	b := streams.NewBuilder()
	b.Stream("clicks", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: time.Minute, Grace: 10 * time.Second}).
		Count(streams.As("clicks-per-minute")).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "5s clicks ann=x", "30s clicks ann=x", "65s clicks ann=x", "59s clicks ann=within the grace", "70s clicks ann=x", "59s clicks ann=late")
	// Output:
	// 5s: out ann[0s-1m0s]=1
	// 30s: out ann[0s-1m0s]=2
	// 1m5s: out ann[1m0s-2m0s]=1
	// 59s: out ann[0s-1m0s]=3
	// 1m10s: out ann[1m0s-2m0s]=2
}

func ExampleWindowedStream_Aggregate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Hopping[string]{Size: 10 * time.Second, Advance: 5 * time.Second}).
		Aggregate(func() string { return "" }, func(_, v, agg string) string { return agg + v }).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "3s in k=a", "7s in k=b") // a record is in every window that holds its time
	// Output:
	// 3s: out k[0s-10s]=a
	// 7s: out k[0s-10s]=ab
	// 7s: out k[5s-15s]=b
}

func ExampleWindowedStream_Reduce() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Sliding[string]{Difference: 5 * time.Second}). // all records that are at most so far apart
		Reduce(func(agg, v string) string { return agg + v }).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "10s in k=a", "13s in k=b", "20s in k=c")
	// Output:
	// 10s: out k[5s-10s]=a
	// 13s: out k[10.001s-15.001s]=b
	// 13s: out k[8s-13s]=ab
	// 20s: out k[15s-20s]=c
}

func ExampleWindowedStream_EmitOnClose() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: 10 * time.Second, Grace: 5 * time.Second}).
		EmitOnClose().
		Count().
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=x", "2s in b=x", "9s in a=x", "14s in c=x", "15s in c=x")
	// Output:
	// 9s: out a[0s-10s]=2
	// 2s: out b[0s-10s]=1
}

func ExampleTable_Suppress() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: 10 * time.Second}).
		Count().
		Suppress(streams.UntilWindowCloses{}).
		ToStream().
		Filter(func(_ window.Windowed[string], n int64) bool { return n > 1 }).
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=x", "2s in a=x", "9s in a=x", "9s in b=x", "10s in c=x")
	// Output:
	// 9s: out a[0s-10s]=3
}

func ExampleTable_Suppress_timeLimit() {
	b := streams.NewBuilder()
	b.Table("prices", serde.String, serde.String).
		Suppress(streams.UntilTimeLimit{Wait: 10 * time.Second, MaxRecords: 1000, EmitEarly: true}).
		ToStream().
		To("out")

	pipeAt(b, "0s prices pen=1", "4s prices pen=2", "9s prices pen=3", "10s prices ink=5", "20s prices cap=7")
	// Output:
	// 9s: out pen=3
	// 10s: out ink=5
}

func ExampleWindowedStream_OnLate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: 10 * time.Second}).
		OnLate(func(_ context.Context, r streams.Record[string, string], w window.Window) error {
			fmt.Printf("%s is late for the window that ended at %v\n", r.Value, time.Duration(w.End)*time.Millisecond)
			return nil
		}).
		Count()

	pipeAt(b, "1s in a=x", "12s in a=y", "9s in a=z")
	// Output:
	// z is late for the window that ended at 10s
}

func ExampleGroupedStream_WindowedBySession() {
	b := streams.NewBuilder()
	b.Stream("clicks", serde.String, serde.String).
		GroupByKey().
		WindowedBySession(window.Session[string]{Gap: 10 * time.Second, Grace: time.Minute}).
		Count().
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "0s clicks ann=x", "15s clicks ann=x", "8s clicks ann=x") // the third makes one session of two
	// Output:
	// 0s: out ann[0s-0s]=1
	// 15s: out ann[15s-15s]=1
	// 0s: out ann[0s-0s] deleted
	// 15s: out ann[15s-15s] deleted
	// 15s: out ann[0s-15s]=3
}

func ExampleSessionWindowedStream_Aggregate() {
	b := streams.NewBuilder()
	b.Stream("pages", serde.String, serde.String).
		GroupByKey().
		WindowedBySession(window.Session[string]{Gap: 10 * time.Second}).
		EmitOnClose().
		Aggregate(
			func() string { return "" },
			func(_, page, path string) string { return path + "/" + page },
			func(_, a, b string) string { return a + b }, // of two sessions
		).
		ToStream().
		MapKey(span).
		To("visits")

	pipeAt(b, "0s pages ann=home", "7s pages ann=shop", "17.001s pages bob=home", "18s pages bob=help")
	// Output:
	// 7s: visits ann[0s-7s]=/home/shop
}

func ExampleGroupedStream_Cogroup() {
	b := streams.NewBuilder()
	orders := b.Stream("orders", serde.String, serde.String).GroupByKey()
	payments := b.Stream("payments", serde.String, serde.String).GroupByKey()
	orders.Cogroup(func(_, order, log string) string { return log + " ordered " + order }).
		Cogroup(payments, func(_, sum, log string) string { return log + " paid " + sum }).
		Aggregate(func() string { return "has" }, streams.As("customers")).
		ToStream().
		To("customers")

	pipe(b, "orders ann=pen", "payments bob=3", "payments ann=2")
	// Output:
	// customers ann=has ordered pen
	// customers bob=has paid 3
	// customers ann=has ordered pen paid 2
}

func ExampleCogroupedStream_WindowedBy() {
	b := streams.NewBuilder()
	in := b.Stream("in", serde.String, serde.String).GroupByKey()
	out := b.Stream("out", serde.String, serde.String).GroupByKey()
	in.Cogroup(func(_, _ string, n int64) int64 { return n + 1 }).
		Cogroup(out, func(_, _ string, n int64) int64 { return n - 1 }).
		WindowedBy(window.Tumbling[string]{Size: time.Minute}).
		Aggregate(func() int64 { return 0 }).
		ToStream().
		MapKey(span).
		To("balance")

	pipeAt(b, "1s in door=ann", "2s in door=bob", "50s out door=ann", "61s in door=ann")
	// Output:
	// 1s: balance door[0s-1m0s]=1
	// 2s: balance door[0s-1m0s]=2
	// 50s: balance door[0s-1m0s]=1
	// 1m1s: balance door[1m0s-2m0s]=1
}

func ExampleCogroupedStream_WindowedBySession() {
	b := streams.NewBuilder()
	clicks := b.Stream("clicks", serde.String, serde.String).GroupByKey()
	buys := b.Stream("buys", serde.String, serde.String).GroupByKey()
	clicks.Cogroup(func(_, _ string, visit string) string { return visit + "." }).
		Cogroup(buys, func(_, item string, visit string) string { return visit + item }).
		WindowedBySession(window.Session[string]{Gap: 30 * time.Second}).
		Aggregate(func() string { return "" }, func(_, a, b string) string { return a + b }).
		ToStream().
		MapKey(span).
		To("visits")

	pipeAt(b, "0s clicks ann=x", "20s buys ann=pen")
	// Output:
	// 0s: visits ann[0s-0s]=.
	// 0s: visits ann[0s-0s] deleted
	// 20s: visits ann[0s-20s]=.pen
}

func ExampleTimestamps() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String, streams.Timestamps(func(r streams.Record[string, string], _ topology.RecordMetadata, _ streams.Time) streams.Time {
		at, err := time.Parse(time.RFC3339, r.Value)
		if err != nil {
			return -1 // a negative time drops the record
		}
		return window.At(at)
	})).To("out")

	pipeAt(b, "5s in a=1970-01-01T00:00:07Z", "6s in a=noon")
	// Output:
	// 7s: out a=1970-01-01T00:00:07Z
}
