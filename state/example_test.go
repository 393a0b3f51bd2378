package state_test

import (
	"fmt"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
)

// changelog prints what a store says to its changelog topic.
type changelog struct{}

func (changelog) Log(r state.LogRecord) error {
	fmt.Printf("changelog: %q -> %q at %d\n", r.Key, r.Value, r.Time)
	return nil
}

// A task opens its stores and hands them to its processors. Here they are in memory, as in the test driver.
func Example() {
	clicks := state.TimestampedKeyValue("clicks", serde.String, serde.String)
	stores, err := state.Open(state.Env{
		Record:    &state.RecordContext{},
		Changelog: func(store string) state.Changelog { return changelog{} },
	}, []state.AnyDefinition{clicks})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := stores.Get("clicks").(state.KeyValueStore[string, state.Stamped[string]])
	for i, page := range []string{"home", "cart"} {
		if err := store.Put("alice", state.Stamped[string]{Value: page, Time: state.Time(i)}); err != nil {
			fmt.Println(err)
		}
	}
	last, ok, err := store.Get("alice")
	fmt.Println(last.Value, ok, err)
	fmt.Println(stores.Close())
	// Output:
	// changelog: "alice" -> "home" at 0
	// changelog: "alice" -> "cart" at 1
	// cart true <nil>
	// <nil>
}

// A window store forgets what is older than its retention, by the times of what was put.
func ExampleWindow() {
	def := state.Window("per-minute", serde.String, serde.Int64, time.Minute, 10*time.Minute)
	config, _ := def.Changelog()
	fmt.Println(config["cleanup.policy"], config["retention.ms"])
	stores, err := state.Open(state.Env{}, []state.AnyDefinition{def})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := stores.Get("per-minute").(state.WindowStore[string, int64])
	for minute := range state.Time(20) {
		if err := store.Put("alice", minute*60_000, int64(minute)); err != nil {
			fmt.Println(err)
		}
	}
	for e, err := range store.Fetch("alice", 0, 11*60_000) {
		fmt.Println(int64(e.Key)/60_000, e.Value, err)
	}
	// Output:
	// compact,delete 87000000
	// 10 10 <nil>
	// 11 11 <nil>
}
