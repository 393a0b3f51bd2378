package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// ThreadSpec is what a stream thread is made of.
type ThreadSpec struct {
	Name     string
	Topology *topology.Topology
	Config   *Config
	DB       *state.DB // nil: stores live in memory
	Cache    *state.Cache
	Consumer Consumer
	Producer Producer
	Reader   Reader
	// Groups are the sub-topologies that read a topic.
	Subtopology func(topic string) (topology.SubtopologyID, bool)
	// GlobalStore is a new handle of a global store for the thread's nodes; Global is held for reading while they work. Both may be nil.
	GlobalStore func(name string) any
	Global      *sync.RWMutex
	Listener    Listener
	Logger      *slog.Logger
	// Restarts says of an error of Run whether another thread takes this one's place: then the group is not told. nil: after any.
	Restarts func(error) bool
	// CommitInterval is the longest time between commits.
	CommitInterval time.Duration
	// PurgeInterval is how often processed records are deleted from repartition topics.
	PurgeInterval time.Duration
	// MaxStep is the longest that one turn of the loop may take.
	MaxStep time.Duration
}

// Listener hears what a thread does. Its methods are called in the thread's goroutine and must not block. A nil func is not called.
type Listener struct {
	// Running is told whether all tasks of the thread run.
	Running func(all bool)
	// Restore is told about each store: when its restore begins, goes on and ends.
	Restore func(RestoreProgress)
}

// RestoreProgress is how far the restore of one store has come.
type RestoreProgress struct {
	Task      topology.TaskID
	Store     string
	Changelog TopicPartition
	Start     int64 // offsets
	Position  int64
	End       int64
	Records   int64  // restored so far
	Reason    string // why it is restored, when it is more than a tail
	Done      bool
}

// Thread is one stream thread: a goroutine around step, which the owner starts by Run. It owns a group consumer, a producer and a changelog reader,
// and the tasks that the group gives it.
type Thread struct {
	ThreadSpec
	tasks   map[topology.TaskID]*member
	inputs  map[TopicPartition]*member
	restore restorer

	internal   map[string]bool          // repartition topics
	purged     map[TopicPartition]int64 // up to where their records were deleted
	purging    atomic.Bool
	lastPurge  time.Time
	lastCommit time.Time
	lastApply  time.Time
	idleSince  time.Time    // zero while there is something to do
	running    bool         // what Listener.Running was told last
	assigned   bool         // the group has answered at least once
	moving     bool         // partitions are between two owners, as far as the group has said
	moves      atomic.Int64 // how often the group has given or taken partitions
	processed  atomic.Int64
	commits    atomic.Int64
	requests   chan *request                      // answered between records
	held       []*request                         // taken from requests and not answered yet
	wake       atomic.Pointer[context.CancelFunc] // ends the waiting of a poll
	ended      chan struct{}                      // closed when the loop is left

	turn     atomic.Int64            // when the current turn began, for the watchdog
	waits    atomic.Bool             // a commit waits for Kafka, for the watchdog
	snapshot atomic.Pointer[[]*Task] // the running tasks, for the watchdog
}

// member is a task of the thread with what belongs to its life in the group.
type member struct {
	*Task
	id        topology.TaskID
	inputs    []TopicPartition
	committed map[TopicPartition]Committed      // of the inputs whose offsets are known
	queues    map[TopicPartition]*Queue         // nil until it runs
	high      map[TopicPartition]int64          // high watermarks as of the last fetch
	waiting   map[TopicPartition][]topology.Raw // fetched before the task was opened anew
	paused    map[TopicPartition]bool           // for backpressure
	logs      []*changelogState
	positions map[string]state.Position // of stores with a changelog of their own
	chunk     int                       // how many records are processed in one go, see nextChunk
}

func (m *member) runs() bool { return m.queues != nil }

// NewThread makes a thread. Its clients are closed by Run.
func NewThread(s ThreadSpec) *Thread {
	t := &Thread{ThreadSpec: s, tasks: map[topology.TaskID]*member{}, inputs: map[TopicPartition]*member{}, requests: make(chan *request, 16), ended: make(chan struct{})}
	t.snapshot.Store(&[]*Task{})
	t.internal, t.purged, t.lastPurge = map[string]bool{}, map[TopicPartition]int64{}, time.Now()
	for _, topic := range t.Topology.InternalTopics(t.Config.ApplicationID) {
		if topic.Kind == topology.RepartitionKind {
			t.internal[topic.Name] = true
		}
	}
	return t
}

// ErrTakenOver says that another process runs with this instance's identity: the same state directory, or a copy of it. Going on would fence that
// one, which would fence this one, for ever.
var ErrTakenOver = errors.New("another process has taken over this instance's identity: is its state directory shared or copied?")

// ErrLost says that the group has given the thread's partitions away. It may start anew.
var ErrLost = errors.New("the group has taken the thread's partitions away")

// LocalError is an error of the instance itself: of its stores, of its time limits.
type LocalError struct{ Err error }

func (e *LocalError) Error() string { return e.Err.Error() }
func (e *LocalError) Unwrap() error { return e.Err }

// StopError says that a thread was asked to stop and could not commit what it had done. The next start does it again.
type StopError struct{ Err error }

func (e *StopError) Error() string { return "stopped without its last commit: " + e.Err.Error() }
func (e *StopError) Unwrap() error { return e.Err }

