package commitlog

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// model is what a partition should hold, in the plainest form: the batches in order.
type model struct {
	batches  []modelBatch
	logStart int64
	// durable is the offset below which a power loss may take nothing.
	durable int64
}

type modelBatch struct {
	base, last int64
	rows       []row // none: a marker
	pid        int64
	epoch      int16
	seq        int32
	txn        bool
	commit     bool // of a marker
}

func (m *model) end() int64 {
	if n := len(m.batches); n > 0 {
		return m.batches[n-1].last + 1
	}
	return 0
}

// outcomes returns of each batch whether it is visible to readers of committed records, and where those must stop.
func (m *model) outcomes() (visible []bool, stable int64) {
	visible = make([]bool, len(m.batches))
	open := map[int64][]int{}
	for i, b := range m.batches {
		switch {
		case b.rows == nil:
			for _, j := range open[b.pid] {
				visible[j] = b.commit
			}
			delete(open, b.pid)
		case b.txn:
			open[b.pid] = append(open[b.pid], i)
		default:
			visible[i] = true
		}
	}
	stable = m.end()
	for _, of := range open {
		stable = min(stable, m.batches[of[0]].base)
	}
	return visible, max(stable, m.logStart)
}

// openTxn reports whether the producer has a transaction open.
func (m *model) openTxn(pid int64) bool {
	for _, b := range slices.Backward(m.batches) {
		if b.pid == pid {
			return b.rows != nil && b.txn
		}
	}
	return false
}

// nextSeq returns the epoch and the next sequence of a producer.
func (m *model) nextSeq(pid int64) (epoch int16, seq int32) {
	for _, b := range slices.Backward(m.batches) {
		if b.pid == pid {
			if b.rows != nil {
				return b.epoch, b.seq + int32(len(b.rows))
			}
			epoch = b.epoch
		}
	}
	return epoch, 0
}

