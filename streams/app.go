package streams

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/kafka"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// State is what an application is doing.
//
//	Created -> Rebalancing <-> Running -> Stopping -> Stopped
//	                  \            |         /
//	                   `-------> Failed <---'
type State uint8

const (
	// Created: Run was not called yet.
	Created State = iota
	// Rebalancing: tasks are being assigned or restored.
	Rebalancing
	// Running: all of the instance's tasks run.
	Running
	// Stopping: Run's context was cancelled, or a thread has failed.
	Stopping
	// Stopped: Run has returned nil.
	Stopped
	// Failed: Run has returned an error.
	Failed
)

// String is Kafka's word for the state.
func (s State) String() string {
	return [...]string{"CREATED", "REBALANCING", "RUNNING", "PENDING_SHUTDOWN", "NOT_RUNNING", "ERROR"}[s]
}

// App is one instance of an application: one process's share of its tasks. Other instances with the same application id share the work. Its
// methods are safe for concurrent use.
type App struct {
	top    *topology.Topology
	config Config
	rc     *runtime.Config

	telling sync.Mutex // held while OnState is told, so that it hears of states in their order

	mu      sync.Mutex
	state   State
	began   time.Time
	running map[string]bool // by thread
	threads map[string]*runtime.Thread
	changed chan struct{} // closed at each change of state
	report  Report
	kafka   *kafka.Config // of the running application
	plan    *kafka.Plan
	globals *runtime.Globals // its global stores, once they are complete
}

// Report tells where and how an application runs. It is complete once the state is Running for the first time.
type Report struct {
	StateDir string
	// Created and Existing are the internal topics.
	Created, Existing []string
	// Ready is the time from the call of Run to the first Running.
	Ready time.Duration
}

// New checks the configuration and makes an application. It does not connect.
func New(t *topology.Topology, c Config) (*App, error) {
	if t == nil {
		return nil, errors.New("streams: New needs the topology that Build returned")
	}
	c, err := c.withDefaults()
	if len(c.BootstrapServers) == 0 {
		err = errors.Join(err, errors.New("streams: Config.BootstrapServers is empty: give host:port of a broker, or the address of an embedded one"))
	}
	if len(t.Subtopologies()) == 0 {
		err = errors.Join(err, errors.New("streams: the program reads nothing: begin with Stream, Table or GlobalTable"))
	}
	if err = errors.Join(err, t.Err(), checkTopicNames(t, c.ApplicationID)); err != nil {
		return nil, err
	}
	return &App{top: t, config: c, rc: c.runtime(), running: map[string]bool{}, threads: map[string]*runtime.Thread{}, changed: make(chan struct{})}, nil
}

// checkTopicNames refuses an application id with which an internal topic's name gets too long.
func checkTopicNames(t *topology.Topology, id string) error {
	longest := ""
	for _, topic := range t.InternalTopics(id) {
		if len(topic.Name) > len(longest) {
			longest = topic.Name
		}
	}
	if n := len(longest); n > maxTopicName && id != "" {
		return fmt.Errorf("streams: Config.ApplicationID makes the internal topic %s, whose name has %d characters of at most %d: shorten it by %d, or name the store or operator with a shorter name",
			longest, n, maxTopicName, n-maxTopicName)
	}
	return nil
}

const maxTopicName = 249 // Kafka's

// State is what the application is doing.
func (a *App) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Report tells where and how the application runs.
func (a *App) Report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report
}

