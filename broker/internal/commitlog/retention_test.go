package commitlog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func logFiles(t tb, e *env) int {
	t.Helper()
	names, err := e.fs.List(e.part().dir)
	require.NoError(t, err)
	n := 0
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			n++
		}
	}
	return n
}

func TestRetentionByTime(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 100; e.cfg.RetentionMs = 10_000 })
	p := e.part()
	for i := range 5 {
		mustAppend(t, p, batchSpec{ts: e.clock.ms(), recs: []rec{{"k", fmt.Sprint(i), 0}}})
		e.clock.advance(3 * time.Second)
	}
	require.NoError(t, e.store.Maintain(t.Context()))
	// At 15 s, records of 0 s and 3 s are older than 10 s.
	require.Equal(t, []string{"2", "3", "4"}, valuesOf(readAll(t, p, 2, ReadUncommitted, 1000)))
	require.EqualValues(t, 2, p.Offsets().LogStart)
	_, err := p.Read(ReadRequest{Offset: 1, MaxBytes: 100})
	requireKind(t, KindOffsetOutOfRange, err)
	// The files stay for a while, then go.
	require.Equal(t, 5, logFiles(t, e))
	e.clock.advance(time.Minute)
	// By now everything is past retention, also the active segment. Offsets go on.
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Equal(t, Offsets{5, 5, 5, 5}, p.Offsets())
	e.kill()
	require.Equal(t, Offsets{5, 5, 5, 5}, e.part().Offsets())
	require.Equal(t, 0, logFiles(t, e))
	require.EqualValues(t, 5, mustAppend(t, e.part(), values("x")).BaseOffset)
}

func TestRetentionByTimeHasItsInterval(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) {
		e.opts.RetentionEvery = 5 * time.Minute
		e.cfg.RetentionMs = 10_000
		e.cfg.SegmentBytes = 100
	})
	p := e.part()
	mustAppend(t, p, values("old")) // 1 s after 1970
	require.NoError(t, e.store.Maintain(t.Context()))
	e.clock.advance(29 * time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Zero(t, p.Offsets().LogStart) // a reader has half a minute
	e.clock.advance(time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.EqualValues(t, 1, p.Offsets().LogStart)
	mustAppend(t, p, values("old"))
	e.clock.advance(5*time.Minute - time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.EqualValues(t, 1, p.Offsets().LogStart) // and five minutes from then on
	// What is too much goes at once.
	cfg := *p.cfg.Load()
	cfg.RetentionBytes = 0
	p.SetConfig(cfg)
	mustAppend(t, p, values("one more"))
	require.NoError(t, e.store.Maintain(t.Context()))
	require.NotEqualValues(t, 1, p.Offsets().LogStart)
	cfg.RetentionBytes = -1
	p.SetConfig(cfg)
	e.clock.advance(time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.EqualValues(t, 3, p.Offsets().LogStart)
}

func TestRetentionOfRecordsWithOldTimesGoesByThem(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.RetentionMs = 10_000 })
	mustAppend(t, e.part(), values("old")) // 1 s after 1970
	mustAppend(t, e.part(), batchSpec{ts: e.clock.ms(), recs: []rec{{"k", "new", 0}}})
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Zero(t, e.part().Offsets().LogStart) // the segment has a young record
}

func TestRetentionBySize(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) {
		e.opts.Sync = SyncAlways
		e.cfg.SegmentBytes, e.cfg.RetentionMs = 100, -1
	})
	p := e.part()
	for range 10 {
		mustAppend(t, p, values("a"))
	}
	one := p.Size() / 10
	cfg := e.cfg
	cfg.RetentionBytes = 3*one + one/2
	p.SetConfig(cfg)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Equal(t, 4*one, p.Size()) // never less than asked for
	require.EqualValues(t, 6, p.Offsets().LogStart)
	require.Equal(t, 4, logFiles(t, e))
}

