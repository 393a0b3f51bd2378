package crashtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// wires are the connections of an instance within this process. They can be stopped, as those of a process that is stopped or of a network that hangs, and what was
// on its way comes later; or be cut for good, as those of a process that was killed.
type wires struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu      sync.Mutex
	stopped chan struct{} // closed when they go on; nil while they do
	cut     bool
	conns   map[*wire]bool
	request func(key int16) // told of each request before it goes on; may be nil
}

func newWires(b *broker.Broker) *wires { return &wires{dial: b.Dialer(), conns: map[*wire]bool{}} }

func (w *wires) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	x := &wire{Conn: c, all: w, closed: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return nil, errors.Join(errCut, c.Close())
	}
	w.conns[x] = true
	return x, nil
}

var errCut = errors.New("the wire is cut")

// stop stops everything that is not through yet.
func (w *wires) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped == nil {
		w.stopped = make(chan struct{})
	}
}

func (w *wires) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped != nil {
		close(w.stopped)
		w.stopped = nil
	}
}

func (w *wires) kill() {
	w.mu.Lock()
	w.cut = true
	conns := w.conns
	w.conns = map[*wire]bool{}
	w.mu.Unlock()
	for x := range conns {
		x.Close()
	}
	w.goOn()
}

// on sets what is told of each request.
func (w *wires) on(f func(key int16)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.request = f
}

// wire is one connection. A client writes a request at once.
type wire struct {
	net.Conn
	all    *wires
	once   sync.Once
	closed chan struct{}
}

func (x *wire) Write(b []byte) (int, error) {
	x.all.mu.Lock()
	told := x.all.request
	x.all.mu.Unlock()
	if told != nil && len(b) >= 6 {
		told(int16(binary.BigEndian.Uint16(b[4:])))
	}
	if err := x.pass(); err != nil {
		return 0, err
	}
	return x.Conn.Write(b)
}

func (x *wire) Read(b []byte) (int, error) {
	n, err := x.Conn.Read(b)
	if err := x.pass(); err != nil {
		return 0, err
	}
	return n, err
}

// pass waits until the wires are not stopped.
func (x *wire) pass() error {
	for {
		x.all.mu.Lock()
		stopped := x.all.stopped
		x.all.mu.Unlock()
		select {
		case <-x.closed:
			return errCut
		default:
		}
		if stopped == nil {
			return nil
		}
		select {
		case <-stopped:
		case <-x.closed:
		}
	}
}

func (x *wire) Close() error {
	x.once.Do(func() { close(x.closed) })
	x.all.mu.Lock()
	delete(x.all.conns, x)
	x.all.mu.Unlock()
	return x.Conn.Close()
}

// zombies is an embedded broker with instances of an application that copies numbers and counts them by key.
type zombies struct {
	t      *testing.T
	broker *broker.Broker
	cl     *kgo.Client
	n      int
	notes  []string
}

func newZombies(t *testing.T) *zombies {
	b, err := broker.Start(broker.Config{Groups: broker.Groups{MinSessionTimeout: time.Millisecond}})
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	z := &zombies{t: t, broker: b}
	z.cl, err = kgo.NewClient(z.options(b.Dialer())...)
	require.NoError(t, err)
	t.Cleanup(z.cl.Close)
	_, err = kadm.NewClient(z.cl).CreateTopics(t.Context(), partitions, 1, nil, "in", "out", "counts")
	require.NoError(t, err)
	return z
}

func (z *zombies) options(dial func(ctx context.Context, network, addr string) (net.Conn, error)) []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(z.broker.Seeds()...), kgo.Dialer(dial), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))}
}

func (z *zombies) note(format string, args ...any) {
	z.notes = append(z.notes, fmt.Sprintf(format, args...))
}

// feed writes the next k numbers.
func (z *zombies) feed(k int) {
	var rs []*kgo.Record
	for range k {
		rs = append(rs, &kgo.Record{Topic: "in", Key: fmt.Append(nil, "k", z.n%20), Value: strconv.AppendInt(nil, int64(z.n), 10)})
		z.n++
	}
	require.NoError(z.t, z.cl.ProduceSync(z.t.Context(), rs...).FirstErr())
}

// instance is one of the application.
type instance struct {
	*streams.App
	z      *zombies
	wires  *wires
	id     string       // the one it was started with
	left   atomic.Int64 // records until then is called
	then   func()
	passed chan struct{} // closed before it is called
	ended  chan struct{}
	err    error
	log    bytes.Buffer
	cancel context.CancelFunc
}

