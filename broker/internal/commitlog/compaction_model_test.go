package commitlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

// kvModel is what a compacted log must keep: every record that was ever written, and the outcome of transactions.
type kvModel struct {
	written   map[int64]row
	committed map[int64]bool      // by offset
	open      map[int64][]int64   // offsets of a producer's open transaction
	seq       map[int64]int32     // next sequence of a producer
	tombstone map[int64]time.Time // when it was written
	end       int64
}

// TestCompactionModel compacts a random log at random times, takes the file system at every step of it as a
// crash would leave it, and looks whether each of these still holds the last value of every key.
func TestCompactionModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, runCompactionModel)
}

func runCompactionModel(t *rapid.T) {
	mem := vfs.NewCrashableMem()
	var hookMu sync.Mutex // Pebble has goroutines of its own
	var onWrite func()
	setHook := func(f func()) {
		hookMu.Lock()
		defer hookMu.Unlock()
		onWrite = f
	}
	hooked := func(mem *vfs.MemFS) vfs.FS {
		return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			hookMu.Lock()
			defer hookMu.Unlock()
			if onWrite != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				onWrite()
			}
			return nil
		}))
	}
	const deleteRetention = 60 * time.Second
	e := newEnv(t, compacted, func(e *env) {
		e.fs, e.dbFS = hooked(mem), hooked(mem)
		e.opts.Sync = SyncAlways
		e.opts.CompactionMemory = int64(rapid.SampledFrom([]int{16 * offsetSlotSize, 1 << 20}).Draw(t, "memory"))
		e.cfg.SegmentBytes = int64(rapid.SampledFrom([]int{300, 1000}).Draw(t, "segmentBytes"))
		e.cfg.DeleteRetentionMs = deleteRetention.Milliseconds()
		e.cfg.TimestampAfterMaxMs = 1 << 60
	})
	m := &kvModel{
		written: map[int64]row{}, committed: map[int64]bool{}, open: map[int64][]int64{}, seq: map[int64]int32{},
		tombstone: map[int64]time.Time{},
	}
	value := 0
	add := func(t *rapid.T, pid int64, txn bool) {
		s := batchSpec{codec: codec.Codec(rapid.IntRange(0, 4).Draw(t, "codec")), ts: e.clock.ms() - 5000, txn: txn}
		for range rapid.IntRange(1, 4).Draw(t, "records") {
			value++
			r := rec{key: fmt.Sprint("key", rapid.IntRange(0, 5).Draw(t, "key")), value: fmt.Sprint("v", value), ts: e.clock.ms() - int64(value%7)*1000}
			if rapid.IntRange(0, 3).Draw(t, "tombstone") == 0 {
				r.value = "-"
			}
			s.recs = append(s.recs, r)
		}
		if pid > 0 {
			s = s.from(pid, 0, m.seq[pid])
			m.seq[pid] += int32(len(s.recs))
		}
		r := mustAppend(t, e.part(), s)
		for i, c := range s.recs {
			o := r.BaseOffset + int64(i)
			m.written[o] = row{o, c.key, c.value, c.ts}
			m.committed[o] = !txn
			if txn {
				m.open[pid] = append(m.open[pid], o)
			}
			if c.value == "-" {
				m.tombstone[o] = e.clock.now()
			}
		}
		m.end = r.LastOffset + 1
	}
	t.Repeat(map[string]func(*rapid.T){
		"append":     func(t *rapid.T) { add(t, 0, false) },
		"idempotent": func(t *rapid.T) { add(t, rapid.Int64Range(1, 2).Draw(t, "pid"), false) },
		"transactional": func(t *rapid.T) {
			add(t, rapid.Int64Range(11, 12).Draw(t, "pid"), true)
		},
		"marker": func(t *rapid.T) {
			pid := rapid.Int64Range(11, 12).Draw(t, "pid")
			commit := rapid.Bool().Draw(t, "commit")
			r, err := e.part().AppendMarker(pid, 0, 0, commit)
			require.NoError(t, err)
			if r.Written {
				for _, o := range m.open[pid] {
					m.committed[o] = commit
				}
				delete(m.open, pid)
				m.end = r.Offset + 1
			}
		},
		"time": func(t *rapid.T) {
			e.clock.advance(time.Duration(rapid.IntRange(1, 50).Draw(t, "seconds")) * time.Second)
		},
		"seal":     func(t *rapid.T) { seal(t, e.part()) },
		"reopen":   func(t *rapid.T) { e.reopen() },
		"maintain": func(t *rapid.T) { require.NoError(t, e.store.Maintain(context.Background())) },
		"loseSnapshots": func(t *rapid.T) {
			p := e.part()
			if p.hasDir {
				require.NoError(t, p.removeSnapshots(func(int64) bool { return true }))
				p.mu.Lock()
				p.snapshotOffset = -1
				p.mu.Unlock()
			}
			e.kill()
		},
		"compact": func(t *rapid.T) {
			rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
			var crashes []*vfs.MemFS
			setHook(func() {
				percent := []int{0, 50, 100}[rng.IntN(3)]
				crashes = append(crashes, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
			})
			require.NoError(t, e.store.Compact(context.Background()))
			setHook(nil)
			if len(crashes) == 0 {
				return
			}
			i := rapid.IntRange(0, len(crashes)-1).Draw(t, "crash")
			e.close()
			if rapid.IntRange(0, 3).Draw(t, "all") == 0 {
				for j, c := range crashes {
					if j != i {
						e.fs, e.dbFS = c, c
						e.open()
						m.check(t, e)
						e.close()
					}
				}
			}
			// Go on with one of them.
			mem = crashes[i]
			e.fs, e.dbFS = hooked(mem), hooked(mem)
			e.open()
		},
		"": func(t *rapid.T) { m.check(t, e) },
	})
}

// check reads the log from its start and from the middle.
func (m *kvModel) check(t *rapid.T, e *env) {
	p := e.part()
	require.NoError(t, p.Err())
	o := p.Offsets()
	require.Zero(t, o.LogStart)
	require.Equal(t, m.end, o.HighWatermark)
	stable := m.end
	for _, offsets := range m.open {
		stable = min(stable, offsets[0])
	}
	require.Equal(t, stable, o.LastStable)

	for _, from := range []int64{0, m.end / 2} {
		want, last := map[string]string{}, map[string]int64{}
		for o := from; o < stable; o++ {
			if r, ok := m.written[o]; ok && m.committed[o] {
				want[r.key], last[r.key] = r.value, o
			}
		}
		got, seen := map[string]string{}, map[int64]bool{}
		for _, r := range readAll(t, p, from, ReadCommitted, 300) {
			require.Equal(t, m.written[r.offset], r)
			require.True(t, m.committed[r.offset], "aborted record %v", r)
			got[r.key], seen[r.offset] = r.value, true
		}
		for key, o := range last {
			if at, ok := m.tombstone[o]; ok {
				if e.clock.now().Sub(at) < 60*time.Second {
					require.True(t, seen[o], "tombstone at %d went too early", o)
				}
				// From the middle, what is older than the tombstone is not seen; from the start it must not come back.
				if _, ok := got[key]; ok {
					require.Equal(t, "-", got[key])
				}
				continue
			}
			require.Equal(t, want[key], got[key], key)
		}
		for key := range got {
			_, ok := last[key]
			require.True(t, ok, "%s from nowhere", key)
		}
	}
	// Sequences go on.
	for _, a := range p.ActiveProducers() {
		require.Equal(t, m.seq[a.ProducerID]-1, a.LastSequence)
	}
}
