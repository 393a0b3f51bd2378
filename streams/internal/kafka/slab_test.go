package kafka

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fill takes the records of a slab, with values of n bytes.
func fill(p *Producer, n int) (rs []*sending) {
	for i := range slabRecords {
		r := p.record()
		r.Record = kgo.Record{Key: r.slab.copy([]byte{byte(i)}), Value: r.slab.copy(make([]byte, n)), Offset: int64(i)}
		rs = append(rs, r)
	}
	return rs
}

func TestSlabsAreUsedAgainWhenAllTheirRecordsAreAcknowledged(t *testing.T) { // not parallel: it counts allocations
	p := &Producer{}
	log := &changelog{p: p}
	first := fill(p, 10)
	for _, r := range first {
		require.Same(t, first[0].slab, r.slab)
	}
	for i, r := range first[1:] {
		r.log = log
		r.promise(&r.Record, nil)
		require.Equal(t, int64(i+2), log.next.Load())
	}
	second := fill(p, 10)
	require.NotSame(t, first[0].slab, second[0].slab, "a record of it is not acknowledged")
	require.Equal(t, []byte{0}, first[0].Key)
	require.Equal(t, []byte{127}, first[127].Key)
	first[0].promise(&first[0].Record, nil)
	third := fill(p, 10)
	require.Same(t, first[0].slab, third[0].slab)
	require.Equal(t, []byte{5}, third[5].Key)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for i := range third {
			third[i].promise(&third[i].Record, nil)
		}
		for range slabRecords {
			r := p.record()
			r.Key = r.slab.copy([]byte("key"))
		}
	}))
}

func TestSlabWithAFailureIsLeftToTheThread(t *testing.T) {
	t.Parallel()
	p := &Producer{}
	rs := fill(p, 10)
	broken := errors.New("broken")
	for i, r := range rs {
		if i == 7 {
			r.promise(&r.Record, broken)
		} else {
			r.promise(&r.Record, nil)
		}
	}
	require.True(t, p.broken.Load())
	require.Equal(t, []failure{{&rs[7].Record, broken}}, p.failed)
	require.NotSame(t, rs[0].slab, fill(p, 10)[0].slab)
	require.Equal(t, []byte{7}, p.failed[0].r.Key)
}

func TestLargeSlabsAreNotKept(t *testing.T) {
	t.Parallel()
	p := &Producer{}
	for _, r := range fill(p, 1<<12) {
		require.Len(t, r.Value, 1<<12)
		r.promise(&r.Record, nil)
	}
	require.Empty(t, p.free)
	var slabs []*sending
	for range pooledSlabs + 1 {
		slabs = append(slabs, fill(p, 10)...)
	}
	for _, r := range slabs {
		r.promise(&r.Record, nil)
	}
	require.Len(t, p.free, pooledSlabs)
}