// start starts an instance with that identity, "" for one of its own.
func (z *zombies) start(identity string, threads int) *instance {
	i := &instance{z: z, id: identity, wires: newWires(z.broker), ended: make(chan struct{})}
	i.left.Store(1 << 40)
	b := streams.NewBuilder()
	in := b.Stream("in", serde.String, serde.String)
	in.MapValues(func(v string) string {
		if i.left.Add(-1) == 0 {
			close(i.passed)
			i.then()
		}
		return v
	}).WithValueSerde(serde.String).To("out")
	in.GroupByKey().Count(streams.As("counts")).ToStream().To("counts")
	top, err := b.Build()
	require.NoError(z.t, err)
	i.App, err = streams.New(top, streams.Config{
		ApplicationID: "zombies", BootstrapServers: z.broker.Seeds(), StateDir: z.t.TempDir(), InstanceID: identity, Guarantee: streams.ExactlyOnce, Threads: threads,
		CacheBytes: new(int64), CommitInterval: 5 * time.Millisecond, SessionTimeout: 700 * time.Millisecond, TransactionTimeout: 600 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&i.log, nil)), Kafka: streams.KafkaConfig{Options: z.options(i.wires.Dial)},
	})
	require.NoError(z.t, err)
	var ctx context.Context
	ctx, i.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(i.ended)
		i.err = i.Run(ctx)
	}()
	z.t.Cleanup(func() { i.wires.kill(); i.cancel(); <-i.ended })
	return i
}

// at does something at the nth record from now on, in the thread that processes it.
func (i *instance) at(n int64, f func()) {
	i.passed, i.then = make(chan struct{}), f
	i.left.Store(n)
}

