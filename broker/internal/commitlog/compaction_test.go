package commitlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
	"github.com/millrace-go/millrace/broker/internal/commitlog/recordbatch"
)

func compacted(e *env) {
	e.cfg.CleanupCompact, e.cfg.CleanupDelete = true, false
	e.cfg.SegmentBytes = 400
	e.cfg.MinCleanableDirtyRatio = 0
}

// kv returns a spec of records "key=value"; a value of "-" is a tombstone.
func kv(pairs ...string) batchSpec {
	var s batchSpec
	for i := 0; i < len(pairs); i += 2 {
		s.recs = append(s.recs, rec{key: pairs[i], value: pairs[i+1]})
	}
	return s
}

// seal rolls the active segment, so that compaction sees what is in it.
func seal(t tb, p *Partition) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active.size > 0 {
		require.NoError(t, p.roll())
		p.publish()
	}
}

func compact(t tb, e *env) {
	t.Helper()
	seal(t, e.part())
	require.NoError(t, e.store.Compact(context.Background()))
}

func pairs(rows []row) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%d %s=%s", r.offset, r.key, r.value))
	}
	return out
}

func TestCompactionKeepsTheLastOfEachKey(t *testing.T) {
	t.Parallel()
	for c := codec.None; c <= codec.Zstd; c++ {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, compacted)
			p := e.part()
			add := func(s batchSpec) {
				s.codec = c
				mustAppend(t, p, s)
			}
			add(kv("a", "1", "b", "1", "c", "1"))
			add(kv("a", "2", "d", "1"))
			add(kv("a", "3"))
			add(kv("b", "2", "e", "1"))
			compact(t, e)
			want := []string{"2 c=1", "4 d=1", "5 a=3", "6 b=2", "7 e=1"}
			require.Equal(t, want, pairs(readAll(t, p, 0, ReadUncommitted, 1<<20)))
			require.Equal(t, Offsets{0, 8, 8, 8}, p.Offsets())
			// A reader inside the log goes on, in gaps too.
			require.Equal(t, want[2:], pairs(readAll(t, p, 5, ReadUncommitted, 1)))
			add(kv("c", "2"))
			compact(t, e)
			want = append(want[1:], "8 c=2")
			require.Equal(t, want, pairs(readAll(t, p, 0, ReadUncommitted, 1<<20)))
			e.kill()
			require.Equal(t, want, pairs(readAll(t, e.part(), 0, ReadUncommitted, 1<<20)))
		})
	}
}

func TestTombstonesOutliveTheirHorizon(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted, func(e *env) { e.cfg.DeleteRetentionMs = 1000 })
	p := e.part()
	mustAppend(t, p, kv("a", "1", "b", "1"))
	mustAppend(t, p, batchSpec{ts: 5000, recs: []rec{{key: "a", value: "-", ts: 4000}, {key: "c", value: "1"}}})
	compact(t, e)
	want := []row{{1, "b", "1", 1000}, {2, "a", "-", 4000}, {3, "c", "1", 5000}}
	require.Equal(t, want, readAll(t, p, 0, ReadUncommitted, 1<<20))
	e.clock.advance(999 * time.Millisecond)
	mustAppend(t, p, kv("x", "1"))
	compact(t, e)
	require.Equal(t, want, readAll(t, p, 0, ReadUncommitted, 1<<20)[:3])
	e.clock.advance(time.Millisecond)
	mustAppend(t, p, kv("y", "1"))
	compact(t, e)
	require.Equal(t, []string{"1 b=1", "3 c=1", "4 x=1", "5 y=1"}, pairs(readAll(t, p, 0, ReadUncommitted, 1<<20)))
	require.EqualValues(t, 5000, readAll(t, p, 3, ReadUncommitted, 1<<20)[0].ts)
}

func TestAbortedRecordsNeverWin(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted, func(e *env) { e.cfg.DeleteRetentionMs = 1000 })
	p := e.part()
	mustAppend(t, p, kv("a", "committed"))
	mustAppend(t, p, kv("a", "aborted", "b", "aborted").from(7, 0, 0).inTxn())
	seal(t, p)
	// The outcome is open: nothing of it is looked at.
	require.NoError(t, e.store.Compact(context.Background()))
	require.Equal(t, []string{"0 a=committed", "1 a=aborted", "2 b=aborted"}, pairs(readAll(t, p, 0, ReadUncommitted, 1<<20)))
	_, err := p.AppendMarker(7, 0, 0, false)
	require.NoError(t, err)
	mustAppend(t, p, kv("c", "1").from(7, 0, 2).inTxn())
	_, err = p.AppendMarker(7, 0, 0, true)
	require.NoError(t, err)
	compact(t, e)
	want := []string{"0 a=committed", "4 c=1"}
	for _, iso := range []Isolation{ReadUncommitted, ReadCommitted} {
		require.Equal(t, want, pairs(readAll(t, p, 0, iso, 1<<20)))
	}
	// The abort marker stays until its horizon; the commit marker as long as c=1 is there.
	require.Equal(t, 2, markers(t, p))
	mustAppend(t, p, kv("x", "1"))
	compact(t, e) // stamps the horizon
	require.Equal(t, 2, markers(t, p))
	e.clock.advance(time.Second)
	mustAppend(t, p, kv("x", "2"))
	compact(t, e)
	require.Equal(t, 1, markers(t, p))
	e.kill()
	require.Equal(t, append(want, "7 x=2"), pairs(readAll(t, e.part(), 0, ReadCommitted, 1<<20)))
	require.Empty(t, e.part().OpenTransactions())
}

