package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// script is a consumer that hands out one batch at each poll.
type script struct {
	runtime.Consumer
	events []runtime.Event
	polls  []batch
	turns  int // since the last poll
	end    context.CancelFunc
	commit func([]runtime.Offset) // may be nil
}

type batch struct {
	topic   string
	records int
}

func (c *script) Events() []runtime.Event {
	if c.turns++; c.turns == 1000 {
		c.end() // nothing is fetched any more
	}
	es := c.events
	c.events = nil
	return es
}

func (c *script) Poll(_ context.Context, _ time.Duration, _ int, push func(runtime.TopicPartition, []topology.Raw, int64)) error {
	if c.turns = 0; len(c.polls) == 0 {
		c.end()
		return nil
	}
	b := c.polls[0]
	c.polls = c.polls[1:]
	rs := make([]topology.Raw, b.records)
	for i := range rs {
		rs[i] = topology.Raw{Topic: b.topic, Offset: int64(i), Key: []byte("k"), Value: []byte("v"), Time: runtime.Time(i)}
	}
	push(runtime.TopicPartition{Topic: b.topic}, rs, int64(b.records))
	return nil
}

func (c *script) Commit(_ context.Context, offsets []runtime.Offset) error {
	if c.commit != nil {
		c.commit(offsets)
	}
	return nil
}

func (c *script) Rejoin() error                   { return nil }
func (c *script) Pause([]runtime.TopicPartition)  {}
func (c *script) Resume([]runtime.TopicPartition) {}
func (c *script) TakenOver(context.Context) bool  { return false }
func (c *script) Close(context.Context) error     { return nil }
func (c *script) Kill()                           {}

// output is a producer whose records are acknowledged at once.
type output struct {
	runtime.Producer
	out sink
}

func (p *output) Send(o *topology.Outgoing) error        { return p.out.Send(o) }
func (p *output) Partitions(topic string) (int32, error) { return p.out.Partitions(topic) }
func (p *output) Flush(context.Context) error            { return nil }
func (p *output) Forget()                                {}
func (p *output) Produced() bool                         { return len(p.out.sent) > 0 }
func (p *output) Transactional() bool                    { return false }
func (p *output) Commit(context.Context, []runtime.Offset, runtime.Consumer) error {
	return nil
}
func (p *output) Abort(context.Context) {}
func (p *output) Full() bool            { return false }
func (p *output) Close()                {}

type ends struct{ runtime.Reader }

func (ends) Ends(context.Context, []runtime.TopicPartition) (map[runtime.TopicPartition]runtime.Ends, error) {
	return map[runtime.TopicPartition]runtime.Ends{{Topic: "a"}: {High: 5000}, {Topic: "b"}: {High: 1}}, nil
}
func (ends) Close() {}

// A task waits for records that the broker has of a partition whose queue is empty. While the other queue is full, they still have to be fetched.
func TestATaskThatWaitsForAPartitionGetsItsRecordsHoweverFullTheOthersAre(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, b := runtime.TopicPartition{Topic: "a"}, runtime.TopicPartition{Topic: "b"}
	done := func() {}
	in := &script{end: cancel, polls: []batch{{}, {"a", 5000}, {"b", 1}}, events: []runtime.Event{
		{Kind: runtime.Assigned, Partitions: []runtime.TopicPartition{a, b}, Done: done},
		{Kind: runtime.Fetched, Committed: map[runtime.TopicPartition]runtime.Committed{a: {}, b: {}}, Done: done},
	}}
	out := &output{}
	top := merged("a", "b")
	require.NoError(t, top.Err())
	thread := runtime.NewThread(runtime.ThreadSpec{
		Name: "1", Topology: top, Config: &runtime.Config{ApplicationID: "app", BufferedRecords: 1000}, Consumer: in, Producer: out, Reader: ends{},
		Subtopology: func(string) (topology.SubtopologyID, bool) { return 0, true },
		Logger:      slog.New(slog.DiscardHandler), CommitInterval: time.Hour, MaxStep: time.Hour,
	})
	require.NoError(t, thread.Run(ctx))
	require.NotZero(t, thread.Processed())
	require.Contains(t, out.out.sent, "out k=v@0")
}

