package commitlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

// overwrite replaces a file's content. A vfs.File may change the bytes it is given, and under the race detector does.
func overwrite(t tb, fs vfs.FS, path string, content []byte) {
	t.Helper()
	require.NoError(t, fs.Remove(path))
	require.NoError(t, writeFile(fs, path, bytes.Clone(content)))
}

func fileContent(t tb, fs vfs.FS, path string) []byte {
	t.Helper()
	b, err := readFile(fs, path)
	require.NoError(t, err)
	return b
}

// TestTornTail damages the last segment at every byte, by a cut and by a flip: the partition opens, holds a
// prefix of whole batches that ends before the damage, says so with a new leader epoch, and goes on.
func TestTornTail(t *testing.T) {
	t.Parallel()
	build := func(e *env) (ends []int64, path string) {
		p := e.part()
		mustAppend(t, p, values("in a sealed segment"))
		seal(t, p)
		for i := range 3 {
			mustAppend(t, p, values(fmt.Sprint("v", i), "x").from(1, 0, int32(2*i)))
			ends = append(ends, p.active.size)
		}
		return ends, p.path(p.active.logName())
	}
	probe := newEnv(t)
	ends, path := build(probe)
	content := fileContent(t, probe.fs, path)
	require.EqualValues(t, ends[2], len(content))
	want := valuesOf(readAll(t, probe.part(), 0, ReadUncommitted, 1000))

	check := func(t *testing.T, damaged []byte, at int) {
		e := newEnv(t)
		build(e)
		overwrite(t, e.fs, path, damaged)
		e.kill()
		p := e.part()
		require.NoError(t, p.Err())
		whole := 0
		for whole < len(ends) && int64(at) >= ends[whole] {
			whole++
		}
		got := valuesOf(readAll(t, p, 0, ReadUncommitted, 1000))
		require.Equal(t, want[:1+2*whole], got)
		clean := len(damaged) == 0 || int64(len(damaged)) == endOf(ends, whole)
		require.Equal(t, !clean, p.LeaderEpoch() == 1, "epoch %d", p.LeaderEpoch())
		// The producer sends again what was lost, and nothing that was not.
		if whole < 3 {
			r := mustAppend(t, p, values(fmt.Sprint("v", whole), "x").from(1, 0, int32(2*whole)))
			require.EqualValues(t, 1+2*whole, r.BaseOffset)
		}
		if whole > 0 {
			r := mustAppend(t, p, values(fmt.Sprint("v", whole-1), "x").from(1, 0, int32(2*(whole-1))))
			require.True(t, r.Duplicate)
		}
		again := valuesOf(readAll(t, p, 0, ReadUncommitted, 1000))
		e.kill()
		require.Equal(t, again, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < len(content); i += step {
		check(t, content[:i], i)
		flipped := append([]byte{}, content...)
		flipped[i] ^= byte(1 << rand.IntN(8))
		check(t, flipped, i)
	}
	// A power loss can leave zeros.
	check(t, append(append([]byte{}, content[:ends[1]]...), make([]byte, 5000)...), int(ends[1]))
}

func endOf(ends []int64, whole int) int64 {
	if whole == 0 {
		return 0
	}
	return ends[whole-1]
}

func TestLostFilesAreRebuilt(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"remove", "cut", "garbage", "flip"} {
		for _, suffix := range []string{".idx", ".psnap"} {
			t.Run(damage+suffix, func(t *testing.T) {
				t.Parallel()
				e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 40_000; e.opts.SnapshotBytes = 1 })
				for i := range 30 {
					mustAppend(t, e.part(), batchSpec{ts: int64(1000 + i), recs: []rec{{"k", fmt.Sprintf("%d%s", i, strings.Repeat("x", 5000)), 0}}}.from(1, 0, int32(i)))
					if i%5 == 0 {
						require.NoError(t, e.store.Flush(t.Context()))
					}
				}
				want := readAll(t, e.part(), 0, ReadUncommitted, 1<<20)
				dir := e.part().dir
				require.NoError(t, e.store.Close())
				require.NoError(t, e.db.Close())
				names, err := e.fs.List(dir)
				require.NoError(t, err)
				n := 0
				for _, name := range names {
					if !strings.HasSuffix(name, suffix) {
						continue
					}
					n++
					path := e.fs.PathJoin(dir, name)
					b := fileContent(t, e.fs, path)
					switch damage {
					case "remove":
						require.NoError(t, e.fs.Remove(path))
					case "cut":
						overwrite(t, e.fs, path, b[:len(b)-3])
					case "garbage":
						overwrite(t, e.fs, path, []byte("what is this, which nobody has written?"))
					case "flip":
						b[len(b)/2] ^= 4
						overwrite(t, e.fs, path, b)
					}
				}
				require.Greater(t, n, 1)
				e.open()
				p := e.part()
				require.NoError(t, p.Err())
				require.Zero(t, p.LeaderEpoch())
				for from := range int64(30) {
					require.Equal(t, want[from:], readAll(t, p, from, ReadUncommitted, 6000))
					o, ok, err := p.OffsetForTime(1000+from, ReadUncommitted)
					require.NoError(t, err)
					require.True(t, ok)
					require.Equal(t, from, o.Offset)
				}
				require.True(t, mustAppend(t, p, batchSpec{ts: 1029, recs: []rec{{"k", want[29].value, 0}}}.from(1, 0, 29)).Duplicate)
				require.EqualValues(t, 30, mustAppend(t, p, values("x").from(1, 0, 30)).BaseOffset)
			})
		}
	}
}