// Wait waits for a state, or until ctx is done or the application has ended otherwise.
func (a *App) Wait(ctx context.Context, want State) error {
	for {
		a.mu.Lock()
		s, changed := a.state, a.changed
		a.mu.Unlock()
		switch {
		case s == want:
			return nil
		case s == Stopped || s == Failed:
			return fmt.Errorf("streams: the application is %s and will not be %s", s, want)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// setState moves on; a state that comes too late (a thread runs while the application stops) is ignored.
func (a *App) setState(s State) {
	a.telling.Lock()
	defer a.telling.Unlock()
	a.mu.Lock()
	from := a.state
	if from == s || from >= Stopped || from == Stopping && s < Stopping {
		a.mu.Unlock()
		return
	}
	a.state = s
	if s == Running && a.report.Ready == 0 {
		a.report.Ready = time.Since(a.began)
	}
	close(a.changed)
	a.changed = make(chan struct{})
	a.mu.Unlock()
	a.config.Logger.Info("state transition from "+from.String()+" to "+s.String(), "app", a.config.ApplicationID)
	if a.config.OnState != nil {
		a.config.OnState(s)
	}
}

// threadRuns is told by a thread whether all of its tasks run.
func (a *App) threadRuns(thread string, all bool) {
	a.mu.Lock()
	a.running[thread] = all
	n := 0
	for _, r := range a.running {
		if r {
			n++
		}
	}
	a.mu.Unlock()
	if n == a.config.Threads {
		a.setState(Running)
	} else {
		a.setState(Rebalancing)
	}
}

// Run connects, creates the internal topics that are missing, restores the stores and processes records until ctx is cancelled; then it commits,
// leaves the group and returns nil, within 5 s. It returns an error when the application cannot start, when a record fails that no handler lets go, or
// when the last commit did not succeed: then the next start does that part again. A lost connection, a restarted broker or a rebalance is no error:
// Run goes on when it can; only at the start it waits for a broker for no more than 15 s. An App runs once.
func (a *App) Run(ctx context.Context) (err error) {
	a.mu.Lock()
	ran := !a.began.IsZero()
	a.began = time.Now()
	a.mu.Unlock()
	if ran {
		return errors.New("streams: an App runs once: make a new one")
	}
	a.setState(Rebalancing)
	defer context.AfterFunc(ctx, func() { a.setState(Stopping) })()
	defer func() {
		if err != nil {
			err = fmt.Errorf("streams: application %s: %w", a.config.ApplicationID, err)
			a.setState(Failed)
		} else {
			a.setState(Stopped)
		}
	}()
	dir, err := openStateDir(&a.config)
	if err != nil {
		return err
	}
	defer func() { a.also(&err, dir.close()) }()
	a.rc.Dir = func() (string, error) { return dir.custom(), nil }
	clients := a.clients(dir.identity)
	plan, err := a.prepare(ctx, clients)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	a.mu.Lock()
	a.report.StateDir, a.report.Created, a.report.Existing, a.kafka, a.plan = dir.path, plan.Created, plan.Existing, clients, plan
	a.mu.Unlock()
	for aside := (time.Time{}); ; aside = time.Now() {
		err := a.serve(ctx, dir, clients, plan)
		if !errors.Is(err, state.ErrDBFailed) || ctx.Err() != nil || time.Since(aside) < time.Minute {
			return err
		}
		if err := dir.setAside(&a.config, err); err != nil {
			return err
		}
	}
}

// reachTime is how long a start waits for a broker.
const reachTime = 15 * time.Second

// prepare looks at the cluster, again and again for a while if it does not answer.
func (a *App) prepare(ctx context.Context, clients *kafka.Config) (*kafka.Plan, error) {
	reach, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		plan, err := kafka.Prepare(reach, clients, a.top, a.config.InternalTopics(a.top), a.config.ReplicationFactor)
		if err == nil || !kafka.Restartable(err) {
			return plan, err
		}
		select {
		case <-time.After(wait):
		case <-reach.Done():
			return nil, err
		}
	}
}

// serve opens the stores and runs the threads.
func (a *App) serve(ctx context.Context, dir *stateDir, clients *kafka.Config, plan *kafka.Plan) (err error) {
	var db *state.DB
	if a.top.Persistent() {
		if db, err = dir.openDB(&a.config); err != nil {
			return err
		}
		defer func() {
			a.also(&err, closeDB(db, !errors.Is(err, state.ErrDBFailed) && !errors.Is(err, state.ErrNoSpace)))
		}()
		defer flushNowAndThen(db)()
	}
	return a.runThreads(ctx, clients, plan, db)
}

func (a *App) clients(identity string) *kafka.Config {
	c := &kafka.Config{
		Seeds: a.config.BootstrapServers, ApplicationID: a.config.ApplicationID, ProcessID: identity, ClientID: a.config.ApplicationID + "-" + identity,
		ExactlyOnce: a.config.Guarantee == ExactlyOnce, Static: true, SessionTimeout: a.config.SessionTimeout, Rebalance: a.config.MaxPollInterval,
		TxnTimeout: a.config.TransactionTimeout, Linger: 5 * time.Millisecond, Options: a.config.Kafka.Options, Logger: a.config.Logger, Reset: a.config.Reset,
	}
	if c.ExactlyOnce {
		c.Linger = 2 * time.Millisecond // less, and a produce reaches the broker before the last transaction's markers and waits there for longer
	}
	return c
}

// also takes an error of the clean-up: the first error is the application's, what fails because of it is only logged.
func (a *App) also(first *error, err error) {
	switch {
	case err == nil:
	case *first == nil:
		*first = err
	default:
		a.config.Logger.Warn("another error followed", "app", a.config.ApplicationID, "error", err)
	}
}

// runThreads runs the stream threads until ctx is done or one fails.
func (a *App) runThreads(ctx context.Context, clients *kafka.Config, plan *kafka.Plan, db *state.DB) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, a.config.Threads+2) // from threads, from the global stores, and about topics
	fail := func(err error) {
		if !errors.Is(err, state.ErrDBFailed) { // else it goes on with another database
			a.setState(Stopping)
		}
		failed <- err
		cancel()
	}
	globals, err := a.openGlobals(ctx, fail, clients, plan)
	if err != nil || ctx.Err() != nil {
		return err
	}
	a.setGlobals(globals)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := plan.Watch(ctx, clients); err != nil {
			fail(err)
		}
	})
	for i := range a.config.Threads {
		wg.Go(func() {
			if err := a.keepThread(ctx, strconv.Itoa(i+1), clients, plan, db, globals); err != nil {
				fail(err)
			}
		})
	}
	wg.Wait()
	if globals != nil {
		a.setGlobals(nil)
		a.also(&err, globals.Close())
	}
	close(failed)
	var first error
	for err := range failed {
		a.also(&first, err)
	}
	a.also(&first, err)
	return first
}

