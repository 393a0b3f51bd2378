package commitlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// faults fails operations on the log's file system when fail says so.
type faults struct {
	mem  *vfs.MemFS
	fail atomic.Pointer[func(errorfs.Op) error]
}

func newFaults(e *env) *faults {
	f := &faults{mem: vfs.NewCrashableMem()}
	e.fs, e.dbFS = errorfs.Wrap(f.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fail := f.fail.Load(); fail != nil {
			return (*fail)(op)
		}
		return nil
	})), f.mem
	return f
}

func (f *faults) set(fail func(errorfs.Op) error) { f.fail.Store(&fail) }
func (f *faults) clear()                          { f.fail.Store(nil) }

func isLog(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".log") }

func isLogSync(op errorfs.Op) bool {
	return isLog(op) && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData)
}

func TestFailedWriteTakesThePartitionOffline(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, torn := range []bool{false, true} {
			for _, sync := range []Sync{SyncNone, SyncAlways} {
				t.Run(fmt.Sprint(cause, torn, sync), func(t *testing.T) {
					t.Parallel()
					var f *faults
					e := newEnv(t, func(e *env) { f = newFaults(e); e.opts.Sync = sync })
					p := e.part()
					mustAppend(t, p, values("a").from(1, 0, 0))
					w := NewWaiter()
					p.Watch(w)
					f.set(func(op errorfs.Op) error {
						if !isLog(op) || op.Kind != errorfs.OpFileWriteAt {
							return nil
						}
						if torn {
							file, err := f.mem.OpenReadWrite(op.Path, vfs.WriteCategoryUnspecified)
							require.NoError(t, err)
							_, err = file.WriteAt(values("b").build()[:50], op.Offset)
							require.NoError(t, err)
							require.NoError(t, file.Close())
						}
						return cause
					})
					_, err := p.Append(values("b").from(1, 0, 1).build(), AppendOptions{})
					requireKind(t, KindStorage, err)
					require.ErrorIs(t, err, cause)
					<-w.C()
					// Nothing is appended at that offset, and nothing can be read, before a recovery.
					_, err = p.Append(values("c").build(), AppendOptions{})
					requireKind(t, KindStorage, err)
					_, err = p.Read(ReadRequest{MaxBytes: 100})
					requireKind(t, KindStorage, err)
					f.clear()
					require.NoError(t, e.store.Maintain(t.Context()))
					require.NoError(t, p.Err())
					require.Equal(t, []string{"a"}, valuesOf(readAll(t, p, 0, ReadUncommitted, 1000)))
					r := mustAppend(t, p, values("b").from(1, 0, 1))
					require.Equal(t, AppendResult{BaseOffset: 1, LastOffset: 1, LogAppendTime: -1}, r)
					for range 2 {
						require.Equal(t, []string{"a", "b"}, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
						e.kill()
					}
				})
			}
		}
	}
}