// stopTime is how long the last commit and leaving the group may take, grace what the watchdog gives on top of it.
const (
	stopTime = 4 * time.Second
	grace    = 500 * time.Millisecond
)

// Run processes until ctx is cancelled, then commits and leaves the group. After an error nothing of what was not committed is left, and the
// clients are closed without telling the group: another thread may take the place.
func (t *Thread) Run(ctx context.Context) (err error) {
	// User functions, requests to Kafka and the last commit outlive the cancelled ctx by a little.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		bound := time.AfterFunc(stopTime, cancel)
		context.AfterFunc(work, func() { bound.Stop() })
	})()
	t.lastCommit = time.Now()
	t.turn.Store(t.lastCommit.UnixNano()) // before the watchdog looks: the loop's goroutine may have to wait for a processor
	ended := make(chan error, 1)
	go func() {
		err := t.loop(ctx, work)
		if err != nil && ctx.Err() != nil {
			err = &StopError{err}
		}
		ended <- t.close(work, err)
		close(t.ended)
	}()
	return t.watch(ctx, ended, cancel)
}

// loop turns until ctx is done, then commits. A panic outside of the nodes, in a listener or when a processor is made, is an error as any other.
func (t *Thread) loop(ctx, work context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			p := &topology.PanicError{Value: p, Stack: debug.Stack()}
			t.Logger.Error("panic in a stream thread", "thread", t.Name, "panic", p.Value, "stack", string(p.Stack))
			err = &LocalError{fmt.Errorf("at %s: %w", place(p.Stack), p)}
		}
	}()
	for ctx.Err() == nil {
		t.turn.Store(time.Now().UnixNano())
		if err := t.step(ctx, work); err != nil {
			return err
		}
	}
	t.turn.Store(time.Now().UnixNano())
	return t.commit(work, time.Now(), everything)
}

// watch waits for the loop's end. A turn that takes too long hangs in user code, which cannot be stopped from outside: the group is left as after a crash, so that
// others take the tasks, and the loop is left to itself.
func (t *Thread) watch(ctx context.Context, ended <-chan error, cancel context.CancelFunc) error {
	tick := time.NewTicker(min(max(t.MaxStep/10, time.Millisecond), grace/2))
	defer tick.Stop()
	var stop <-chan time.Time // when a thread that was asked to stop should have
	stopping := ctx.Done()
	for {
		var why string
		select {
		case err := <-ended:
			return err
		case <-stopping:
			stopping, stop = nil, time.After(stopTime+grace)
			continue
		case <-stop:
			why = fmt.Sprintf("processing does not stop within %v", stopTime+grace)
			if t.Producer.Full() {
				why += ", as no broker takes its records"
			}
		case <-tick.C:
			took := time.Since(time.Unix(0, t.turn.Load()))
			if took < t.MaxStep || t.waits.Load() || t.Producer.Full() { // waiting for Kafka is no hanging
				continue
			}
			why = fmt.Sprintf("processing has taken %v, longer than MaxPollInterval %v", took.Round(time.Millisecond), t.MaxStep)
		}
		cancel()
		t.Consumer.Kill()
		return &LocalError{errors.New(why + t.hung())}
	}
}

// hung names the records that a hung thread is at.
func (t *Thread) hung() (at string) {
	for _, m := range *t.snapshot.Load() {
		if r, ok := m.Current(); ok {
			at += fmt.Sprintf("; task %s is at or behind record %s/%d@%d", m.ID(), r.Topic, r.Partition, r.Offset)
		}
	}
	return at
}

func (t *Thread) close(ctx context.Context, err error) error {
	if t.mayBeTakenOver(err) {
		c, cancel := context.WithTimeout(ctx, 2*time.Second)
		if t.Consumer.TakenOver(c) {
			err = fmt.Errorf("%w (%w)", ErrTakenOver, err)
		}
		cancel()
	}
	for _, m := range t.tasks {
		t.also(&err, m.Close())
	}
	if err != nil {
		abort, cancel := context.WithTimeout(ctx, time.Second) // readers need not wait for the transaction timeout
		t.Producer.Abort(abort)
		cancel()
		t.Producer.Close()
	}
	if err != nil && (t.Restarts == nil || t.Restarts(err) || errors.Is(err, ErrTakenOver)) {
		t.Consumer.Kill()
	} else {
		if left := t.Consumer.Close(ctx); left != nil { // the group finds out later
			t.Logger.Warn("stopped without leaving the group", "thread", t.Name, "error", left)
		}
	}
	if err == nil {
		t.Producer.Close()
	}
	t.restore.stop()
	t.Reader.Close()
	return err
}

// also takes an error of the clean-up: the first error is the thread's, what fails because of it is only logged.
func (t *Thread) also(first *error, err error) {
	switch {
	case err == nil:
	case *first == nil:
		*first = err
	default:
		t.Logger.Warn("closing after an error failed, too", "thread", t.Name, "error", err)
	}
}

// mayBeTakenOver says whether err may come of another process with this one's identity: what user code, a serde or a store has failed with does not.
func (*Thread) mayBeTakenOver(err error) bool {
	var node *topology.NodeError
	var decode *topology.DecodeError
	var local *LocalError
	return err != nil && !errors.As(err, &node) && !errors.As(err, &decode) && !errors.As(err, &local)
}

// Processed is the number of records processed since the thread began. Any goroutine may ask.
func (t *Thread) Processed() int64 { return t.processed.Load() }
