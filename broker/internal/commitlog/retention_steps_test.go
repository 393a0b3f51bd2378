package commitlog

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// TestDeathAtEveryStepOfADeletion takes the disk at every write of retention by time and by size and of DeleteRecords, as a
// kill and as a loss of power would leave it: the log starts where it did or where it was going to, what is above is whole, and
// nothing that has been deleted comes back once the deletion was answered.
func TestDeathAtEveryStepOfADeletion(t *testing.T) {
	t.Parallel()
	const records = 12
	for name, c := range map[string]struct {
		change func(*env)
		do     func(t *testing.T, e *env)
		want   int64 // the log's start when it is done
	}{
		"DeleteRecords": {func(*env) {}, func(t *testing.T, e *env) {
			start, err := e.part().DeleteRecordsBefore(7)
			require.NoError(t, err)
			require.EqualValues(t, 7, start)
		}, 7},
		"DeleteRecords, all of them": {func(*env) {}, func(t *testing.T, e *env) {
			_, err := e.part().DeleteRecordsBefore(-1)
			require.NoError(t, err)
		}, records},
		"retention by time": {func(e *env) { e.cfg.RetentionMs = 60_000 }, func(*testing.T, *env) {}, records},
		"retention by size": {func(e *env) { e.cfg.RetentionBytes = 300 }, func(*testing.T, *env) {}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mem := vfs.NewCrashableMem()
			var mu sync.Mutex // Pebble has goroutines of its own
			var onWrite func()
			hook := func(f func()) {
				mu.Lock()
				defer mu.Unlock()
				onWrite = f
			}
			e := newEnv(t, func(e *env) {
				e.fs = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
					mu.Lock()
					defer mu.Unlock()
					if onWrite != nil && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
						onWrite()
					}
					return nil
				}))
				e.dbFS = e.fs
				e.opts.Sync, e.cfg.SegmentBytes, e.cfg.RetentionMs, e.cfg.RetentionBytes = SyncAlways, 150, -1, -1
				c.change(e)
			})
			for i := range records {
				s := batchSpec{ts: e.clock.ms(), recs: []rec{{"k", fmt.Sprint(i), 0}}}
				mustAppend(t, e.part(), s.from(7, 0, int32(i)))
			}
			e.clock.advance(2 * time.Minute)
			type death struct {
				disk *vfs.MemFS
				at   string
			}
			var deaths []death
			rng := rand.New(rand.NewPCG(1, 1))
			hook(func() {
				for _, percent := range []int{0, 50, 100} {
					deaths = append(deaths, death{mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}), fmt.Sprint("write ", len(deaths)/3, ", kept ", percent)})
				}
			})
			c.do(t, e)
			require.NoError(t, e.store.Maintain(t.Context()))
			hook(nil)
			want := e.part().Offsets()
			require.Positive(t, want.LogStart)
			require.LessOrEqual(t, want.LogStart, want.HighWatermark)
			if c.want >= 0 {
				require.Equal(t, c.want, want.LogStart)
			}
			require.Greater(t, len(deaths), 6)
			deaths = append(deaths, death{mem.CrashClone(vfs.CrashCloneCfg{}), "done"})
			e.close()
			last := int64(0)
			for _, d := range deaths {
				e.fs, e.dbFS = d.disk, d.disk
				e.open()
				p := e.part()
				require.NoError(t, p.Err(), d.at)
				o := p.Offsets()
				require.EqualValues(t, records, o.HighWatermark, d.at)
				require.LessOrEqual(t, o.LogStart, want.LogStart, d.at)
				rows := readAll(t, p, o.LogStart, ReadUncommitted, 1000)
				require.Len(t, rows, int(records-o.LogStart), d.at)
				for i, r := range rows {
					require.Equal(t, fmt.Sprint(o.LogStart+int64(i)), r.value, d.at)
				}
				if o.LogStart > 0 {
					_, err := p.Read(ReadRequest{Offset: o.LogStart - 1, MaxBytes: 100})
					requireKind(t, KindOffsetOutOfRange, err)
				}
				// Sequences are known, whatever was deleted.
				require.True(t, mustAppend(t, p, batchSpec{ts: e.clock.ms(), recs: []rec{{"k", "x", 0}}}.from(7, 0, records-1)).Duplicate, d.at)
				last = o.LogStart
				e.close()
			}
			require.Equal(t, want.LogStart, last, "what was done is undone")
		})
	}
}
