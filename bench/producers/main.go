// Command producers measures a broker that is asked to have each record on the disk before it acknowledges it: many producers, each with one record on its
// way at a time. It prints one line of JSON. How the broker is made to sync is its own affair; Apache Kafka takes the topic's flush.messages.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	broker := flag.String("broker", os.Getenv("ANCHOR_BROKER"), "address")
	impl := flag.String("impl", "", "name of the broker in the line")
	n := flag.Int("n", 300, "records of each producer")
	clients := flag.Int("producers", 32, "producers")
	size := flag.Int("size", 100, "bytes of a value")
	flag.Parse()
	if err := run(*impl, *broker, *clients, *n, *size); err != nil {
		fmt.Fprintln(os.Stderr, "producers:", err)
		os.Exit(1)
	}
}

func run(impl, broker string, clients, n, size int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	topic := fmt.Sprintf("perf-fsync-%d", time.Now().UnixNano())
	var cls []*kgo.Client
	for range clients {
		cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			return err
		}
		defer cl.Close()
		cls = append(cls, cl)
	}
	one := "1"
	if _, err := kadm.NewClient(cls[0]).CreateTopic(ctx, 1, 1, map[string]*string{"flush.messages": &one}, topic); err != nil {
		return err
	}
	value := make([]byte, size)
	for _, cl := range cls { // connections and producer ids are there
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	began := time.Now()
	for _, cl := range cls {
		wg.Go(func() {
			for range n {
				if err := cl.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	select {
	case err := <-errs:
		return err
	default:
	}
	line, err := json.Marshal(map[string]any{"impl": impl, "bench": fmt.Sprintf("fsync, %d producers", clients), "rec_s": float64(clients*n) / took.Seconds(), "seconds": took.Seconds()})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	return nil
}
