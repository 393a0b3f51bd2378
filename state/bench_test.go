//go:build unix

package state

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// benchSetups are the layers under the store of a benchmark.
var benchSetups = []struct {
	name  string
	db    bool
	cache int64
}{{"memory", false, 0}, {"database", true, 0}, {"database, cached", true, 10 << 20}}

// BenchmarkCount is what a count does for a record, commits left out of it: read, add one, write, log. Keys come in random order.
func BenchmarkCount(b *testing.B) {
	for _, s := range benchSetups {
		for _, n := range []int{1_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d keys", s.name, n), func(b *testing.B) {
				stores, db := benchStores(b, s.db, s.cache, TimestampedKeyValue("kv", serde.String, serde.Int64, WithCaching()))
				kv := stores.Get("kv").(*KV[string, Stamped[int64]])
				keys := make([]string, n)
				for i := range keys {
					keys[i] = fmt.Sprintf("key-%d", i)
					require.NoError(b, kv.Put(keys[i], Stamped[int64]{}))
				}
				commit(b, stores, db)
				rng := rand.New(rand.NewPCG(1, 2))
				order := make([]string, 1<<20) // one after the other in memory, as the keys of a fetched batch are
				var batch []byte
				for i := range order {
					from := len(batch)
					batch = append(batch, keys[rng.IntN(n)]...)
					order[i] = string(batch[from:])
				}
				b.ReportAllocs()
				i := 0
				cpu := cpuTime()
				for b.Loop() {
					k := order[i&(1<<20-1)]
					v, _, err := kv.Get(k)
					if err != nil {
						b.Fatal(err)
					}
					v.Value++
					v.Time++
					if err := kv.Put(k, v); err != nil {
						b.Fatal(err)
					}
					if i++; i%100_000 == 0 { // what a commit each 100 ms costs belongs to it
						commit(b, stores, db)
					}
				}
				reportCPU(b, cpu, i)
			})
		}
	}
}

// BenchmarkWindowCount is BenchmarkCount in tumbling windows: time goes on.
func BenchmarkWindowCount(b *testing.B) {
	for _, s := range benchSetups {
		b.Run(s.name, func(b *testing.B) {
			stores, db := benchStores(b, s.db, s.cache, TimestampedWindow("w", serde.String, serde.Int64, time.Minute, time.Hour, WithCaching()))
			w := stores.Get("w").(*Windows[string, Stamped[int64]])
			keys := make([]string, 10_000)
			for i := range keys {
				keys[i] = fmt.Sprintf("key-%d", i)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			i := 0
			cpu := cpuTime()
			for b.Loop() {
				k, at := keys[rng.IntN(len(keys))], Time(i/2)
				start := at - at%60_000
				v, _, err := w.Get(k, start)
				if err != nil {
					b.Fatal(err)
				}
				v.Value++
				v.Time = max(v.Time, at)
				if err := w.Put(k, start, v); err != nil {
					b.Fatal(err)
				}
				if i++; i%100_000 == 0 {
					commit(b, stores, db)
				}
			}
			reportCPU(b, cpu, i)
		})
	}
}

// BenchmarkJoinFetch is a side of a stream-stream join: put into one window store, fetch a few rows from it.
func BenchmarkJoinFetch(b *testing.B) {
	for _, s := range benchSetups[:2] {
		b.Run(s.name, func(b *testing.B) {
			stores, db := benchStores(b, s.db, 0, Window("j", serde.String, serde.String, time.Second, 10*time.Second, Duplicates()))
			w := stores.Get("j").(*Windows[string, string])
			keys := make([]string, 1000)
			for i := range keys {
				keys[i] = fmt.Sprintf("key-%d", i)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			i, found := 0, 0
			cpu := cpuTime()
			for b.Loop() {
				k, at := keys[rng.IntN(len(keys))], Time(i)
				for _, err := range w.Fetch(k, at-5000, at+5000) {
					if err != nil {
						b.Fatal(err)
					}
					found++
				}
				if err := w.Put(k, at, "value"); err != nil {
					b.Fatal(err)
				}
				if i++; i%100_000 == 0 {
					commit(b, stores, db)
				}
			}
			reportCPU(b, cpu, i)
			b.ReportMetric(float64(found)/float64(i), "rows/op")
		})
	}
}

// cpuTime is the process's own time, the garbage collector's and the database's goroutines included: what the wall clock says is of little use on
// a machine that is busy with other things.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, since time.Duration, n int) {
	b.ReportMetric(float64(cpuTime()-since)/float64(n), "cpu-ns/op")
}

func benchStores(tb testing.TB, onDB bool, cache int64, defs ...AnyDefinition) (*Stores, *DB) {
	var db *DB
	if onDB {
		var err error
		db, err = OpenDB("stores", DBOptions{FS: vfs.NewMem()})
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	}
	log := &countingLog{}
	env := Env{DB: db, Record: &RecordContext{Topic: "in"}, Changelog: func(string) Changelog { return log }}
	if cache > 0 {
		env.Cache = NewCache(cache)
	}
	s, err := Open(env, defs)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s, db
}

func commit(tb testing.TB, s *Stores, db *DB) {
	require.NoError(tb, s.Flush())
	batch := db.NewBatch()
	require.NoError(tb, s.Apply(batch, nil))
	require.NoError(tb, batch.Commit())
}
