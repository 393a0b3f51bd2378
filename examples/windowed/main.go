// Command windowed counts the views of each page in each minute. A count is shown once, when it is final: when the minute, by the clock of the events, is over.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/examples/internal/demo"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

func main() { demo.New("windowed", "[FILE]", streams.ExactlyOnce).Main(run) }

const grace = 10 * time.Second // how late an event may come

var minutes = window.Tumbling[string]{Size: time.Minute, Grace: grace}

// end is the page of the records behind the input, see behind.
const end = "(end of the input)"

func run(ctx context.Context, d *demo.Demo) error {
	b := streams.NewBuilder()
	b.Stream("views", serde.String, serde.Bytes).
		GroupByKey().
		WindowedBy(minutes).
		EmitOnClose().
		Count(streams.As("views-per-minute"), streams.LogConfig("retention.ms", "-1")). // the events may be from long ago
		ToStream().
		Filter(func(page window.Windowed[string], _ int64) bool { return page.Key != end }).
		To("final-counts")
	topology, err := b.Build()
	if err != nil {
		return err
	}

	in, err := d.Open("views", d.Argument(), sample())
	if err != nil {
		return err
	}
	return d.Process(ctx, topology, demo.Job{
		Sources: []demo.Source{{Topic: "views", In: in, Record: view, End: behind}},
		Outputs: []string{"final-counts"},
		Show:    show,
	})
}

// view is the record of a line: its key is the page, its time the event's. Nothing else is needed.
func view(line []byte) (*kgo.Record, error) {
	page, at, ok := bytes.Cut(line, []byte("\t"))
	t, err := time.Parse(time.RFC3339, string(at))
	if !ok || err != nil || len(page) == 0 || t.UnixMilli() < 0 {
		return nil, fmt.Errorf("%.100q is not page<TAB>time, such as %q", line, "/home\t2026-01-01T12:00:00Z")
	}
	return &kgo.Record{Key: page, Timestamp: t}, nil
}

// behind makes time pass in a partition when no event is left to do so: without it the last minutes would stay open, because only events move their clock.
func behind(latest time.Time) *kgo.Record {
	return &kgo.Record{Key: []byte(end), Timestamp: latest.Truncate(time.Minute).Add(time.Minute + grace)}
}

var key = window.TimeSerde(serde.String, time.Minute)

// show is the line of a final count.
func show(r *kgo.Record) (string, error) {
	page, err := key.Decode(r.Key)
	n, nerr := serde.Int64.Decode(r.Value)
	if err := errors.Join(err, nerr); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s\t%s\t%d", page.Start.Time().Format("2006-01-02 15:04"), page.Key, n), nil
}