func (a *App) setGlobals(g *runtime.Globals) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.globals = g
}

// openGlobals completes the global stores, nil if there are none. It goes on trying while the broker is away.
func (a *App) openGlobals(ctx context.Context, fail func(error), clients *kafka.Config, plan *kafka.Plan) (*runtime.Globals, error) {
	if !a.top.HasGlobalStores() {
		return nil, nil
	}
	b := backoff{a: a, what: "the global stores are read anew"}
	for {
		reader, err := kafka.NewReader(clients, "global")
		if err != nil {
			return nil, err
		}
		spec := runtime.GlobalSpec{Topology: a.top, Config: a.rc, Now: func() Time { return Time(time.Now().UnixMilli()) }, Logger: a.config.Logger}
		globals, err := runtime.OpenGlobals(ctx, spec, reader, plan.GlobalPartitions, fail, a.config.Logger)
		if err == nil || !kafka.Restartable(err) {
			return globals, err
		}
		if !b.wait(ctx, err) {
			return nil, nil
		}
	}
}

// keepThread runs a thread, and starts it anew from the committed offsets when its work was lost to Kafka's ways: fenced, thrown out of the group, a
// broker that went away; or when a store of it has to be rebuilt. What a user's function or a serde has failed with is final.
func (a *App) keepThread(ctx context.Context, name string, clients *kafka.Config, plan *kafka.Plan, db *state.DB, globals *runtime.Globals) error {
	b := backoff{a: a, what: "the thread starts anew from the last commit", thread: name}
	for {
		b.begin()
		err := a.runThread(ctx, name, clients, plan, db, globals)
		switch {
		case err == nil:
			return nil
		case !kafka.Restartable(err) || errors.As(err, new(*runtime.StopError)):
			return fmt.Errorf("thread %s: %w", name, err)
		}
		a.threadRuns(name, false)
		if !b.wait(ctx, err) {
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return fmt.Errorf("thread %s: %w", name, &runtime.StopError{Err: err})
		}
	}
}

