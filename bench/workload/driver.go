package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/topology"
)

// drive pipes records through the test driver as the Java twin does: one at a time, each committed, its output read. It prints a line for each round.
func drive(top *topology.Topology) {
	const keys = 100_000
	n, rounds := int(number("n", 500_000)), int(number("rounds", 4))
	d, err := streamstest.New(top, streams.Config{ApplicationID: args["app"]})
	must(err)
	in := d.Input("in", serde.String, serde.String)
	out := d.Output("out", serde.String, serde.Int64)
	value := "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("key-%06d", i)
	}
	r := rand.New(rand.NewPCG(42, 42))
	at, got := streams.Time(0), 0
	for round := range rounds {
		began, cpu0 := time.Now(), cpu()
		for range n {
			must(in.PipeAt(names[r.IntN(keys)], value, at))
			at++
			for {
				_, ok, err := out.Read()
				must(err)
				if !ok {
					break
				}
				got++
			}
		}
		took := time.Since(began)
		line, err := json.Marshal(map[string]any{
			"impl": "millrace", "bench": "test driver, " + args["workload"] + ", in memory", "round": round + 1, "rec_s": float64(n) / took.Seconds(),
			"cpu_us_rec": float64((cpu() - cpu0).Microseconds()) / float64(n), "rss_mb": peakMB(), "out_records": got,
		})
		must(err)
		fmt.Println(string(line))
	}
	if got != n*rounds {
		must(fmt.Errorf("%d records came out of %d", got, n*rounds))
	}
	must(d.Close())
}
