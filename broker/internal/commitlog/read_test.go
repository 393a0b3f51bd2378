package commitlog

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

func TestReadBounds(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 1 << 20 })
	p := e.part()
	for _, o := range []int64{0, -1, 1} {
		r, err := p.Read(ReadRequest{Offset: o, MaxBytes: 100})
		if o != 0 {
			requireKind(t, KindOffsetOutOfRange, err)
			continue
		}
		require.NoError(t, err)
		require.NotNil(t, r.Records)
		require.Empty(t, r.Records)
	}
	mustAppend(t, p, values("a", "b", "c"))
	size := int(p.Size())
	mustAppend(t, p, values(strings.Repeat("x", 100_000)))
	mustAppend(t, p, values("d"))
	for _, c := range []struct {
		offset   int64
		max      int
		min      bool
		first, n int
	}{
		{0, 1, false, 0, 0},
		{0, 1, true, 0, 3},
		{1, size, false, 0, 3}, // the whole batch that contains the offset
		{2, size - 1, false, 0, 0},
		{0, size + 1000, false, 0, 3}, // the second batch does not fit
		{3, 1000, true, 3, 1},         // it is larger than every window
		{3, 1000, false, 0, 0},
		{0, 1 << 20, false, 0, 5},
		{4, 1 << 20, false, 4, 1},
		{5, 1 << 20, true, 0, 0},
	} {
		r, err := p.Read(ReadRequest{Offset: c.offset, MaxBytes: c.max, MinOneBatch: c.min})
		require.NoError(t, err)
		rows, _ := decodeRows(t, nil, r, 0, ReadUncommitted)
		require.Len(t, rows, c.n, "%+v", c)
		if c.n > 0 {
			require.EqualValues(t, c.first, rows[0].offset)
		}
		if !c.min {
			require.LessOrEqual(t, len(r.Records), c.max)
		}
	}
	_, err := p.Read(ReadRequest{Offset: 6, MaxBytes: 100})
	requireKind(t, KindOffsetOutOfRange, err)
}

func TestReadReusesTheBuffer(t *testing.T) { // not parallel: it counts allocations
	e := newEnv(t)
	p := e.part()
	for i := range 100 {
		mustAppend(t, p, values(fmt.Sprint(i)))
	}
	r, err := p.Read(ReadRequest{MaxBytes: 1000})
	require.NoError(t, err)
	first := &r.Buffer[:1][0]
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if r, err = p.Read(ReadRequest{Offset: 50, MaxBytes: 1000, Buffer: r.Buffer}); err != nil {
			t.Error(err)
		}
	}))
	require.Same(t, first, &r.Buffer[:1][0])
}