// A user function that takes its time must not hold the commit up: a transaction that stays open for longer than its timeout is aborted, at each attempt.
func TestSlowRecordsAreCommittedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a := runtime.TopicPartition{Topic: "a"}
		done := func() {}
		in := &script{end: cancel, polls: []batch{{}, {"a", 2000}}, events: []runtime.Event{
			{Kind: runtime.Assigned, Partitions: []runtime.TopicPartition{a}, Done: done},
			{Kind: runtime.Fetched, Committed: map[runtime.TopicPartition]runtime.Committed{a: {}}, Done: done},
		}}
		last, commits := time.Now(), 0
		in.commit = func([]runtime.Offset) {
			commits++
			require.Less(t, time.Since(last), 2*time.Second)
			last = time.Now()
		}
		top := topology.New()
		edge := top.Source("in", serde.String, serde.String, "a").Process("slow", func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
			return topology.ProcessorFunc[string, string](func(_ context.Context, r topology.Record[string, string]) error {
				if r.Time > 1000 { // quick ones have made long chunks
					time.Sleep(60 * time.Millisecond)
				}
				return c.Forward(r)
			}), nil
		})
		edge.AddSink(topology.SinkSpec[string, string]{Name: "sink", Topic: "out", Key: serde.String, Value: serde.String})
		require.NoError(t, top.Err())
		thread := runtime.NewThread(runtime.ThreadSpec{
			Name: "1", Topology: top, Config: &runtime.Config{ApplicationID: "app", BufferedRecords: 100}, Consumer: in, Producer: &output{}, Reader: ends{},
			Subtopology: func(string) (topology.SubtopologyID, bool) { return 0, true },
			Logger:      slog.New(slog.DiscardHandler), CommitInterval: 100 * time.Millisecond, MaxStep: time.Hour,
		})
		require.NoError(t, thread.Run(ctx))
		require.Greater(t, thread.Processed(), int64(1500))
		require.Greater(t, commits, 100)
	})
}

// steered is a consumer whose events the test sends.
type steered struct {
	script
	events chan runtime.Event
}

func (c *steered) Events() (es []runtime.Event) {
	for {
		select {
		case e := <-c.events:
			es = append(es, e)
		default:
			return es
		}
	}
}

func (c *steered) Poll(ctx context.Context, wait time.Duration, _ int, _ func(runtime.TopicPartition, []topology.Raw, int64)) error {
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return nil
}

// steeredThread runs a thread with a store "s" until ctx ends. tell returns when the thread has handled an event.
func steeredThread(ctx context.Context, t *testing.T) (thread *runtime.Thread, tell func(runtime.Event), ended chan error) {
	in := &steered{events: make(chan runtime.Event)}
	ref := topology.NamedStore[state.KeyValueStore[string, string]]("s")
	top := processed(func(c *topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		c.Store(ref)
		return processor(func(_ context.Context, r record) error { return c.Forward(r) }), nil
	}, ref)
	top.AddStore(state.KeyValue("s", serde.String, serde.String, state.WithoutLogging()))
	require.NoError(t, top.Err())
	thread = runtime.NewThread(runtime.ThreadSpec{
		Name: "1", Topology: top, Config: &runtime.Config{ApplicationID: "app", BufferedRecords: 100}, Consumer: in, Producer: &output{}, Reader: ends{},
		Subtopology: func(string) (topology.SubtopologyID, bool) { return 0, true },
		Logger:      slog.New(slog.DiscardHandler), CommitInterval: time.Second, MaxStep: time.Hour,
	})
	ended = make(chan error)
	go func() { ended <- thread.Run(ctx) }()
	tell = func(e runtime.Event) {
		done := make(chan struct{})
		e.Done = func() { close(done) }
		in.events <- e
		<-done
	}
	return thread, tell, ended
}

func partition(n int32) []runtime.TopicPartition {
	return []runtime.TopicPartition{{Topic: "in", Partition: n}}
}

// A question about a store is refused while a task that has it is on its way, to the thread or from it: its rows would be missing in the answer.
func TestAQuestionIsRefusedWhileTasksAreOnTheirWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		thread, tell, ended := steeredThread(ctx, t)
		stores := func() (n int, err error) {
			err = thread.EachStore(ctx, "s", true, func(any) error { n++; return nil })
			return n, err
		}
		refused := func(why string) {
			t.Helper()
			n, err := stores()
			require.ErrorIs(t, err, runtime.ErrUnsettled, why)
			require.Zero(t, n)
		}
		answered := func(want int) {
			t.Helper()
			n, err := stores()
			for turns := 0; errors.Is(err, runtime.ErrUnsettled) && turns < 100; turns++ { // each question is a turn of the thread, which starts the task meanwhile
				synctest.Wait()
				n, err = stores()
			}
			require.NoError(t, err)
			require.Equal(t, want, n)
		}

		refused("the group has not answered")
		tell(runtime.Event{Kind: runtime.Assigned})
		answered(0)
		tell(runtime.Event{Kind: runtime.Assigned, Partitions: partition(0)})
		refused("its offset is not known")
		tell(runtime.Event{Kind: runtime.Fetched, Committed: map[runtime.TopicPartition]runtime.Committed{partition(0)[0]: {}}})
		answered(1)
		tell(runtime.Event{Kind: runtime.Assigned, Moving: true})
		refused("a partition comes from another owner")
		tell(runtime.Event{Kind: runtime.Assigned})
		answered(1)
		tell(runtime.Event{Kind: runtime.Revoked, Partitions: partition(0)})
		refused("the next owner has not got it")
		tell(runtime.Event{Kind: runtime.Assigned})
		answered(0)
		cancel()
		require.NoError(t, <-ended)
	})
}