func TestDamageOfWhatWasSyncedIsAnError(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	p := e.part()
	mustAppend(t, p, values("a"))
	path := p.path(p.active.logName())
	seal(t, p)
	mustAppend(t, p, values("b"))
	require.NoError(t, p.saveSnapshot())
	require.NoError(t, p.removeSnapshots(func(int64) bool { return true }))
	good := fileContent(t, e.fs, path)
	bad := append([]byte{}, good...)
	bad[65] ^= 1
	overwrite(t, e.fs, path, bad)
	e.kill()
	err := e.part().Err()
	requireKind(t, KindStorage, err)
	require.ErrorContains(t, err, "restore the file")
	_, err = e.part().Append(values("c").build(), AppendOptions{})
	requireKind(t, KindStorage, err)
	_, err = e.part().Read(ReadRequest{MaxBytes: 100})
	requireKind(t, KindStorage, err)
	require.Error(t, e.store.Maintain(t.Context()))
	// The file is restored: the partition comes back by itself.
	overwrite(t, e.fs, path, good)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Equal(t, []string{"a", "b"}, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
}

func TestLogThatEndsBeforeItsStartBeginsAnew(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for range 5 {
		mustAppend(t, e.part(), values("a", "b"))
	}
	_, err := e.part().DeleteRecordsBefore(7)
	require.NoError(t, err)
	path := e.part().path(e.part().active.logName())
	overwrite(t, e.fs, path, fileContent(t, e.fs, path)[:200])
	e.kill()
	require.Equal(t, Offsets{7, 7, 7, 7}, e.part().Offsets())
	require.EqualValues(t, 7, mustAppend(t, e.part(), values("c")).BaseOffset)
	e.kill()
	require.Equal(t, []string{"c"}, valuesOf(readAll(t, e.part(), 7, ReadUncommitted, 1000)))
}

func TestFilesThatNobodyNamesAreRemoved(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	mustAppend(t, e.part(), values("a"))
	dir := e.part().dir
	require.NoError(t, e.fs.MkdirAll("log/deadbeef-0", 0o755))
	for _, path := range []string{"log/deadbeef-0/x", dir + "/00000000000000000001.7.log", dir + "/tmp"} {
		require.NoError(t, writeFile(e.fs, path, []byte("x")))
	}
	e.kill()
	names, err := e.fs.List("log")
	require.NoError(t, err)
	require.Len(t, names, 1)
	names, err = e.fs.List(dir)
	require.NoError(t, err)
	require.Equal(t, []string{"00000000000000000000.0.log"}, names)
	require.Equal(t, []string{"a"}, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
}

func TestDeletedTopicsAreGone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	other := TopicID{9}
	require.NoError(t, e.store.Create(other, []int32{0, 1}, e.cfg))
	q, _ := e.store.Partition(PartitionID{other, 1})
	mustAppend(t, q, values("a").from(1, 0, 0).inTxn())
	_, err := q.AppendMarker(1, 0, 0, false)
	require.NoError(t, err)
	require.NoError(t, q.saveSnapshot())
	mustAppend(t, e.part(), values("b"))
	w := NewWaiter()
	q.Watch(w)
	require.NoError(t, e.store.DeleteTopic(other))
	<-w.C()
	_, err = q.Read(ReadRequest{MaxBytes: 10})
	requireKind(t, KindNotFound, err)
	_, err = q.Append(values("x").build(), AppendOptions{})
	requireKind(t, KindNotFound, err)
	_, ok := e.store.Partition(PartitionID{other, 0})
	require.False(t, ok)
	// The same id again, as it cannot happen with topic ids, would be empty.
	require.NoError(t, e.store.Create(other, []int32{1}, e.cfg))
	e.kill()
	require.Len(t, e.store.Partitions(), 2)
	q, _ = e.store.Partition(PartitionID{other, 1})
	require.Equal(t, Offsets{}, q.Offsets())
	require.Equal(t, []string{"b"}, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 1000)))
	require.NoError(t, e.store.Close())
	_, err = e.part().Append(values("x").build(), AppendOptions{})
	requireKind(t, KindClosed, err)
	requireKind(t, KindClosed, e.store.Create(other, []int32{5}, e.cfg))
}