// backoff is the waiting between attempts: longer each time, unless an attempt has lasted.
type backoff struct {
	a            *App
	what, thread string
	began        time.Time
	next         time.Duration
	told         string // the error that was logged last, and when
	toldAt       time.Time
}

// tellAgain is how long an error that comes again and again is not logged again.
const tellAgain = 10 * time.Second

func (b *backoff) begin() { b.began = time.Now() }

// wait waits before the attempt that follows an error; false if ctx is done.
func (b *backoff) wait(ctx context.Context, err error) bool {
	b.next = min(max(50*time.Millisecond, 2*b.next), 5*time.Second)
	if time.Since(b.began) > time.Minute {
		b.next = 50 * time.Millisecond
	}
	if ctx.Err() != nil {
		return false
	}
	if text := err.Error(); text != b.told || time.Since(b.toldAt) >= tellAgain {
		b.told, b.toldAt = text, time.Now()
		b.a.config.Logger.Warn(b.what, "app", b.a.config.ApplicationID, "thread", b.thread, "in", b.next, "error", err)
	}
	select {
	case <-time.After(b.next):
		return true
	case <-ctx.Done():
		return false
	}
}

// runThread runs a thread once. Its clients are made in an order that matters: the producer id ends what a predecessor left open before the group is joined.
func (a *App) runThread(ctx context.Context, name string, clients *kafka.Config, plan *kafka.Plan, db *state.DB, globals *runtime.Globals) error {
	producer, err := kafka.NewProducer(ctx, clients, name)
	if err != nil {
		return err
	}
	reader, err := kafka.NewReader(clients, name)
	if err != nil {
		producer.Close()
		return err
	}
	consumer, err := kafka.NewConsumer(clients, name, plan)
	if err != nil {
		producer.Close()
		reader.Close()
		return err
	}
	spec := runtime.ThreadSpec{
		Name: name, Topology: a.top, Config: a.rc, DB: db, Consumer: consumer, Producer: producer, Reader: reader, Subtopology: plan.Subtopology,
		Listener: runtime.Listener{Running: func(all bool) { a.threadRuns(name, all) }, Restore: a.config.OnRestore},
		Restarts: kafka.Restartable, Logger: a.config.Logger, CommitInterval: a.config.CommitInterval, PurgeInterval: a.config.PurgeInterval, MaxStep: a.config.MaxPollInterval,
	}
	if a.rc.CacheBytes > 0 {
		spec.Cache = state.NewCache(a.rc.CacheBytes / int64(a.config.Threads))
	}
	if globals != nil {
		spec.GlobalStore, spec.Global = globals.Reader, &globals.Lock
	}
	t := runtime.NewThread(spec)
	producer.OnFailure = t.Refused
	a.mu.Lock()
	a.threads[name] = t
	a.mu.Unlock()
	return t.Run(ctx)
}

// The database has no log of its own: a crash takes it back to its last flush, and what the changelogs hold since then is replayed.
const (
	unflushedBytes = 64 << 20
	unflushedTime  = 5 * time.Minute
)

// flushNowAndThen bounds what a crash has to replay, until the answer is called.
func flushNowAndThen(db *state.DB) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				if bytes, since := db.Unflushed(); bytes > unflushedBytes || bytes > 0 && now.Sub(since) > unflushedTime {
					db.FlushSoon()
				}
			}
		}
	}()
	return func() { close(done) }
}

// closeDB closes the database. It is flushed, so that the next start restores nothing, or after a failure only what the last commits have not applied.
func closeDB(db *state.DB, flush bool) error {
	var err error
	if flush {
		err = db.Flush()
	}
	return errors.Join(err, db.Close())
}