// A task that goes from one thread to the other between their answers would be there twice, or not at all.
func TestAQuestionToSeveralThreadsIsRefusedWhenTasksMoveMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a, tellA, endedA := steeredThread(ctx, t)
		b, tellB, endedB := steeredThread(ctx, t)
		known := runtime.Event{Kind: runtime.Fetched, Committed: map[runtime.TopicPartition]runtime.Committed{partition(0)[0]: {}, partition(1)[0]: {}}}
		ask := func(threads []*runtime.Thread, f func(any) error) error {
			err := runtime.ErrUnsettled
			for turns := 0; errors.Is(err, runtime.ErrUnsettled) && turns < 100; turns++ {
				synctest.Wait()
				err = runtime.EachStore(ctx, threads, "s", true, f)
			}
			return err
		}
		none := func(any) error { return nil }
		for _, tell := range []func(runtime.Event){tellA, tellB} {
			tell(runtime.Event{Kind: runtime.Assigned, Partitions: partition(0)})
			tell(known)
		}
		require.NoError(t, ask([]*runtime.Thread{a, b}, none))

		// After the answer of a, b gets one of its tasks, and has it running before it is asked.
		stores := 0
		err := runtime.EachStore(ctx, []*runtime.Thread{a, b}, "s", true, func(any) error {
			if stores++; stores == 1 {
				tellB(runtime.Event{Kind: runtime.Assigned, Partitions: partition(1)})
				tellB(known)
				return ask([]*runtime.Thread{b}, none)
			}
			return nil
		})
		require.ErrorIs(t, err, runtime.ErrUnsettled)
		require.Equal(t, 3, stores)
		require.NoError(t, ask([]*runtime.Thread{a, b}, none))
		cancel()
		require.NoError(t, <-endedA)
		require.NoError(t, <-endedB)
	})
}

// stuck is a consumer whose last commit gets no answer.
type stuck struct{ script }

func (c *stuck) Commit(ctx context.Context, _ []runtime.Offset) error {
	<-ctx.Done()
	return ctx.Err()
}

// A thread that is told to stop does so in time, also when Kafka does not take its last commit, or a user function does not return.
func TestAThreadStopsInTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		hang bool
		want time.Duration
		err  string
	}{
		{"no answer to the last commit", false, 4 * time.Second, "stopped without its last commit: "},
		{"a function that hangs", true, 4500 * time.Millisecond, "processing does not stop within 4.5s; task 0_0 is at or behind record a/0@0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				release := make(chan struct{})
				defer close(release)
				a := runtime.TopicPartition{Topic: "a"}
				done := func() {}
				in := &stuck{script{end: cancel, polls: []batch{{}, {"a", 1}}, events: []runtime.Event{
					{Kind: runtime.Assigned, Partitions: []runtime.TopicPartition{a}, Done: done},
					{Kind: runtime.Fetched, Committed: map[runtime.TopicPartition]runtime.Committed{a: {}}, Done: done},
				}}}
				top := topology.New()
				top.Source("in", serde.String, serde.String, "a").Process("hangs", func(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
					return topology.ProcessorFunc[string, string](func(context.Context, topology.Record[string, string]) error {
						if c.hang {
							cancel()
							<-release
						}
						return nil
					}), nil
				})
				require.NoError(t, top.Err())
				thread := runtime.NewThread(runtime.ThreadSpec{
					Name: "1", Topology: top, Config: &runtime.Config{ApplicationID: "app", BufferedRecords: 100}, Consumer: in, Producer: &output{}, Reader: ends{},
					Subtopology: func(string) (topology.SubtopologyID, bool) { return 0, true },
					Logger:      slog.New(slog.DiscardHandler), CommitInterval: time.Hour, MaxStep: time.Hour,
				})
				began := time.Now()
				require.ErrorContains(t, thread.Run(ctx), c.err)
				require.Equal(t, c.want, time.Since(began))
			})
		})
	}
}