func TestFailedSyncIsNotTriedAgainOnTheSameFile(t *testing.T) {
	t.Parallel()
	for _, sealFirst := range []bool{false, true} {
		var f *faults
		e := newEnv(t, func(e *env) { f = newFaults(e); e.opts.Sync = SyncAlways })
		p := e.part()
		mustAppend(t, p, values("a").from(1, 0, 0))
		file := p.active.logName()
		f.set(func(op errorfs.Op) error {
			if isLogSync(op) {
				return syscall.EIO
			}
			return nil
		})
		if sealFirst {
			_, err := p.AppendStart(values("x").build(), AppendOptions{})
			require.NoError(t, err)
			seal(t, p)
		}
		_, err := p.Append(values("b").from(1, 0, 1).build(), AppendOptions{})
		requireKind(t, KindStorage, err)
		require.ErrorIs(t, err, syscall.EIO)
		// As long as syncs fail, it stays offline, and old files are not taken for good.
		require.Error(t, e.store.Maintain(t.Context()))
		require.Error(t, p.Err())
		var synced []string
		f.set(func(op errorfs.Op) error {
			if isLogSync(op) {
				synced = append(synced, op.Path)
			}
			return nil
		})
		require.NoError(t, e.store.Maintain(t.Context()))
		require.NoError(t, p.Err())
		for _, path := range synced {
			require.NotContains(t, path, file)
		}
		require.NotEmpty(t, synced)
		// What was not acknowledged may be there; it is where it was, and it stays.
		want := valuesOf(readAll(t, p, 0, ReadUncommitted, 1000))
		require.Equal(t, "b", want[len(want)-1])
		require.True(t, mustAppend(t, p, values("b").from(1, 0, 1)).Duplicate)
		f.clear()
		e.close()
		mem := f.mem.CrashClone(vfs.CrashCloneCfg{})
		e.fs, e.dbFS = mem, mem
		e.open()
		require.Equal(t, want, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
	}
}

// TestEveryFailureLeavesAPrefix fails each operation of the file system in turn, anywhere in a run of
// appends, rolls, snapshots, deletions and compactions.
func TestEveryFailureLeavesAPrefix(t *testing.T) {
	t.Parallel()
	step := 1
	if testing.Short() {
		step = 9
	}
	for n := 0; ; n += step {
		var f *faults
		e := newEnv(t, func(e *env) {
			f = newFaults(e)
			compacted(e)
			e.opts.Sync = SyncAlways
			e.opts.SnapshotBytes = 300
		})
		ops := 0
		f.set(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				if ops++; ops == n+1 {
					return syscall.EIO
				}
			}
			return nil
		})
		last := map[string]string{}
		for i := range 30 {
			key, value := fmt.Sprint("k", i%4), fmt.Sprint("v", i)
			s := kv(key, value).from(1, 0, int32(i))
			_, err := e.part().Append(s.build(), AppendOptions{})
			for range 3 {
				if err == nil {
					break
				}
				requireKind(t, KindStorage, err)
				e.store.Maintain(t.Context()) // the fault has passed
				_, err = e.part().Append(s.build(), AppendOptions{})
			}
			require.NoError(t, err, "fault %d, record %d", n, i)
			last[key] = value
			if i%5 == 4 {
				e.store.Maintain(t.Context())
				e.store.Compact(t.Context())
			}
		}
		f.clear()
		for range 2 {
			got := map[string]string{}
			offset := int64(-1)
			for _, r := range readAll(t, e.part(), 0, ReadUncommitted, 500) {
				require.Equal(t, fmt.Sprint("v", r.offset), r.value, "fault %d", n)
				require.Greater(t, r.offset, offset)
				offset = r.offset
				got[r.key] = r.value
			}
			require.Equal(t, last, got, "fault %d", n)
			e.close()
			mem := f.mem.CrashClone(vfs.CrashCloneCfg{})
			e.fs, e.dbFS = mem, mem
			e.open()
		}
		e.close()
		if ops < n+1 {
			require.Greater(t, n, 100)
			return
		}
	}
}

