package topics

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/metadb"
)

// Errors that callers turn into Kafka's codes.
var (
	ErrExists      = errors.New("the topic exists")
	ErrCollides    = errors.New("the topic's name collides with another topic's")
	ErrUnknown     = errors.New("the topic does not exist")
	ErrName        = errors.New("the topic's name is not valid")
	ErrPartitions  = errors.New("the number of partitions is not valid")
	ErrConfig      = errors.New("the configuration is not valid")
	ErrTooMany     = errors.New("a limit of the broker is reached")
	ErrPersistence = errors.New("the change could not be stored")
)

// ID identifies a topic: a name can be used again after a deletion, an ID never is.
type ID [16]byte

// String returns the ID in hexadecimal, as it appears in directory names.
func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// Topic is one topic. It is immutable.
type Topic struct {
	ID         ID
	Name       string
	Partitions int32
	// Configs are the configs set on this topic, without defaults.
	Configs map[string]string
	// Settings are what the configs come to, defaults included.
	Settings commitlog.PartitionConfig
}

// Internal reports whether the topic is one of Kafka's own, hidden from pattern subscriptions.
func (t *Topic) Internal() bool {
	return t.Name == "__consumer_offsets" || t.Name == "__transaction_state"
}

// Snapshot is the catalogue at one moment.
type Snapshot struct {
	byName map[string]*Topic
	byID   map[ID]*Topic
	broker map[string]string // configs of the broker that were set at run time
	sorted []*Topic
	total  int
}

// ByName returns the topic with this name, nil if there is none.
func (s *Snapshot) ByName(name string) *Topic { return s.byName[name] }

// ByID returns the topic with this ID, nil if there is none.
func (s *Snapshot) ByID(id ID) *Topic { return s.byID[id] }

// All returns the topics in order of their names. The slice must not be changed.
func (s *Snapshot) All() []*Topic { return s.sorted }

// Partitions returns the number of partitions of all topics together.
func (s *Snapshot) Partitions() int { return s.total }

// Limits bound the catalogue.
type Limits struct {
	Topics, Partitions, PartitionsPerTopic int
}

// Logs makes room for a topic's records. Create is called before the topic, or its new partitions, become visible;
// partitions that exist already are left alone.
type Logs interface {
	Create(topic [16]byte, partitions []int32, cfg commitlog.PartitionConfig) error
}

// Catalog holds the topics. Its methods may be called from any goroutine.
type Catalog struct {
	db     *metadb.DB
	logs   Logs
	limits Limits
	static map[string]string // broker configs from the program or the properties file

	mu   sync.Mutex // serialises changes; held while they are committed
	snap atomic.Pointer[Snapshot]
}