// rows returns what a reader should get.
func (m *model) rows(from int64, iso Isolation) []row {
	visible, stable := m.outcomes()
	var rows []row
	if iso == ReadCommitted && from >= stable {
		return nil
	}
	for i, b := range m.batches {
		if iso == ReadCommitted && (!visible[i] || b.base >= stable) {
			continue
		}
		for _, r := range b.rows {
			if r.offset >= from {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// TestModel does random things to a partition, crashes included, and compares it with the model after each.
func TestModel(t *testing.T) {
	t.Parallel()
	for _, sync := range []Sync{SyncNone, SyncAlways} {
		t.Run(sync.String(), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { runModel(t, sync) })
		})
	}
}

func runModel(t *rapid.T, sync Sync) {
	mem := vfs.NewCrashableMem()
	e := newEnv(t, func(e *env) {
		e.fs, e.dbFS = mem, mem
		e.opts.Sync = sync
		e.opts.SnapshotBytes = int64(rapid.SampledFrom([]int{300, 2000, 1 << 20}).Draw(t, "snapshotBytes"))
		e.opts.MaxOpenFiles = rapid.IntRange(1, 4).Draw(t, "files")
		e.cfg.SegmentBytes = int64(rapid.SampledFrom([]int{200, 1000, 1 << 20}).Draw(t, "segmentBytes"))
		e.cfg.RetentionMs = 100_000
		e.cfg.TimestampAfterMaxMs = 1 << 60
	})
	m := &model{}
	value := 0
	draw := func(n int) []rec {
		recs := make([]rec, rapid.IntRange(1, n).Draw(t, "records"))
		for i := range recs {
			value++
			recs[i] = rec{key: "k", value: fmt.Sprint("v", value), ts: e.clock.ms()}
		}
		return recs
	}
	add := func(s batchSpec) {
		s.ts = e.clock.ms()
		r, err := e.part().Append(s.build(), AppendOptions{})
		require.NoError(t, err)
		require.False(t, r.Duplicate)
		require.Equal(t, max(m.end(), m.logStart), r.BaseOffset)
		b := modelBatch{base: r.BaseOffset, last: r.LastOffset, pid: s.pid, epoch: s.epoch, seq: s.seq, txn: s.txn}
		for i, c := range s.recs {
			b.rows = append(b.rows, row{r.BaseOffset + int64(i), c.key, c.value, c.ts})
		}
		m.batches = append(m.batches, b)
		if sync == SyncAlways {
			m.durable = m.end()
		}
	}
	crash := func(percent int) {
		seed := rapid.Uint64().Draw(t, "seed")
		crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 0))})
		e.close()
		mem = crashed
		e.fs, e.dbFS = mem, mem
		e.open()
		require.NoError(t, e.part().Err())
		o := e.part().Offsets()
		require.GreaterOrEqual(t, o.LogEnd, m.durable)
		if percent == 100 {
			require.Equal(t, max(m.end(), m.logStart), o.LogEnd)
		}
		lost := len(m.batches)
		m.batches = slices.DeleteFunc(m.batches, func(b modelBatch) bool { return b.base >= o.LogEnd })
		if lost > len(m.batches) {
			require.Positive(t, e.part().LeaderEpoch()+1)
		}
		require.Equal(t, max(m.end(), m.logStart), o.LogEnd)
	}
	t.Repeat(map[string]func(*rapid.T){
		"append": func(t *rapid.T) { add(batchSpec{recs: draw(5)}) },
		"idempotent": func(t *rapid.T) {
			pid := rapid.Int64Range(1, 2).Draw(t, "pid")
			epoch, seq := m.nextSeq(pid)
			if rapid.IntRange(0, 9).Draw(t, "bump") == 0 {
				epoch, seq = epoch+1, 0
			}
			add(batchSpec{recs: draw(3)}.from(pid, epoch, seq))
		},
		"transactional": func(t *rapid.T) {
			pid := rapid.Int64Range(11, 13).Draw(t, "pid")
			epoch, seq := m.nextSeq(pid)
			add(batchSpec{recs: draw(3)}.from(pid, epoch, seq).inTxn())
		},
		"marker": func(t *rapid.T) {
			pid := rapid.Int64Range(11, 13).Draw(t, "pid")
			epoch, _ := m.nextSeq(pid)
			commit := rapid.Bool().Draw(t, "commit")
			r, err := e.part().AppendMarker(pid, epoch, 0, commit)
			require.NoError(t, err)
			require.Equal(t, m.openTxn(pid), r.Written)
			if r.Written {
				m.batches = append(m.batches, modelBatch{base: r.Offset, last: r.Offset, pid: pid, epoch: epoch, commit: commit})
				if sync == SyncAlways {
					m.durable = m.end()
				}
			}
		},
		"duplicate": func(t *rapid.T) {
			// One of the last batches of a producer, sent again.
			pid := rapid.SampledFrom([]int64{1, 2, 11, 12, 13}).Draw(t, "pid")
			n := 0
			for _, b := range slices.Backward(m.batches) {
				if b.pid != pid {
					continue
				}
				if epoch, _ := m.nextSeq(pid); b.rows == nil || b.epoch != epoch || n == rememberedBatches {
					break
				}
				n++
				s := batchSpec{txn: b.txn, ts: b.rows[0].ts}
				for _, r := range b.rows {
					s.recs = append(s.recs, rec{r.key, r.value, r.ts})
				}
				r, err := e.part().Append(s.from(pid, b.epoch, b.seq).build(), AppendOptions{})
				require.NoError(t, err)
				require.True(t, r.Duplicate)
				require.Equal(t, b.base, r.BaseOffset)
				require.Equal(t, b.last, r.LastOffset)
			}
		},
		"outOfOrder": func(t *rapid.T) {
			pid := rapid.Int64Range(1, 2).Draw(t, "pid")
			if epoch, seq := m.nextSeq(pid); seq > 0 {
				_, err := e.part().Append(batchSpec{recs: draw(1)}.from(pid, epoch, seq+1).build(), AppendOptions{})
				requireKind(t, KindOutOfOrderSequence, err)
			}
		},
		"time": func(t *rapid.T) {
			e.clock.advance(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds")) * time.Second)
		},
		"maintain": func(t *rapid.T) {
			require.NoError(t, e.store.Maintain(context.Background()))
			_, stable := m.outcomes()
			start := e.part().Offsets().LogStart
			require.GreaterOrEqual(t, start, m.logStart)
			require.LessOrEqual(t, start, stable)
			for _, r := range m.rows(0, ReadUncommitted) {
				if r.offset >= m.logStart && r.offset < start {
					require.Greater(t, e.clock.ms()-r.ts, int64(100_000), "%v deleted too early", r)
				}
			}
			m.logStart = start
		},
		"flush": func(t *rapid.T) {
			require.NoError(t, e.store.Flush(context.Background()))
			m.durable = m.end()
		},
		"deleteRecords": func(t *rapid.T) {
			o := e.part().Offsets()
			to := rapid.Int64Range(-1, o.HighWatermark).Draw(t, "to")
			// A log start above what a power loss leaves has a test of its own.
			require.NoError(t, e.store.Flush(context.Background()))
			m.durable = m.end()
			start, err := e.part().DeleteRecordsBefore(to)
			require.NoError(t, err)
			if to == -1 {
				to = o.HighWatermark
			}
			m.logStart = max(m.logStart, to)
			require.Equal(t, m.logStart, start)
		},
		"reopen": func(t *rapid.T) {
			e.reopen()
			m.durable = m.end()
		},
		"kill":      func(t *rapid.T) { crash(100) },
		"powerLoss": func(t *rapid.T) { crash(rapid.SampledFrom([]int{0, 30, 90}).Draw(t, "kept")) },
		"": func(t *rapid.T) {
			p := e.part()
			_, stable := m.outcomes()
			end := max(m.end(), m.logStart)
			require.Equal(t, Offsets{m.logStart, stable, end, end}, p.Offsets())
			from := rapid.Int64Range(m.logStart, end).Draw(t, "from")
			max := rapid.SampledFrom([]int{1, 200, 1 << 20}).Draw(t, "max")
			require.Equal(t, m.rows(from, ReadUncommitted), readAll(t, p, from, ReadUncommitted, max))
			require.Equal(t, m.rows(from, ReadCommitted), readAll(t, p, from, ReadCommitted, max))
			m.checkLookup(t, p)
		},
	})
}

// checkLookup compares what is found by time.
func (m *model) checkLookup(t *rapid.T, p *Partition) {
	rows := m.rows(m.logStart, ReadUncommitted)
	for _, b := range m.batches {
		if b.rows == nil {
			return // markers have times too, which the model does not know
		}
	}
	if len(rows) == 0 {
		return
	}
	want := rapid.SampledFrom(rows).Draw(t, "row")
	i := slices.IndexFunc(rows, func(r row) bool { return r.ts >= want.ts })
	o, ok, err := p.OffsetForTime(want.ts, ReadUncommitted)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, rows[i].offset, o.Offset)
	require.Equal(t, rows[i].ts, o.Timestamp)
	newest := slices.MaxFunc(rows, func(a, b row) int { return cmp.Compare(a.ts, b.ts) })
	o, ok, err = p.MaxTimestampOffset(ReadUncommitted)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, newest.ts, o.Timestamp)
	_, ok, err = p.OffsetForTime(newest.ts+1, ReadUncommitted)
	require.NoError(t, err)
	require.False(t, ok)
}
