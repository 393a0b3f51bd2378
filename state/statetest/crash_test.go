package statetest_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/state/statetest"
)

// TestCrashNeverTearsABatch: whatever part of the unsynced data a crash leaves, each store partition holds exactly what was applied up to the
// position that is stored beside it. Pebble does not promise that without a write-ahead log, so it is tested here.
func TestCrashNeverTearsABatch(t *testing.T) {
	const partitions, commits, clones = 3, 120, 100
	fs := vfs.NewCrashableMem()
	db, err := state.OpenDB("stores", state.DBOptions{FS: fs, Memory: 4 << 20}) // memtables of 256 KiB
	require.NoError(t, err)
	def := state.KeyValue("kv", statetest.Text, statetest.Text)
	var writers sync.WaitGroup
	for p := range int32(partitions) {
		writers.Go(func() {
			stores, err := state.Open(state.Env{DB: db, Partition: p}, []state.AnyDefinition{def})
			if !(err == nil) {
				t.Error(err)
				return
			}
			kv := stores.Get("kv").(state.KeyValueStore[string, string])
			for n := range int64(commits) {
				err := write(n+1, p, kv)
				b := db.NewBatch()
				if err == nil {
					err = stores.Apply(b, map[string]state.Position{"kv": {Next: n + 1}})
				}
				if err == nil {
					err = b.Commit()
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			if err := stores.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	rng := rand.New(rand.NewPCG(1, 2))
	progress := 0
	for i := range clones {
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: i * 100 / (clones - 1), RNG: rng})
		progress += checkClone(t, crashed, partitions)
	}
	<-done
	progress += checkClone(t, fs.CrashClone(vfs.CrashCloneCfg{}), partitions)
	require.NoError(t, db.Flush())
	require.Equal(t, partitions*commits, checkClone(t, fs.CrashClone(vfs.CrashCloneCfg{}), partitions), "a flush makes everything survive")
	require.Positive(t, progress, "no clone held anything: the test tests nothing")
	require.NoError(t, db.Close())
}

// write is one commit's content: it follows from the partition and the commit's number.
func write(n int64, p int32, kv interface {
	Put(string, string) error
	Delete(string) error
}) error {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(p)))
	for range rng.IntN(60) {
		key := fmt.Sprint(rng.IntN(200))
		if rng.IntN(5) == 0 {
			if err := kv.Delete(key); err != nil {
				return err
			}
		} else if err := kv.Put(key, fmt.Sprint(n, strings.Repeat("x", rng.IntN(2000)))); err != nil {
			return err
		}
	}
	return nil
}

type plainMap map[string]string

func (m plainMap) Put(k, v string) error { m[k] = v; return nil }
func (m plainMap) Delete(k string) error { delete(m, k); return nil }

// checkClone opens what a crash has left and returns how many commits it holds.
func checkClone(t *testing.T, fs *vfs.MemFS, partitions int32) (held int) {
	db, err := state.OpenDB("stores", state.DBOptions{FS: fs, Memory: 4 << 20})
	require.NoError(t, err)
	def := state.KeyValue("kv", statetest.Text, statetest.Text)
	for p := range partitions {
		stores, err := state.Open(state.Env{DB: db, Partition: p}, []state.AnyDefinition{def})
		require.NoError(t, err)
		position, _ := stores.Position("kv")
		want := plainMap{}
		for n := int64(1); n <= position.Next; n++ {
			require.NoError(t, write(n, p, want))
		}
		got := plainMap{}
		for e, err := range stores.Get("kv").(state.KeyValueStore[string, string]).All() {
			require.NoError(t, err)
			got[e.Key] = e.Value
		}
		require.Equal(t, want, got, "partition %d at commit %d", p, position.Next)
		held += int(position.Next)
		require.NoError(t, stores.Close())
	}
	require.NoError(t, db.Close())
	return held
}