// TestReadersGoOnWhileSegmentsLeave reads without a pause while the log is rolled, compacted and deleted.
func TestReadersGoOnWhileSegmentsLeave(t *testing.T) {
	t.Parallel()
	e := newEnv(t, compacted, func(e *env) {
		e.opts.MaxOpenFiles = 2
		e.opts.Sync = SyncAlways
		e.cfg.CleanupDelete, e.cfg.RetentionMs, e.cfg.RetentionBytes = true, -1, 20_000
	})
	p := e.part()
	const n = 2000
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			w := NewWaiter()
			p.Watch(w)
			defer p.Unwatch(w)
			next := int64(0)
			for next < n {
				r, err := p.Read(ReadRequest{Offset: next, MaxBytes: 700, MinOneBatch: true, Isolation: ReadCommitted})
				if KindOf(err) == KindOffsetOutOfRange {
					next = r.LogStartOffset
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if len(r.Records) == 0 {
					<-w.C()
					continue
				}
				var rows []row
				rows, next = decodeRows(t, nil, r, next, ReadCommitted)
				for _, o := range rows {
					if o.value != fmt.Sprint("v", o.offset) {
						t.Errorf("%+v", o)
					}
				}
			}
		})
	}
	wg.Go(func() {
		for p.Offsets().LogEnd < n {
			if err := e.store.Maintain(t.Context()); err != nil {
				t.Error(err)
			}
			if err := e.store.Compact(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range n {
		mustAppend(t, p, kv(fmt.Sprint("k", i%7), fmt.Sprint("v", i)))
		if i%500 == 499 {
			_, err := p.DeleteRecordsBefore(int64(i - 100))
			require.NoError(t, err)
		}
	}
	wg.Wait()
}

func TestOffsetForTime(t *testing.T) {
	t.Parallel()
	for c := codec.None; c <= codec.Zstd; c++ {
		e := newEnv(t, func(e *env) { e.cfg.SegmentBytes = 250 })
		p := e.part()
		_, ok, err := p.MaxTimestampOffset(ReadUncommitted)
		require.NoError(t, err)
		require.False(t, ok)
		// Times are not in order, neither in a batch nor across them.
		all := []int64{100, 50, 300, 200, 250, 400, 10, 400, 390}
		for i := 0; i < len(all); i += 3 {
			s := batchSpec{codec: c, ts: all[i]}
			for j := range 3 {
				s.recs = append(s.recs, rec{"k", fmt.Sprint(i + j), all[i+j]})
			}
			mustAppend(t, p, s)
		}
		for _, want := range []struct{ ts, offset, at int64 }{
			{0, 0, 100}, {100, 0, 100}, {101, 2, 300}, {300, 2, 300}, {301, 5, 400}, {400, 5, 400}, {401, -1, 0},
		} {
			o, ok, err := p.OffsetForTime(want.ts, ReadUncommitted)
			require.NoError(t, err)
			require.Equal(t, want.offset >= 0, ok)
			if ok {
				require.Equal(t, TimeOffset{want.offset, want.at, 0}, o)
			}
		}
		o, ok, err := p.MaxTimestampOffset(ReadUncommitted)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, TimeOffset{5, 400, 0}, o)
		// Not below the log start.
		_, err = p.DeleteRecordsBefore(6)
		require.NoError(t, err)
		o, _, err = p.OffsetForTime(100, ReadUncommitted)
		require.NoError(t, err)
		require.Equal(t, TimeOffset{7, 400, 0}, o)
		o, _, err = p.MaxTimestampOffset(ReadUncommitted)
		require.NoError(t, err)
		require.Equal(t, TimeOffset{7, 400, 0}, o)
		// Not past the last stable offset.
		mustAppend(t, p, batchSpec{codec: c, ts: 900, recs: []rec{{"k", "txn", 0}}}.from(1, 0, 0).inTxn())
		_, ok, err = p.OffsetForTime(500, ReadCommitted)
		require.NoError(t, err)
		require.False(t, ok)
		o, _, err = p.MaxTimestampOffset(ReadCommitted)
		require.NoError(t, err)
		require.Equal(t, TimeOffset{7, 400, 0}, o)
		o, _, err = p.MaxTimestampOffset(ReadUncommitted)
		require.NoError(t, err)
		require.Equal(t, TimeOffset{9, 900, 0}, o)
	}
}

// TestBehind: a read ends where a segment does, and says whether the reader's next one finds something at once.
func TestBehind(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	p := e.part()
	mustAppend(t, p, values("a"))
	mustAppend(t, p, values("b"))
	behind := func(iso Isolation) bool {
		r, err := p.Read(ReadRequest{MaxBytes: 1 << 20, Isolation: iso})
		require.NoError(t, err)
		require.NotZero(t, r.Size())
		return r.Behind
	}
	require.False(t, behind(ReadUncommitted))
	seal(t, p)
	require.False(t, behind(ReadUncommitted), "the next segment is empty")
	mustAppend(t, p, values("c").from(1, 0, 0).inTxn())
	require.True(t, behind(ReadUncommitted))
	require.False(t, behind(ReadCommitted), "the next segment begins with an open transaction")
	_, err := p.AppendMarker(1, 0, 0, true)
	require.NoError(t, err)
	require.True(t, behind(ReadCommitted))
}

func TestWaiters(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	require.NoError(t, e.store.Create(testTopic, []int32{1}, e.cfg))
	p := e.part()
	q, _ := e.store.Partition(PartitionID{testTopic, 1})
	w := NewWaiter()
	p.Watch(w)
	q.Watch(w)
	woken := func() bool {
		select {
		case <-w.C():
			return true
		default:
			return false
		}
	}
	require.False(t, woken())
	mustAppend(t, p, values("a"))
	mustAppend(t, q, values("a").from(1, 0, 0).inTxn())
	require.True(t, woken())
	require.False(t, woken())
	_, err := q.AppendMarker(1, 0, 0, true)
	require.NoError(t, err)
	require.True(t, woken())
	_, err = p.DeleteRecordsBefore(1)
	require.NoError(t, err)
	require.True(t, woken())
	p.Unwatch(w)
	mustAppend(t, p, values("a"))
	require.False(t, woken())
	require.NoError(t, e.store.DeleteTopic(testTopic))
	require.True(t, woken())
	q.Unwatch(w)
	q.Unwatch(w)
}
