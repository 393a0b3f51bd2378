package runtime

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/topology"
)

func TestOrderIsAHeap(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var o order
		var want []Time
		for range rnd.IntN(20) {
			q := &Queue{headTime: Time(rnd.IntN(8))}
			o.offer(q)
			want = append(want, q.headTime)
		}
		slices.Sort(want)
		for _, w := range want {
			require.Equal(t, w, o.poll().headTime)
		}
		require.Nil(t, o.poll())
	}
}

// Among equal times Java's PriorityQueue hands out 0, 4, 3, 2, 1 when five equal ones are offered in order.
func TestOrderOfEqualTimesIsJavas(t *testing.T) {
	t.Parallel()
	var o order
	for i := range 5 {
		o.offer(&Queue{TopicPartition: TopicPartition{Partition: int32(i)}})
	}
	var got []int32
	for q := o.poll(); q != nil; q = o.poll() {
		got = append(got, q.Partition)
	}
	require.Equal(t, []int32{0, 4, 3, 2, 1}, got)
}

func TestReadySaturatesAtTheEndOfTime(t *testing.T) {
	t.Parallel()
	in := []input{{buffered: true}, {lag: 0, deadline: -1}}
	require.Equal(t, waiting, ready(in, 10, math.MaxInt64-5))
	require.Equal(t, Time(math.MaxInt64), in[1].deadline)
	require.Equal(t, enforced, ready(in, 10, math.MaxInt64))
}

func TestReady(t *testing.T) {
	t.Parallel()
	full, bare := input{buffered: true, deadline: -1}, input{deadline: -1}
	lag := func(n int64) input { return input{lag: n, deadline: -1} }
	for name, c := range map[string]struct {
		in        []input
		idle, now Time
		want      readiness
	}{
		"nothing buffered":                              {[]input{bare, bare}, -1, 0, empty},
		"everything buffered":                           {[]input{full, full}, 100, 0, complete},
		"negative idle time never waits":                {[]input{full, lag(5)}, -1, 0, enforced},
		"idle time 0 waits for what the broker has":     {[]input{full, lag(5)}, 0, 0, waiting},
		"idle time 0 waits while the lag is unknown":    {[]input{full, lag(-1)}, 0, 0, waiting},
		"idle time 0 does not wait for what may come":   {[]input{full, bare}, 0, 0, enforced},
		"idle time waits for what may come":             {[]input{full, bare}, 1, 0, waiting},
		"until its deadline":                            {[]input{full, {deadline: 5}}, 1, 5, enforced},
		"of every partition":                            {[]input{full, {deadline: 5}, {deadline: 6}}, 1, 5, waiting},
		"a deadline does not count when the broker has": {[]input{full, {lag: 1, deadline: 5}}, 1, 99, waiting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, ready(c.in, c.idle, c.now))
		})
	}
}

func TestQueueKeepsOrderWhileItGrowsAndWraps(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	q := newQueue(TopicPartition{Topic: "t"}, nil)
	pushed, popped := int64(0), int64(0)
	for range 5000 {
		var rs []topology.Raw
		for range rnd.IntN(6) {
			rs = append(rs, topology.Raw{Offset: pushed, Value: make([]byte, 3)})
			pushed++
		}
		q.push(rs)
		for range rnd.IntN(7) {
			if q.Len() == 0 {
				q.release()
				break
			}
			require.Equal(t, popped, q.offset())
			require.Equal(t, popped, q.peek().Offset)
			q.pop()
			popped++
		}
		require.Equal(t, int(pushed-popped), q.Len())
		require.Equal(t, 3*(pushed-popped), q.Bytes())
		if q.Len() == 0 && pushed > 0 {
			require.Equal(t, pushed, q.offset())
		}
	}
}

func TestEmptyQueueLetsGoOfItsBytes(t *testing.T) {
	t.Parallel()
	q := newQueue(TopicPartition{}, nil)
	q.push(make([]topology.Raw, 5))
	for i := range q.ring {
		q.ring[i].Value = []byte("v")
	}
	q.used = len(q.ring)
	for q.Len() > 0 {
		q.pop()
	}
	q.release()
	for _, r := range q.ring {
		require.Nil(t, r.Value)
	}
}

func TestMetadataIsKafkas(t *testing.T) {
	t.Parallel()
	want := Metadata{1234567890123, map[string]int64{"b": -1, "key": 5}}
	text := want.String()
	require.Equal(t, "AgAAAR9x+wTLAAAAAgAAAAFi//////////8AAAADa2V5AAAAAAAAAAU=", text)
	m, err := parseMetadata(text)
	require.NoError(t, err)
	require.Equal(t, want, m)
	require.Equal(t, "AgAAAAAAAAAF", Metadata{Time: 5}.String())
	m, err = parseMetadata("AQAAAR9x+wTL") // version 1
	require.NoError(t, err)
	require.Equal(t, Metadata{Time: 1234567890123}, m)
}

func FuzzParseMetadata(f *testing.F) {
	f.Add(Metadata{5, map[string]int64{"a": 1}}.String())
	f.Add("AQAAAR9x+wTL")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMetadata(text)
		if err != nil {
			return
		}
		again, err := parseMetadata(m.String())
		require.NoError(t, err)
		require.Equal(t, m.Time, again.Time)
		require.Equal(t, len(m.Values), len(again.Values))
	})
}

// The expected values are those of org.apache.kafka.common.utils.Utils.murmur2 in its own tests.
func TestMurmur2IsKafkas(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		require.Equal(t, want, int32(murmur2([]byte(key))), key)
	}
	seen := map[int32]bool{}
	for i := range 1000 {
		p := Partition(binary.BigEndian.AppendUint64(nil, uint64(i)), 7)
		require.True(t, p >= 0 && p < 7)
		seen[p] = true
	}
	require.Len(t, seen, 7)
}

func TestDropsAreCountedByNodeAndReason(t *testing.T) {
	var all Drops
	tasks := []*drops{newDrops(&all), newDrops(&all)}
	var wg sync.WaitGroup
	for _, d := range tasks {
		wg.Go(func() {
			for i := range 10 {
				d.add([]string{"n0", "n1"}[i%2], "late")
				d.add("n0", "null key")
				all.List()
			}
		})
	}
	wg.Wait()
	require.Equal(t, []Dropped{{"n0", "late", 10}, {"n0", "null key", 20}, {"n1", "late", 10}}, all.List())
	require.Zero(t, testing.AllocsPerRun(100, func() { tasks[0].add("n0", "late"); tasks[0].add("n1", "late") }))
}
