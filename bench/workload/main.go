// Command workload runs one benchmark workload on Millrace until it has processed the expected number of records, closes, and prints one line of JSON. Its
// arguments are key=value, those of its Java twin: workload, in, app, state, guarantee, commit (ms), cache, threads, expected, records, mode (run, hang, idle, driver), launch (Unix ms), and
// cpuprofile and memprofile, files.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

var (
	args      = map[string]string{"workload": "W1", "broker": "127.0.0.1:19092", "app": "bench", "guarantee": "at_least_once", "threads": "1", "mode": "run", "expected": "3000000"}
	seen      atomic.Int64
	firstSeen atomic.Int64
)

// mark is called once per record at the workload's last per-record step.
func mark() {
	if seen.Add(1) == 1 {
		firstSeen.Store(time.Now().UnixMilli())
	}
}

func number(key string, def int64) int64 {
	v, ok := args[key]
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(v, 10, 64)
	must(err)
	return n
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1)
	}
}

func build(w string) (*topology.Topology, error) {
	b := streams.NewBuilder()
	in, ok := args["in"]
	if !ok {
		in = map[bool]string{true: "lines", false: "in"}[w == "W4"]
	}
	records := b.Stream(in, serde.String, serde.String)
	switch w {
	case "W0":
		records.Filter(func(_, v string) bool { return v != "" }).MapValues(func(v string) string { mark(); return strings.ToUpper(v) }).To("out")
	case "W1":
		records.GroupByKey().
			Aggregate(func() int64 { return 0 }, func(_, _ string, n int64) int64 { mark(); return n + 1 }, streams.As("counts")).
			ToStream().To("out")
	case "W2":
		records.GroupByKey().WindowedBy(window.Tumbling[string]{Size: time.Minute, Grace: time.Minute}).
			Aggregate(func() int64 { return 0 }, func(_, _ string, n int64) int64 { mark(); return n + 1 }, streams.As("counts")).
			ToStream().To("out")
	case "W3":
		rows := b.Table("table", serde.String, serde.String, streams.As("rows"))
		records.LeftJoin(rows, func(v string, row *string) string {
			mark()
			if row == nil {
				return v + "|null"
			}
			return v + "|" + *row
		}).To("out")
	case "W4":
		records.FlatMapValues(func(v string) []string { return strings.Split(v, " ") }).GroupBy(func(_, word string) string { return word }).
			Aggregate(func() int64 { return 0 }, func(_, _ string, n int64) int64 { mark(); return n + 1 }, streams.As("counts")).
			ToStream().To("out")
	default:
		return nil, fmt.Errorf("there is no workload %q: W0 to W4", w)
	}
	return b.Build()
}

func main() {
	for _, a := range os.Args[1:] {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			must(fmt.Errorf("argument %q is not key=value", a))
		}
		args[k] = v
	}
	launch, expected, records := number("launch", time.Now().UnixMilli()), number("expected", 3_000_000), number("records", number("expected", 3_000_000))
	top, err := build(args["workload"])
	must(err)
	if args["mode"] == "driver" {
		defer profile()()
		drive(top)
		return
	}
	var restored, restoreStart, restoreEnd atomic.Int64
	c := streams.Config{
		ApplicationID: args["app"], BootstrapServers: []string{args["broker"]}, StateDir: args["state"], Threads: int(number("threads", 1)), ReplicationFactor: 1,
		CommitInterval: time.Duration(number("commit", 0)) * time.Millisecond, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnRestore: func(r streams.RestoreProgress) {
			if r.Records == 0 && !r.Done {
				restoreStart.CompareAndSwap(0, time.Now().UnixMilli())
			}
			if r.Done {
				restored.Add(r.Records)
				restoreEnd.Store(time.Now().UnixMilli())
			}
		},
	}
	if args["guarantee"] == "exactly_once_v2" {
		c.Guarantee = streams.ExactlyOnce
	}
	if _, ok := args["cache"]; ok {
		n := number("cache", 0)
		c.CacheBytes = &n
	}
	app, err := streams.New(top, c)
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	if err := app.Wait(ctx, streams.Running); err != nil {
		must(<-ended)
	}
	defer profile()()
	running, cpu0 := time.Now(), cpu()
	for seen.Load() < expected {
		select {
		case err := <-ended:
			must(err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	all := time.Now()
	if file, ok := args["memprofile"]; ok {
		f, err := os.Create(file)
		must(err)
		must(pprof.Lookup("heap").WriteTo(f, 0))
		must(f.Close())
	}
	switch args["mode"] {
	case "hang":
		time.Sleep(time.Duration(number("settle", 1500)) * time.Millisecond)
		fmt.Printf("{\"hang\":true,\"seen\":%d}\n", seen.Load())
		select {}
	case "idle":
		time.Sleep(2 * time.Second)
	}
	closing := time.Now()
	stop()
	must(<-ended)
	closed := time.Now()
	used := cpu() - cpu0
	restore := float64(restoreEnd.Load()-restoreStart.Load()) / 1000
	if restoreStart.Load() == 0 {
		restore = 0
	}
	out := map[string]any{
		"impl": "millrace", "workload": args["workload"], "guarantee": args["guarantee"], "commit_ms": args["commit"], "threads": number("threads", 1), "variant": args["variant"],
		"rec_s": float64(records) / closed.Sub(running).Seconds(), "cpu_us_rec": float64(used.Microseconds()) / float64(max(records, 1)), "rss_mb": peakMB(),
		"seconds": closed.Sub(running).Seconds(), "process_s": all.Sub(running).Seconds(), "close_s": closed.Sub(closing).Seconds(),
		"startup_s": float64(running.UnixMilli()-launch) / 1000, "first_s": max(0, float64(firstSeen.Load()-launch)/1000), "seen": seen.Load(),
		"restored": restored.Load(), "restore_s": restore, "restore_rec_s": rate(restored.Load(), restore),
	}
	b, err := json.Marshal(out)
	must(err)
	fmt.Println(string(b))
}

// profile begins to profile if that is asked for; what it returns ends it.
func profile() func() {
	file, ok := args["cpuprofile"]
	if !ok {
		return func() {}
	}
	f, err := os.Create(file)
	must(err)
	must(pprof.StartCPUProfile(f))
	return pprof.StopCPUProfile
}

func rate(n int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// cpu is the process's user and system time.
func cpu() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMB is the highest resident set of the process.
func peakMB() float64 {
	b, err := os.ReadFile("/proc/self/status")
	must(err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			must(err)
			return kb / 1024
		}
	}
	return 0
}