// caughtUp waits until everything is processed and committed: false if another instance has taken the identity over.
func (i *instance) caughtUp() bool {
	i.z.t.Helper()
	ctx, cancel := context.WithTimeout(i.z.t.Context(), patience)
	defer cancel()
	go func() {
		select {
		case <-i.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := i.CaughtUp(ctx)
	if err == nil {
		return true
	}
	i.cancel()
	<-i.ended
	if !errors.Is(i.err, runtime.ErrTakenOver) {
		i.z.t.Fatalf("%v, %v\n%v\n%s", err, i.err, i.z.notes, &i.log)
	}
	return false
}

// gone waits until what was to happen at a record has happened, or the instance has ended before it.
func (i *instance) gone() {
	select {
	case <-i.passed:
	case <-i.ended:
	}
}

func (i *instance) stop() {
	i.cancel()
	<-i.ended
	require.NoError(i.z.t, i.err, "%v\n%s", i.z.notes, &i.log)
}

// check compares what is committed with what was written.
func (z *zombies) check(log func() string) {
	z.t.Helper()
	want := map[string][]string{}
	counts := map[string][]string{}
	for n := range z.n {
		k := fmt.Sprint("k", n%20)
		want[k] = append(want[k], strconv.Itoa(n))
		counts[k] = append(counts[k], strconv.Itoa(len(want[k])))
	}
	got := z.read("out", func(b []byte) string { return string(b) })
	gotCounts := z.read("counts", func(b []byte) string { n, _ := serde.Int64.Decode(b); return strconv.FormatInt(n, 10) })
	for k := range want {
		if !slices.Equal(want[k], got[k]) {
			z.t.Fatalf("out of %s:\nwant %v\ngot  %v\n%v\n%s", k, want[k], got[k], z.notes, log())
		}
		if !slices.Equal(counts[k], gotCounts[k]) {
			z.t.Fatalf("counts of %s:\nwant %v\ngot  %v\n%v\n%s", k, counts[k], gotCounts[k], z.notes, log())
		}
	}
}

// read is what is committed, by key.
func (z *zombies) read(topic string, value func([]byte) string) map[string][]string {
	out := map[string][]string{}
	adm := kadm.NewClient(z.cl)
	ends, err := adm.ListEndOffsets(z.t.Context(), topic)
	require.NoError(z.t, err)
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, e := range ends[topic] {
		require.NoError(z.t, e.Err)
		if e.Offset > 0 {
			from[e.Partition], left[e.Partition] = kgo.NewOffset().At(0), e.Offset
		}
	}
	// Markers are kept in sight: one of them may be what the end is at.
	cl, err := kgo.NewClient(append(z.options(z.broker.Dialer()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))...)
	require.NoError(z.t, err)
	defer cl.Close()
	for len(left) > 0 {
		fs := cl.PollFetches(z.t.Context())
		require.NoError(z.t, fs.Err())
		for r := range fs.RecordsAll() {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out[string(r.Key)] = append(out[string(r.Key)], value(r.Value))
			}
		}
	}
	return out
}

// An instance hangs while it joins again, and its tasks go to another one, which goes on where the first was and leaves. The first has to begin where the other
// has stopped, although the group gives it what it had before.
func TestZombieThatJoinsAgain(t *testing.T) {
	t.Parallel()
	z := newZombies(t)
	first := z.start("", 1)
	z.feed(100)
	first.caughtUp()
	const join = 11
	hangs := make(chan struct{})
	first.wires.on(func(key int16) {
		if key == join {
			first.wires.on(nil)
			first.wires.stop()
			close(hangs)
		}
	})
	second := z.start("", 1)
	<-hangs
	z.feed(100)
	second.caughtUp()
	second.stop()
	first.wires.goOn()
	z.feed(100)
	first.caughtUp()
	first.stop()
	z.check(func() string { return first.log.String() + "----\n" + second.log.String() })
}

// Instances fail, are killed, hang and come back, stop and come, with the identity they had or another one.
func TestZombies(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("MILLRACE_SEED"); v != "" {
		var err error
		seed, err = strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("MILLRACE_SEED=%d", seed)
	z := newZombies(t)
	r := rand.New(rand.NewPCG(seed, 2))
	did := map[string]int{}
	var hanging, all []*instance
	begin := func() *instance {
		i := z.start([]string{"", "", "same"}[r.IntN(3)], 1+r.IntN(2))
		all = append(all, i)
		return i
	}
	logs := func() (s string) {
		for n, i := range all {
			i.wires.kill()
			i.cancel()
			<-i.ended
			s += fmt.Sprintf("---- %d %q: %v\n%s", n, i.id, i.err, &i.log)
		}
		return s
	}
	// settle waits for the live one, or for the one that is started in its place when a zombie with its identity is back.
	var live *instance
	settle := func() {
		for !live.caughtUp() {
			z.note("taken over")
			live = z.start("", 1)
			all = append(all, live)
		}
	}
	requests := []int16{0, 28, 26, 22, 11, 14, 12, 9, 8, 1}
	live = begin()
	for round := range faults(t, 8) {
		if r.IntN(3) > 0 {
			settle()
		}
		k := 1 + r.IntN(100)
		nth := 1 + r.Int64N(int64(k))
		how := []string{"fails", "is killed", "hangs", "hangs at a request", "has company", "stops"}[r.IntN(6)]
		did[how]++
		z.note("%d: %d numbers, %q %s", round, z.n, live.id, how)
		old := live
		switch how {
		case "fails":
			old.at(nth, func() { panic("at this record") })
			z.feed(k)
			<-old.ended
			live = begin()
		case "is killed":
			old.at(nth, old.wires.kill)
			z.feed(k)
			old.gone()
			old.cancel()
			live = begin()
		case "hangs":
			old.at(nth, old.wires.stop)
			z.feed(k)
			old.gone()
			live = begin()
			hanging = append(hanging, old)
		case "hangs at a request":
			key, hit := requests[r.IntN(len(requests))], make(chan struct{})
			var once sync.Once
			old.wires.on(func(k int16) {
				if k == key {
					once.Do(func() { old.wires.stop(); close(hit) })
				}
			})
			live = begin()
			z.feed(k)
			select {
			case <-hit:
				did["hit"]++
				z.note("hit at %d", key)
				hanging = append(hanging, old)
			case <-time.After(300 * time.Millisecond):
				old.wires.on(nil)
				old.cancel()
			}
		case "has company":
			live = begin()
			z.feed(k)
			if r.IntN(2) == 0 {
				settle()
			}
			old.cancel()
		case "stops":
			z.feed(k)
			old.cancel()
			<-old.ended
			live = begin()
		}
		if len(hanging) > 0 && r.IntN(2) == 0 {
			if r.IntN(2) == 0 {
				settle()
			}
			back := hanging[0]
			hanging = hanging[1:]
			z.feed(10)
			if back.id == "" && r.IntN(2) == 0 {
				z.note("one comes back alone")
				did["back alone"]++
				live.cancel()
				<-live.ended
				back.wires.goOn()
				live = back
			} else {
				z.note("one comes back")
				did["back"]++
				back.wires.goOn()
				if r.IntN(2) == 0 {
					settle()
				}
				back.cancel()
			}
		}
	}
	for _, i := range hanging {
		i.wires.goOn()
		i.cancel()
		<-i.ended
	}
	settle()
	live.cancel()
	<-live.ended
	z.check(logs)
	t.Logf("%v, %d numbers", did, z.n)
}