func TestRetentionStopsAtOpenTransactions(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 100; e.cfg.RetentionMs = 1000 })
	p := e.part()
	mustAppend(t, p, values("a"))
	mustAppend(t, p, values("b").from(1, 0, 0).inTxn())
	mustAppend(t, p, values("c"))
	e.clock.advance(time.Hour)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Equal(t, Offsets{1, 1, 3, 3}, p.Offsets())
	_, err := p.AppendMarker(1, 0, 0, true)
	require.NoError(t, err)
	e.clock.advance(time.Hour)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Equal(t, Offsets{4, 4, 4, 4}, p.Offsets())
}

func TestSegmentsRollByAge(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.SegmentMs = 10_000; e.cfg.RetentionMs = -1 })
	p := e.part()
	mustAppend(t, p, values("a"))
	e.clock.advance(9 * time.Second)
	mustAppend(t, p, values("b"))
	require.Len(t, p.man.segments, 1)
	e.clock.advance(time.Second)
	mustAppend(t, p, values("c"))
	require.Len(t, p.man.segments, 2)
	e.clock.advance(10 * time.Second)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Len(t, p.man.segments, 3)
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Len(t, p.man.segments, 3) // an empty one is not rolled
}

func TestDeleteRecords(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 200; e.cfg.RetentionMs = -1 })
	for i := range 10 {
		mustAppend(t, e.part(), values(fmt.Sprint(i), "x").from(7, 0, int32(2*i)))
	}
	start, err := e.part().DeleteRecordsBefore(5)
	require.NoError(t, err)
	require.EqualValues(t, 5, start)
	_, err = e.part().DeleteRecordsBefore(21)
	requireKind(t, KindOffsetOutOfRange, err)
	_, err = e.part().DeleteRecordsBefore(-2)
	requireKind(t, KindOffsetOutOfRange, err)
	start, err = e.part().DeleteRecordsBefore(3)
	require.NoError(t, err)
	require.EqualValues(t, 5, start)
	size := e.part().Size()
	require.NoError(t, e.store.Maintain(t.Context()))
	require.Less(t, e.part().Size(), size)
	e.kill()
	require.Equal(t, Offsets{5, 20, 20, 20}, e.part().Offsets())
	require.Equal(t, []string{"x", "3", "x"}, valuesOf(readAll(t, e.part(), 5, ReadUncommitted, 10))[:3])
	start, err = e.part().DeleteRecordsBefore(-1)
	require.NoError(t, err)
	require.EqualValues(t, 20, start)
	require.NoError(t, e.store.Maintain(t.Context()))
	e.kill()
	require.Equal(t, Offsets{20, 20, 20, 20}, e.part().Offsets())
	// The sequences of what was deleted are still known.
	require.True(t, mustAppend(t, e.part(), values("9", "x").from(7, 0, 18)).Duplicate)
}

// TestDeletedSegmentsComeBackWithTheManifest: without synced metadata a power loss may bring back the manifest
// from before a deletion, which must find its files.
func TestDeletedSegmentsComeBackWithTheManifest(t *testing.T) {
	t.Parallel()
	mem := vfs.NewCrashableMem()
	e := newEnv(t, func(e *env) { e.fs, e.dbFS = mem, mem; e.cfg.SegmentBytes = 100; e.cfg.RetentionMs = 1000 })
	for i := range 5 {
		mustAppend(t, e.part(), batchSpec{ts: e.clock.ms(), recs: []rec{{"k", fmt.Sprint(i), 0}}})
	}
	require.NoError(t, e.store.Flush(t.Context()))
	e.clock.advance(2 * time.Second)
	old := mem.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, e.store.Maintain(t.Context()))
	require.EqualValues(t, 5, e.part().Offsets().LogStart)
	dir := e.part().dir
	names, err := mem.List(dir)
	require.NoError(t, err)
	// The log's files of now with the metadata of then.
	for _, name := range names {
		b := fileContent(t, mem, mem.PathJoin(dir, name))
		require.NoError(t, writeFile(old, old.PathJoin(dir, name), b))
	}
	e.close()
	e.fs, e.dbFS = old, old
	e.open()
	require.NoError(t, e.part().Err())
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, 100)))
}