// TestAlwaysLosesNothing takes the disk as a power loss would leave it at random moments, while many append
// and one reads: all that was acknowledged or read by then is there.
func TestAlwaysLosesNothing(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	e := newEnv(t, func(e *env) { e.fs, e.dbFS = mem, mem; e.opts.Sync = SyncAlways; e.cfg.SegmentBytes = 2000 })
	p := e.part()
	var mu sync.Mutex
	acked := map[int64]string{} // by offset
	var writers, others sync.WaitGroup
	for g := range 8 {
		writers.Go(func() {
			for i := range 40 {
				v := fmt.Sprint(g, "-", i)
				r, err := p.Append(values(v).from(int64(g+1), 0, int32(i)).build(), AppendOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[r.BaseOffset] = v
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	read := map[int64]string{}
	others.Go(func() {
		w := NewWaiter()
		p.Watch(w)
		defer p.Unwatch(w)
		next := int64(0)
		for next < 320 {
			r, err := p.Read(ReadRequest{Offset: next, MaxBytes: 1000, MinOneBatch: true})
			if err != nil {
				t.Error(err)
				return
			}
			if len(r.Records) == 0 {
				<-w.C()
				continue
			}
			var rows []row
			rows, next = decodeRows(t, nil, r, next, ReadUncommitted)
			mu.Lock()
			for _, o := range rows {
				read[o.offset] = o.value
			}
			mu.Unlock()
		}
	})
	type moment struct {
		known map[int64]string
		disk  *vfs.MemFS
	}
	var moments []moment
	others.Go(func() {
		rng := rand.New(rand.NewPCG(1, 1))
		for {
			select {
			case <-done:
				return
			default:
			}
			mu.Lock()
			known := map[int64]string{}
			for _, from := range []map[int64]string{acked, read} {
				for o, v := range from {
					known[o] = v
				}
			}
			mu.Unlock()
			moments = append(moments, moment{known, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 50, RNG: rng})})
		}
	})
	writers.Wait()
	close(done)
	others.Wait()
	require.Len(t, acked, 320)
	require.Equal(t, acked, read)
	e.close()
	step := max(1, len(moments)/30)
	for i := 0; i < len(moments); i += step {
		m := moments[i]
		e.fs, e.dbFS = m.disk, m.disk
		e.open()
		if _, ok := e.store.Partition(PartitionID{testTopic, 0}); !ok {
			require.Empty(t, m.known)
		} else {
			got := map[int64]string{}
			for _, r := range readAll(t, e.part(), 0, ReadUncommitted, 1000) {
				got[r.offset] = r.value
			}
			for o, v := range m.known {
				require.Equal(t, v, got[o], "offset %d", o)
			}
		}
		e.close()
	}
}

// TestGroupCommit: those who append while a sync runs share the next one.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	var f *faults
	e := newEnv(t, func(e *env) { f = newFaults(e); e.opts.Sync = SyncAlways })
	p := e.part()
	mustAppend(t, p, values("first"))
	started, proceed := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int32
	f.set(func(op errorfs.Op) error {
		if isLogSync(op) && syncs.Add(1) == 1 {
			close(started)
			<-proceed
		}
		return nil
	})
	var wg sync.WaitGroup
	var errs [20]error
	wg.Go(func() { _, errs[0] = p.Append(values("x").build(), AppendOptions{}) })
	<-started
	for i := 1; i < len(errs); i++ {
		r, err := p.AppendStart(values("x").build(), AppendOptions{})
		require.NoError(t, err)
		wg.Go(func() { errs[i] = p.WaitDurable(r.LastOffset) })
	}
	// A slow disk holds up neither appends nor readers, who see what is synced.
	require.Equal(t, Offsets{0, 1, 1, 21}, p.Offsets())
	require.Equal(t, []string{"first"}, valuesOf(readAll(t, p, 0, ReadUncommitted, 1000)))
	close(proceed)
	wg.Wait()
	require.NoError(t, errors.Join(errs[:]...))
	require.EqualValues(t, 2, syncs.Load())
	require.EqualValues(t, 21, p.Offsets().HighWatermark)
}

// TestCommittedReadersWaitForTheMarkersSync: with syncs, a transaction's records are below the high watermark before
// its marker is. They must not be seen before the marker is safe.
func TestCommittedReadersWaitForTheMarkersSync(t *testing.T) {
	t.Parallel()
	var f *faults
	e := newEnv(t, func(e *env) { f = newFaults(e); e.opts.Sync = SyncAlways })
	p := e.part()
	mustAppend(t, p, values("a").from(1, 0, 0).inTxn())
	started, proceed := make(chan struct{}), make(chan struct{})
	f.set(func(op errorfs.Op) error {
		if isLogSync(op) {
			close(started)
			<-proceed
		}
		return nil
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := p.AppendMarker(1, 0, 0, true); err != nil {
			t.Error(err)
		}
	})
	<-started
	require.Equal(t, Offsets{0, 0, 1, 2}, p.Offsets())
	require.Empty(t, readAll(t, p, 0, ReadCommitted, 1000))
	close(proceed)
	wg.Wait()
	require.Equal(t, Offsets{0, 2, 2, 2}, p.Offsets())
	require.Equal(t, []string{"a"}, valuesOf(readAll(t, p, 0, ReadCommitted, 1000)))
}

func TestAppendsAreRefusedBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	e := newEnv(t, func(e *env) { e.fs, e.dbFS = mem, mem; e.opts.MinFree = 1000 })
	p := e.part()
	mustAppend(t, p, values("a").from(1, 0, 0).inTxn())
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 999, TotalBytes: 1 << 40})
	require.NoError(t, e.store.Maintain(t.Context()))
	_, err := p.Append(values("b").from(1, 0, 1).inTxn().build(), AppendOptions{})
	requireKind(t, KindStorage, err)
	require.ErrorIs(t, err, syscall.ENOSPC)
	// What was there can be read, sent again and committed.
	require.True(t, mustAppend(t, p, values("a").from(1, 0, 0).inTxn()).Duplicate)
	_, err = p.AppendMarker(1, 0, 0, true)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, valuesOf(readAll(t, p, 0, ReadCommitted, 100)))
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1000, TotalBytes: 1 << 40})
	require.NoError(t, e.store.Maintain(t.Context()))
	mustAppend(t, p, values("b").from(1, 0, 1).inTxn())
}
