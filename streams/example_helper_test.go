package streams_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// pipe pipes records into a program, written "topic key=value" or "topic key" for a tombstone, at 0, 1, 2, ... ms, and prints what it writes to its
// own topics, values as text.
func pipe(b *streams.Builder, records ...string) {
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
	for i, r := range records {
		topic, rest, _ := strings.Cut(r, " ")
		key, value, ok := strings.Cut(rest, "=")
		raw := streamstest.Raw{Topic: topic, Key: []byte(key), Time: streams.Time(i)}
		if ok {
			raw.Value = []byte(value)
		}
		if err := d.Pipe(raw); err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range d.Produced() {
			if !strings.HasPrefix(r.Topic, "app-") {
				fmt.Println(r.Topic, show(r))
			}
		}
	}
}

// show prints a record; a value of eight bytes that is no text is a long.
func show(r streamstest.Raw) string {
	if r.Value == nil {
		return string(r.Key) + " deleted"
	}
	if len(r.Value) == 8 && r.Value[0] == 0 {
		n, _ := serde.Int64.Decode(r.Value)
		return fmt.Sprintf("%s=%d", r.Key, n)
	}
	return fmt.Sprintf("%s=%s", r.Key, r.Value)
}

// fixedKey is a function as a processor that keeps its key.
type fixedKey[K, V any] func(topology.FixedKeyRecord[K, V]) error

func (f fixedKey[K, V]) ProcessValue(_ context.Context, r topology.FixedKeyRecord[K, V]) error {
	return f(r)
}
