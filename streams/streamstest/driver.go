package streamstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// Driver runs a topology for a test. See the package comment.
type Driver struct {
	t       *topology.Topology
	config  *runtime.Config
	logger  *slog.Logger
	options options
	exactly bool // nothing is seen before it is committed

	now    window.Time
	cache  *state.Cache
	ctx    context.Context
	cancel context.CancelFunc
	units  []*unit
	subs   []topology.Subtopology
	counts topology.PartitionCounts // with Partitions
	global *runtime.Global

	topics []*topic // by slot; the first is nil
	named  map[string]*topic
	arena  arena
	sent   []sent  // not yet in the topics
	unsent []byte  // the records of sent, one behind the other
	order  []int32 // the topics, by slot, of what the tasks have made and Produced has not drained
	one    [1]topology.Raw

	offsets []runtime.Offset // of a commit under way

	requests int    // for a commit
	dir      string // of custom stores' files; "" until one asks

	err error // that stopped the driver
}

// unit is a task and what it reads.
type unit struct {
	spec runtime.TaskSpec
	task *runtime.Task
	in   []*partition
}

// sent is a record on its way to a topic; Driver.unsent has it.
type sent struct {
	slot int32 // the topic's
	at   int32 // its partition
	size int   // of its bytes
}

// New starts the tasks of t. Config.ApplicationID may be empty: it is "app" then. A field that only concerns Kafka or files has no effect. Global topics skip
// what cannot be decoded.
func New(t *topology.Topology, c streams.Config, o ...Option) (*Driver, error) {
	if err := t.Err(); err != nil {
		return nil, err
	}
	if c.ApplicationID == "" {
		c.ApplicationID = "app"
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	exactly := c.Guarantee == streams.ExactlyOnce
	config, err := c.Driver()
	if err != nil {
		return nil, err
	}
	d := &Driver{t: t, config: config, logger: logger, exactly: exactly, subs: t.Subtopologies(), named: map[string]*topic{}, topics: []*topic{nil},
		options: options{of: map[string]int32{}}}
	for _, opt := range o {
		opt(&d.options)
	}
	d.now = d.options.start
	d.config.Dir = d.files
	if err := d.makeTopics(); err != nil {
		return nil, err
	}
	d.makeUnits()
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

var errClosed = errors.New("streamstest: the driver is closed")

// Close stops the tasks. Processors that are io.Closers are closed.
func (d *Driver) Close() error {
	d.err = errClosed
	err := d.stop()
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
		d.dir = ""
	}
	return err
}

// files is the folder of custom stores, made for the first that asks.
func (d *Driver) files() (_ string, err error) {
	if d.dir == "" {
		d.dir, err = os.MkdirTemp("", "streamstest-")
	}
	return d.dir, err
}

// makeTopics makes the topics that the topology names.
func (d *Driver) makeTopics() error {
	if d.options.partitions < 0 {
		return fmt.Errorf("streamstest: Partitions(%d): use 1 or more", d.options.partitions)
	}
	external := map[string]int32{}
	for _, s := range d.subs {
		for _, src := range s.Sources {
			for _, name := range src.Topics {
				if !d.t.IsInternal(name) {
					external[name] = d.externalCount(name)
				}
			}
		}
	}
	for name, n := range d.options.of { // those that match a pattern exist from the beginning if they are named
		if _, ok := external[name]; !ok && d.patternOf(name) != nil {
			external[name] = n
		}
	}
	if d.options.partitions > 0 {
		var err error
		if d.counts, err = d.t.CountPartitions(external); err != nil {
			return err
		}
	}
	for _, s := range d.subs {
		for _, src := range s.Sources {
			for _, name := range src.Topics {
				topic := d.topic(d.t.FullName(d.config.ApplicationID, name), d.count(name))
				topic.global = s.Global
				topic.keep = s.Global
			}
		}
	}
	configs := map[string]map[string]string{}
	for _, topic := range d.t.InternalTopics(d.config.ApplicationID) {
		configs[topic.Name] = topic.Config
	}
	for _, s := range d.subs {
		for _, c := range d.t.StoreChangelogs([]topology.SubtopologyID{s.ID}, d.config.ApplicationID) {
			n := int32(1)
			if d.options.partitions > 0 && !s.Global {
				n = d.counts.Tasks[s.ID]
			}
			topic := d.topic(c.Topic, n)
			if c.Source {
				topic.keep = true
				continue
			}
			topic.changelog = true
			config := configs[c.Topic]
			topic.compact = config["cleanup.policy"] == "compact" && config["min.compaction.lag.ms"] == ""
		}
	}
	return nil
}

// count is the number of partitions of a topic by its undecorated name.
func (d *Driver) count(name string) int32 {
	if d.options.partitions > 0 && d.t.IsInternal(name) {
		return d.counts.Repartition[name]
	}
	return d.externalCount(name)
}

func (d *Driver) externalCount(name string) int32 {
	if n, ok := d.options.of[name]; ok {
		return n
	}
	return max(d.options.partitions, 1)
}

// topic is the topic of that name, made with n partitions if there is none.
func (d *Driver) topic(name string, n int32) *topic {
	t := d.named[name]
	if t == nil {
		t = &topic{name: name, slot: len(d.topics)}
		for range n {
			t.partitions = append(t.partitions, &partition{topic: t})
		}
		d.topics = append(d.topics, t)
		d.named[name] = t
	}
	return t
}

// makeUnits says which task reads which partition.
func (d *Driver) makeUnits() {
	if d.options.partitions == 0 {
		u := &unit{}
		for _, s := range d.subs {
			if !s.Global {
				d.reads(u, s, 0)
			}
		}
		d.addUnit(u, topology.TaskID{}, nil)
		return
	}
	for _, s := range d.subs {
		for p := range d.counts.Tasks[s.ID] {
			u := &unit{}
			d.reads(u, s, p)
			d.addUnit(u, topology.TaskID{Subtopology: s.ID, Partition: p}, []topology.SubtopologyID{s.ID})
		}
	}
}

func (d *Driver) addUnit(u *unit, id topology.TaskID, subs []topology.SubtopologyID) {
	u.spec.ID, u.spec.Subtopologies = id, subs
	u.spec.Topology, u.spec.Config, u.spec.Logger = d.t, d.config, d.logger
	u.spec.Collector = (*collector)(d)
	u.spec.Now = func() window.Time { return d.now }
	u.spec.GlobalStore = func(name string) any {
		if d.global == nil {
			return nil
		}
		return d.global.Reader(name)
	}
	d.units = append(d.units, u)
}

// reads makes u the reader of partition p of the topics of s that have so many.
func (d *Driver) reads(u *unit, s topology.Subtopology, p int32) {
	for _, src := range s.Sources {
		for _, name := range src.Topics {
			if t := d.named[d.t.FullName(d.config.ApplicationID, name)]; int(p) < len(t.partitions) {
				d.assign(u, t, p)
			}
		}
	}
}

func (d *Driver) assign(u *unit, t *topic, p int32) {
	part := t.partitions[p]
	part.unit = u
	part.committed = runtime.Offset{Offset: part.next, Metadata: runtime.Metadata{Time: -1}}
	u.in = append(u.in, part)
	u.spec.Inputs = append(u.spec.Inputs, runtime.TopicPartition{Topic: t.name, Partition: p})
}

// start opens and restores all stores, makes the nodes and hands out what was not processed before.
func (d *Driver) start() (err error) {
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.cache = nil
	if d.config.CacheBytes > 0 {
		d.cache = state.NewCache(d.config.CacheBytes)
	}
	if err := d.startGlobal(); err != nil {
		return err
	}
	for _, u := range d.units {
		u.spec.Cache = d.cache
		if u.task, err = runtime.OpenTask(u.spec); err != nil {
			return err
		}
		if err := d.restore(u); err != nil {
			return err
		}
		committed := map[runtime.TopicPartition]runtime.Committed{}
		for i, tp := range u.spec.Inputs {
			c := &u.in[i].committed
			committed[tp] = runtime.Committed{Offset: c.Offset, Metadata: c.Metadata.String()}
		}
		if err := u.task.Start(d.ctx, committed); err != nil {
			return err
		}
		for i, tp := range u.spec.Inputs {
			if u.in[i].queue, err = u.task.Queue(tp); err != nil {
				return err
			}
			u.in[i].queue.SetLag(0)
		}
	}
	for _, u := range d.units {
		for _, p := range u.in {
			p.pushed = p.committed.Offset
			u.fetch(p)
		}
	}
	return nil
}

func (d *Driver) stop() error {
	if d.cancel != nil {
		d.cancel()
	}
	var errs []error
	for _, u := range d.units {
		if u.task != nil {
			errs = append(errs, u.task.Close())
			u.task = nil
		}
	}
	if d.global != nil {
		errs = append(errs, d.global.Close())
		d.global = nil
	}
	return errors.Join(errs...)
}

// skipUndecodable skips bytes that cannot be decoded, but not negative times.
func skipUndecodable(_ context.Context, f *runtime.Failure) runtime.Decision {
	var e *topology.DecodeError
	if errors.As(f.Err, &e) && e.Part == "timestamp" {
		return runtime.Fail
	}
	return runtime.Skip
}

// startGlobal opens the global stores and fills them from their topics.
func (d *Driver) startGlobal() error {
	config := *d.config
	config.OnDeserializationError = skipUndecodable
	g, err := runtime.OpenGlobal(runtime.GlobalSpec{Topology: d.t, Config: &config, Now: func() window.Time { return d.now }, Logger: d.logger})
	if err != nil || g == nil {
		return err
	}
	d.global = g
	if err := g.Start(d.ctx); err != nil {
		return err
	}
	for _, t := range d.topics[1:] {
		if t.global {
			for _, p := range t.partitions {
				if err := g.Apply(p.log); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// unknown says which topics there are.
func (d *Driver) unknown(name string) error {
	var topics []string
	for _, s := range d.subs {
		for _, src := range s.Sources {
			if src.Pattern != nil {
				topics = append(topics, "those that match "+src.Pattern.String())
			}
			for _, t := range src.Topics {
				topics = append(topics, d.t.FullName(d.config.ApplicationID, t))
			}
		}
	}
	slices.Sort(topics)
	return fmt.Errorf("streamstest: no source reads topic %q: the topology reads %s", name, strings.Join(topics, ", "))
}

// input is the topic of that name if the topology reads it. One that matches a pattern is made when it is first used.
func (d *Driver) input(name string) (*topic, error) {
	t := d.named[name]
	if t != nil && (t.global || t.partitions[0].unit != nil) {
		return t, nil
	}
	if s := d.patternOf(name); s != nil {
		return d.match(name, s)
	}
	return nil, d.unknown(name)
}

// output is the topic of that name, made if there is none.
func (d *Driver) output(name string) (*topic, error) {
	if t := d.named[name]; t != nil {
		return t, nil
	}
	if s := d.patternOf(name); s != nil {
		return d.match(name, s)
	}
	return d.topic(name, d.externalCount(name)), nil
}

// patternOf is the sub-topology that has a source whose pattern matches a topic, nil if none has.
func (d *Driver) patternOf(topic string) *topology.Subtopology {
	for i, s := range d.subs {
		for _, src := range s.Sources {
			if src.Pattern != nil && src.Pattern.MatchString(topic) {
				return &d.subs[i]
			}
		}
	}
	return nil
}

// match gives the tasks of s a new topic that matches a pattern.
func (d *Driver) match(name string, s *topology.Subtopology) (*topic, error) {
	t := d.topic(name, d.externalCount(name))
	for _, u := range d.units {
		if u.spec.Subtopologies != nil && !slices.Contains(u.spec.Subtopologies, s.ID) || int(u.spec.ID.Partition) >= len(t.partitions) {
			continue
		}
		d.assign(u, t, u.spec.ID.Partition)
		p := t.partitions[u.spec.ID.Partition]
		var err error
		if p.queue, err = u.task.Queue(u.spec.Inputs[len(u.spec.Inputs)-1]); err != nil {
			return nil, err
		}
		p.queue.SetLag(0)
		p.pushed = p.next
	}
	for i, p := range t.partitions {
		if p.unit == nil {
			return nil, fmt.Errorf("streamstest: topic %q matches a pattern and has %d partitions, but no task %d_%d runs: tasks follow from the topics that are known at New: name it there with Partitions",
				name, len(t.partitions), s.ID, i)
		}
	}
	return t, nil
}