func TestPartitionsOfATopicAreCreatedTogether(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	cfg := e.cfg
	cfg.SegmentBytes = 77
	require.NoError(t, e.store.Create(testTopic, []int32{0, 1, 2}, cfg))
	require.Len(t, e.store.Partitions(), 3)
	require.EqualValues(t, 77, e.part().Config().SegmentBytes)
	e.kill()
	require.Len(t, e.store.Partitions(), 3)
	require.Equal(t, "01020300000000000000000000000000-2", e.store.Partitions()[2].ID().String())
}

// TestRecoveryIsBounded: what recovery reads is bounded by the snapshots.
func TestRecoveryIsBounded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.opts.SnapshotBytes = 100_000 })
	big := strings.Repeat("x", 9000)
	for range 100 {
		mustAppend(t, e.part(), values(big))
		require.NoError(t, e.store.Maintain(t.Context()))
	}
	e.kill()
	require.Less(t, e.part().unsaved, int64(110_000))
}

// TestRecoveryTakesLittleMemory: without a snapshot the whole log is read, through a window.
func TestRecoveryTakesLittleMemory(t *testing.T) { // not parallel: it counts bytes
	e := newEnv(t)
	big := strings.Repeat("x", 500_000)
	for range 60 {
		mustAppend(t, e.part(), values(big))
	}
	require.NoError(t, e.db.Close())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e.open()
	runtime.ReadMemStats(&after)
	require.Greater(t, e.part().unsaved, int64(30_000_000))
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(6_000_000)) // with Pebble
}

func TestEpochsSayWhatWasLost(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for range 5 {
		mustAppend(t, e.part(), values("a", "b"))
	}
	path := e.part().path(e.part().active.logName())
	content := fileContent(t, e.fs, path)
	overwrite(t, e.fs, path, content[:len(content)-1])
	e.kill()
	p := e.part()
	require.EqualValues(t, 1, p.LeaderEpoch())
	mustAppend(t, p, values("c"))
	for _, c := range []struct {
		ask, found int32
		end        int64
		ok         bool
	}{{0, 0, 8, true}, {1, 1, 9, true}, {2, -1, -1, false}, {-1, -1, -1, false}} {
		found, end, ok := p.EndOffsetForEpoch(c.ask)
		require.Equal(t, c, struct {
			ask, found int32
			end        int64
			ok         bool
		}{c.ask, found, end, ok})
	}
	require.EqualValues(t, 0, p.EpochAt(7))
	require.EqualValues(t, 1, p.EpochAt(8))
	bs := batches(t, p)
	require.EqualValues(t, 1, bs[4].LeaderEpoch())
	require.EqualValues(t, 0, bs[3].LeaderEpoch())
}

func TestManifestFormat(t *testing.T) {
	t.Parallel()
	m := manifest{
		logStart: 5, recoveryPoint: 6, cleanedTo: 7, nextGen: 9,
		epochs: []epochStart{{0, 0}, {3, 8}},
		segments: []segmentMeta{
			{base: 0, gen: 4, size: 100, next: 10, maxTimestamp: -1, firstAppend: 1, lastAppend: 2, compacted: true},
			{base: 10, gen: 5, maxTimestamp: -1},
		},
	}
	row := m.encode()
	got, err := decodeManifest(row)
	require.NoError(t, err)
	require.Equal(t, m, got)
	for i := range row {
		if _, err := decodeManifest(row[:i]); !errors.Is(err, errManifest) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	_, err = decodeManifest(append(row, 0))
	require.ErrorIs(t, err, errManifest)
}

func TestBatchesComeBackAsSent(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	sent := values("a", "b").from(3, 0, 0).build()
	mustAppend(t, e.part(), values("0", "1", "2"))
	stored := append([]byte{}, sent...)
	_, err := e.part().Append(stored, AppendOptions{})
	require.NoError(t, err)
	b := batches(t, e.part())[1]
	recordbatch.Batch(sent).SetPosition(3, 0)
	require.Equal(t, sent, []byte(b))
}
