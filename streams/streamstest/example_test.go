package streamstest_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
)

// A word count without a broker: one record goes in, and what came of it is read.
func Example() {
	b := streams.NewBuilder()
	b.Stream("lines", serde.String, serde.String).
		FlatMapValues(strings.Fields).
		GroupBy(func(_, word string) string { return word }).
		Count(streams.As("counts")).
		ToStream().
		To("word-counts")
	top, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}

	d, err := streamstest.New(top, streams.Config{ApplicationID: "wordcount"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	lines := d.Input("lines", serde.String, serde.String).At(time.Unix(0, 0), time.Second)
	counts := d.Output("word-counts", serde.String, serde.Int64)
	if err := lines.PipeValues("all streams lead to kafka", "hello kafka streams"); err != nil {
		fmt.Println(err)
		return
	}
	for r, err := range counts.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.Key, r.Value)
	}
	// Output:
	// all 1
	// streams 1
	// lead 1
	// to 1
	// kafka 1
	// hello 1
	// kafka 2
	// streams 2
}