// Open reads the catalogue. static holds broker configs by their Kafka names, which give topics their defaults.
func Open(db *metadb.DB, logs Logs, static map[string]string, limits Limits) (*Catalog, error) {
	c := &Catalog{db: db, logs: logs, limits: limits, static: static}
	broker := map[string]string{}
	err := db.Scan(metadb.Key(metadb.TableBrokerConf), func(k, v []byte) error {
		broker[string(k[1:])] = string(v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []*Topic
	err = db.Scan(metadb.Key(metadb.TableTopic), func(k, v []byte) error {
		var row row
		if err := json.Unmarshal(v, &row); err != nil || len(k) != 17 {
			return fmt.Errorf("metadata row of topic %x is damaged: %w", k[1:], err)
		}
		all = append(all, &Topic{ID: ID(k[1:]), Name: row.Name, Partitions: row.Partitions, Configs: row.Configs})
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.publish(all, broker)
	return c, nil
}

// row is a topic in the database.
type row struct {
	Name       string            `json:"name"`
	Partitions int32             `json:"partitions"`
	Configs    map[string]string `json:"configs,omitempty"`
}

func setRow(b *metadb.Batch, t *Topic) error {
	v, err := json.Marshal(row{t.Name, t.Partitions, t.Configs})
	if err != nil {
		return fmt.Errorf("encode topic %s: %w", t.Name, err)
	}
	b.Set(metadb.Key(metadb.TableTopic, t.ID[:]), v)
	return nil
}

// Snapshot returns the catalogue as it is now.
func (c *Catalog) Snapshot() *Snapshot { return c.snap.Load() }

// publish makes topics and broker configs visible, with settings derived anew. It takes ownership of both.
func (c *Catalog) publish(all []*Topic, broker map[string]string) {
	s := &Snapshot{byName: make(map[string]*Topic, len(all)), byID: make(map[ID]*Topic, len(all)), broker: broker, sorted: all}
	slices.SortFunc(all, func(a, b *Topic) int { return cmp.Compare(a.Name, b.Name) })
	for i, t := range all {
		n := *t
		n.Settings = c.settings(s, &n)
		all[i] = &n
		s.byName[n.Name], s.byID[n.ID] = &n, &n
		s.total += int(n.Partitions)
	}
	c.snap.Store(s)
}

func (c *Catalog) settings(s *Snapshot, t *Topic) commitlog.PartitionConfig {
	return settings(func(name string) string { v, _ := c.value(s, t, name); return v })
}

// makeLogs creates the partitions from first to t.Partitions-1. Should the change not be committed after all, the
// store's owner removes at the next start what belongs to no topic.
func (c *Catalog) makeLogs(s *Snapshot, t *Topic, first int32) error {
	var ps []int32
	for p := first; p < t.Partitions; p++ {
		ps = append(ps, p)
	}
	if err := c.logs.Create(t.ID, ps, c.settings(s, t)); err != nil {
		return fmt.Errorf("%w: create the partitions of %s: %w", ErrPersistence, t.Name, err)
	}
	return nil
}

// Spec is a topic to be created.
type Spec struct {
	Name       string
	Partitions int32
	Configs    map[string]string
}

// Create adds a topic. With dryRun it only checks. The topic is returned either way.
func (c *Catalog) Create(spec Spec, dryRun bool) (*Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Snapshot()
	if err := CheckName(spec.Name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrName, err)
	}
	if s.ByName(spec.Name) != nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, spec.Name)
	}
	for _, t := range s.sorted {
		if metricName(t.Name) == metricName(spec.Name) {
			return nil, fmt.Errorf("%w: %s and %s differ only in '.' and '_'", ErrCollides, spec.Name, t.Name)
		}
	}
	if err := c.checkCount(s, spec.Partitions, spec.Partitions); err != nil {
		return nil, err
	}
	if len(s.sorted) >= c.limits.Topics {
		return nil, fmt.Errorf("%w: there are %d topics", ErrTooMany, len(s.sorted))
	}
	for name, v := range spec.Configs {
		if err := Check(name, v); err != nil {
			return nil, err
		}
	}
	t := &Topic{Name: spec.Name, Partitions: spec.Partitions, Configs: maps.Clone(spec.Configs)}
	if _, err := rand.Read(t.ID[:]); err != nil {
		return nil, fmt.Errorf("make a topic id: %w", err)
	}
	if dryRun {
		return t, nil
	}
	if err := c.makeLogs(s, t, 0); err != nil {
		return nil, err
	}
	var b metadb.Batch
	if err := setRow(&b, t); err != nil {
		return nil, err
	}
	if err := c.commit(&b); err != nil {
		return nil, err
	}
	c.publish(append(slices.Clone(s.sorted), t), s.broker)
	return c.Snapshot().ByID(t.ID), nil
}

func (c *Catalog) checkCount(s *Snapshot, total, added int32) error {
	if total < 1 {
		return fmt.Errorf("%w: %d partitions, want at least 1", ErrPartitions, total)
	}
	if int(total) > c.limits.PartitionsPerTopic {
		return fmt.Errorf("%w: %d partitions, a topic has at most %d", ErrPartitions, total, c.limits.PartitionsPerTopic)
	}
	if s.total+int(added) > c.limits.Partitions {
		return fmt.Errorf("%w: there are %d partitions, %d is the limit", ErrTooMany, s.total, c.limits.Partitions)
	}
	return nil
}

// Delete removes a topic and leaves a row that says that its directories are to be removed; see Deleted and Forget.
func (c *Catalog) Delete(id ID) (*Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Snapshot()
	t := s.ByID(id)
	if t == nil {
		return nil, ErrUnknown
	}
	v, err := json.Marshal(row{t.Name, t.Partitions, nil})
	if err != nil {
		return nil, fmt.Errorf("encode topic %s: %w", t.Name, err)
	}
	var b metadb.Batch
	b.Delete(metadb.Key(metadb.TableTopic, id[:]))
	b.Set(metadb.Key(metadb.TableDeleted, id[:]), v)
	if err := c.commit(&b); err != nil {
		return nil, err
	}
	c.publish(slices.DeleteFunc(slices.Clone(s.sorted), func(o *Topic) bool { return o.ID == id }), s.broker)
	return t, nil
}

// Deleted returns the topics whose deletion has begun and was not finished by Forget.
func (c *Catalog) Deleted() ([]*Topic, error) {
	var all []*Topic
	err := c.db.Scan(metadb.Key(metadb.TableDeleted), func(k, v []byte) error {
		var row row
		if err := json.Unmarshal(v, &row); err != nil || len(k) != 17 {
			return fmt.Errorf("metadata row of deleted topic %x is damaged: %w", k[1:], err)
		}
		all = append(all, &Topic{ID: ID(k[1:]), Name: row.Name, Partitions: row.Partitions})
		return nil
	})
	return all, err
}

// Forget ends a deletion.
func (c *Catalog) Forget(id ID) error {
	var b metadb.Batch
	b.Delete(metadb.Key(metadb.TableDeleted, id[:]))
	return c.commit(&b)
}

// Grow raises the number of partitions to total.
func (c *Catalog) Grow(name string, total int32, dryRun bool) (*Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Snapshot()
	t := s.ByName(name)
	if t == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	if total <= t.Partitions {
		return nil, fmt.Errorf("%w: %s has %d partitions, %d is not an increase", ErrPartitions, name, t.Partitions, total)
	}
	if err := c.checkCount(s, total, total-t.Partitions); err != nil {
		return nil, err
	}
	if dryRun {
		return t, nil
	}
	n := *t
	n.Partitions = total
	if err := c.makeLogs(s, &n, t.Partitions); err != nil {
		return nil, err
	}
	return c.replace(s, &n)
}

// Change is one change of a config.
type Change struct {
	Name  string
	Op    ChangeOp
	Value string
}

// ChangeOp is what a Change does.
type ChangeOp int8

// The operations of IncrementalAlterConfigs, with its numbers.
const (
	OpSet ChangeOp = iota
	OpDelete
	OpAppend
	OpSubtract
)

// Alter changes configs of a topic. With replace, configs that are not among the changes fall back to their defaults.
func (c *Catalog) Alter(name string, changes []Change, replace, dryRun bool) (*Topic, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Snapshot()
	t := s.ByName(name)
	if t == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	configs := map[string]string{}
	if !replace {
		maps.Copy(configs, t.Configs)
	}
	for _, ch := range changes {
		d, ok := Lookup(ch.Name)
		if !ok && ch.Op == OpDelete {
			continue // it is not there: so it is with Kafka, and with tools that tidy up what other releases had
		}
		if !ok {
			return nil, fmt.Errorf("%w: unknown topic config name: %s", ErrConfig, ch.Name)
		}
		old, _ := c.value(s, t, ch.Name)
		if err := apply(configs, d, old, ch); err != nil {
			return nil, err
		}
	}
	if dryRun {
		return t, nil
	}
	n := *t
	n.Configs = configs
	return c.replace(s, &n)
}

func (c *Catalog) replace(s *Snapshot, n *Topic) (*Topic, error) {
	var b metadb.Batch
	if err := setRow(&b, n); err != nil {
		return nil, err
	}
	if err := c.commit(&b); err != nil {
		return nil, err
	}
	all := slices.Clone(s.sorted)
	for i, o := range all {
		if o.ID == n.ID {
			all[i] = n
		}
	}
	c.publish(all, s.broker)
	return c.Snapshot().ByID(n.ID), nil
}

func (c *Catalog) commit(b *metadb.Batch) error {
	if err := c.db.Commit(b); err != nil {
		return fmt.Errorf("%w: %w", ErrPersistence, err)
	}
	return nil
}