// markers counts the markers in the log.
func markers(t tb, p *Partition) (n int) {
	t.Helper()
	for _, b := range batches(t, p) {
		if b.Control() {
			n++
		}
	}
	return n
}

// batches returns all batches of the log.
func batches(t tb, p *Partition) (all []recordbatch.Batch) {
	t.Helper()
	o := p.Offsets()
	for next := o.LogStart; next < o.HighWatermark; {
		r, err := p.Read(ReadRequest{Offset: next, MaxBytes: 1 << 20, MinOneBatch: true})
		require.NoError(t, err)
		if len(r.Records) == 0 {
			break
		}
		for rest := r.Records; len(rest) > 0; {
			var b recordbatch.Batch
			b, rest, err = recordbatch.Next(rest)
			require.NoError(t, err)
			all = append(all, b)
			next = b.LastOffset() + 1
		}
	}
	return all
}

func TestTheLastBatchOfAProducerStays(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted)
	p := e.part()
	mustAppend(t, p, kv("a", "1").from(1, 0, 0))
	mustAppend(t, p, kv("a", "2").from(1, 0, 1))
	mustAppend(t, p, kv("a", "3").from(2, 0, 0))
	compact(t, e)
	bs := batches(t, p)
	require.Len(t, bs, 2)
	require.Zero(t, bs[0].RecordCount())
	require.EqualValues(t, 1, bs[0].ProducerID())
	require.EqualValues(t, 1, bs[0].LastSequence())
	// Without snapshots the sequences come from the log.
	names, err := e.fs.List(p.dir)
	require.NoError(t, err)
	for _, n := range names {
		if _, ok := snapshotOffset(n); ok {
			require.NoError(t, e.fs.Remove(p.path(n)))
		}
	}
	e.kill()
	p = e.part()
	_, err = p.Append(kv("a", "5").from(1, 0, 3).build(), AppendOptions{})
	requireKind(t, KindOutOfOrderSequence, err)
	require.EqualValues(t, 3, mustAppend(t, p, kv("a", "4").from(1, 0, 2)).BaseOffset)
}

// TestCommittedReadersGetToTheOpenTransaction: what is below the last stable offset can be aborted to the last record, and go,
// while the marker is beyond it.
func TestCommittedReadersGetToTheOpenTransaction(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted)
	p := e.part()
	mustAppend(t, p, kv("a", "aborted").from(1, 0, 0).inTxn())
	seal(t, p)
	mustAppend(t, p, kv("a", "open").from(2, 0, 0).inTxn())
	_, err := p.AppendMarker(1, 0, 0, false)
	require.NoError(t, err)
	mustAppend(t, p, kv("b", "1").from(1, 0, 1)) // the aborted batch is no longer its producer's last one
	compact(t, e)
	require.EqualValues(t, 1, p.man.cleanedTo)
	require.Equal(t, Offsets{0, 1, 4, 4}, p.Offsets())
	require.Empty(t, readAll(t, p, 0, ReadCommitted, 1<<20), "and that is up to the last stable offset")
	require.Zero(t, batches(t, p)[0].RecordCount())
}

func TestAFullMapEndsTheRoundEarly(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted, func(e *env) { e.opts.CompactionMemory = 16 * offsetSlotSize })
	p := e.part()
	for i := range 40 {
		mustAppend(t, p, kv(fmt.Sprint(i%20), fmt.Sprint(i)))
	}
	seal(t, p)
	rounds := 0
	for {
		before := p.man.cleanedTo
		require.NoError(t, e.store.Compact(context.Background()))
		if p.man.cleanedTo == before {
			break
		}
		rounds++
	}
	require.Greater(t, rounds, 2)
	rows := readAll(t, p, 0, ReadUncommitted, 1<<20)
	require.Len(t, rows, 20)
	require.EqualValues(t, 20, rows[0].offset)
}

func TestCompactionThatFindsNothingKeepsTheFile(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted)
	p := e.part()
	mustAppend(t, p, kv("a", "1", "b", "2"))
	seal(t, p)
	name := p.man.segments[0].logName()
	require.NoError(t, e.store.Compact(context.Background()))
	require.Equal(t, name, p.man.segments[0].logName())
	require.EqualValues(t, 2, p.man.cleanedTo)
}

// TestSnapshotsFromBeforeACompactionAreGone: a snapshot that knows a transaction as open must not be used once
// compaction has dropped the transaction's marker.
func TestSnapshotsFromBeforeACompactionAreGone(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted, func(e *env) { e.cfg.DeleteRetentionMs = 1000 })
	mustAppend(t, e.part(), kv("a", "1").from(7, 0, 0).inTxn())
	e.reopen() // saves the snapshot
	require.Len(t, e.part().OpenTransactions(), 1)
	_, err := e.part().AppendMarker(7, 0, 0, false)
	require.NoError(t, err)
	mustAppend(t, e.part(), kv("b", "1").from(7, 0, 1)) // the last batch of 7 is no longer that of the transaction
	for i := range 4 {
		mustAppend(t, e.part(), kv("x", fmt.Sprint(i)))
		compact(t, e)
		e.clock.advance(time.Second)
	}
	require.Zero(t, markers(t, e.part()))
	e.kill()
	require.Empty(t, e.part().OpenTransactions())
	require.Equal(t, []string{"2 b=1", "6 x=3"}, pairs(readAll(t, e.part(), 0, ReadCommitted, 1<<20)))
}
