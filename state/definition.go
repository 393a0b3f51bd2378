package state

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// A Definition of a store: a name, a kind and options. S is the type a processor gets. It opens nothing: a task does when it starts, once
// for each of its stores.
type Definition[S any] struct {
	name string
	opts options
	make func(Env, *options) (S, instance, error)
	view func(name string, each Each) S // nil: a custom store
}

// Name is the store's name: its changelog topic is "<application id>-<name>-changelog".
func (d Definition[S]) Name() string { return d.name }

// String is the type of the store.
func (d Definition[S]) String() string { return reflect.TypeFor[S]().String() }

// Changelog implements AnyDefinition.
func (d Definition[S]) Changelog() (map[string]string, bool) {
	return d.ChangelogWith(nil, additionalRetention)
}

// ChangelogWith implements AnyDefinition.
func (d Definition[S]) ChangelogWith(defaults map[string]string, additional time.Duration) (map[string]string, bool) {
	if d.opts.unlogged {
		return nil, false
	}
	return d.opts.topicConfig(defaults, additional), true
}

// Persistent implements AnyDefinition.
func (d Definition[S]) Persistent() bool { return d.opts.persistent() }

// Check implements AnyDefinition.
func (d Definition[S]) Check() error {
	if d.make == nil {
		return errors.New("a store has no definition: make one with state.KeyValue, Window, Session, Versioned or Custom")
	}
	if err := d.opts.check(); err != nil {
		return storeError(d.name, err)
	}
	return nil
}

// View implements AnyDefinition.
func (d Definition[S]) View(each Each) (any, bool) {
	if d.view == nil {
		return nil, false
	}
	return d.view(d.name, each), true
}

func (d Definition[S]) open(e Env) (any, instance, error) {
	if err := d.Check(); err != nil {
		return nil, nil, err
	}
	s, in, err := d.make(e, &d.opts)
	if err != nil {
		return nil, nil, storeError(d.name, err)
	}
	return s, in, nil
}

// kind is the kind of a store.
type kind uint8

const (
	kindKeyValue kind = iota
	kindWindow
	kindSession
	kindVersioned
	kindCustom
)

// Option changes a store's definition.
type Option func(*options)

type options struct {
	kind       kind
	stamped    bool
	inMemory   bool
	unlogged   bool
	cached     bool
	duplicates bool
	timeFirst  bool
	headers    headersMode
	max        int // entries of an LRU store; 0: any number
	ttl        time.Duration
	size       time.Duration // of a window
	retention  time.Duration // of a window or session store, history of a versioned one
	logged     time.Duration // what the changelog takes for the retention, if it is not 0
	topic      map[string]string
	lru        bool   // max was given
	noSerde    string // "key" or "value", if that has no serde
}

// check looks for options that make no sense.
func (o *options) check() error {
	for _, t := range []struct {
		what string
		d    time.Duration
	}{{"retention", o.retention}, {"TTL", o.ttl}, {"window size", o.size}} {
		if t.d < 0 || t.d%time.Millisecond != 0 && t.d != window.Forever {
			return fmt.Errorf("its %s is %v: use whole milliseconds, not below 0", t.what, t.d)
		}
	}
	switch {
	case o.noSerde != "":
		return fmt.Errorf("its %s has no serde: give one, serde.String say", o.noSerde)
	case o.kind == kindWindow && o.retention < o.size:
		return fmt.Errorf("its retention of %v is shorter than its windows of %v: keep them at least that long", o.retention, o.size)
	case o.lru && o.max <= 0:
		return fmt.Errorf("LRU(%d) would hold nothing: use at least 1", o.max)
	case o.kind != kindKeyValue && (o.lru || o.ttl > 0):
		return fmt.Errorf("a %s store has neither LRU nor TTL: those are for key-value stores", o.kind)
	case o.lru && o.ttl > 0:
		return errors.New("it has both LRU and TTL: use one")
	case o.duplicates && o.kind != kindWindow:
		return fmt.Errorf("a %s store has no duplicates: window stores have", o.kind)
	case o.timeFirst && o.kind != kindWindow && o.kind != kindSession:
		return fmt.Errorf("a %s store is not ordered by time: window and session stores are", o.kind)
	}
	return nil
}

func (o *options) persistent() bool {
	return !o.inMemory && o.max == 0 && o.kind != kindCustom
}

func (o options) with(opts []Option) options {
	for _, f := range opts {
		f(&o)
	}
	return o
}

// InMemory keeps the store out of the DB: it is restored from its changelog whenever its task starts. Windows and sessions then follow the rule
// of Kafka's in-memory stores for what is too old, which is exact to the millisecond, and are listed by time.
func InMemory() Option { return func(o *options) { o.inMemory = true } }

// LRU makes a key-value store hold at most that many entries, in memory. The entry that was used least recently is deleted first, in the
// changelog as well.
func LRU(max int) Option { return func(o *options) { o.lru, o.max = true, max } }

// WithoutLogging makes a store without a changelog: its content is lost with its instance.
func WithoutLogging() Option { return func(o *options) { o.unlogged = true } }

// WithCaching puts the thread's record cache before the store, if there is one: updates of a key are held back and go to the changelog and
// downstream at a commit, the last one only. Versioned stores, window stores with duplicates, and stores with LRU or TTL are never cached.
func WithCaching() Option { return func(o *options) { o.cached = true } }

// TTL deletes an entry of a key-value store that long after its last write, by the times of the records (a timestamped value's own time), with a
// tombstone in the changelog. An entry that old is never read. Beyond Kafka.
func TTL(d time.Duration) Option { return func(o *options) { o.ttl = d } }

// Retention says how long a window or session store keeps what is put.
func Retention(d time.Duration) Option { return func(o *options) { o.retention = d } }

// LogRetention makes the changelog's configuration that of a window or session store with another retention.
func LogRetention(d time.Duration) Option { return func(o *options) { o.logged = d } }

// TopicConfig sets a configuration of the changelog topic.
func TopicConfig(k, v string) Option {
	return func(o *options) {
		topic := map[string]string{k: v}
		for k, v := range o.topic { // definitions are values: the map of another one stays as it is
			if _, ok := topic[k]; !ok {
				topic[k] = v
			}
		}
		o.topic = topic
	}
}

// Duplicates makes a window store keep every value of a key and start, in order of putting (the stores of stream-stream joins). Its changelog
// records carry headers.
func Duplicates() Option {
	return func(o *options) { o.duplicates, o.headers = true, allHeaders }
}

// TimeFirst makes a window or session store of the DB cheap to scan by time over all keys, and moves its expiry as Kafka's stores of emit on
// close do (KIP-825).
func TimeFirst() Option { return func(o *options) { o.timeFirst = true } }

// LogHeaders makes the store's changelog records carry the headers of the record that is being processed (Kafka does it for the
// subscriptions of foreign-key joins).
func LogHeaders() Option { return func(o *options) { o.headers = allHeaders } }

// LogTombstoneHeaders is LogHeaders for deletes only (Kafka's session stores under dsl.store.format=HEADERS).
func LogTombstoneHeaders() Option { return func(o *options) { o.headers = tombstoneHeaders } }

// KeyValue defines a key-value store.
func KeyValue[K, V any](name string, k serde.Serde[K], v serde.Serde[V], o ...Option) Definition[KeyValueStore[K, V]] {
	return Definition[KeyValueStore[K, V]]{name, options{noSerde: noSerde(k, v)}.with(o), func(e Env, o *options) (KeyValueStore[K, V], instance, error) {
		return openKV(e, name, o, k, v)
	}, viewKeyValue[K, V]}
}

// TimestampedKeyValue defines a key-value store whose values carry the time of the record that wrote them, in the changelog as the record's time.
func TimestampedKeyValue[K, V any](name string, k serde.Serde[K], v serde.Serde[V], o ...Option) Definition[KeyValueStore[K, Stamped[V]]] {
	return Definition[KeyValueStore[K, Stamped[V]]]{name, options{stamped: true, noSerde: noSerde(k, v)}.with(o), func(e Env, o *options) (KeyValueStore[K, Stamped[V]], instance, error) {
		return openKV(e, name, o, k, stamped(v))
	}, viewKeyValue[K, Stamped[V]]}
}

// Window defines a window store. Windows older than retention are gone.
func Window[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size, retention time.Duration, o ...Option) Definition[WindowStore[K, V]] {
	return Definition[WindowStore[K, V]]{name, windowOptions(noSerde(k, v), size, retention).with(o), func(e Env, o *options) (WindowStore[K, V], instance, error) {
		return openWindows(e, name, o, k, v)
	}, viewWindows[K, V]}
}

// TimestampedWindow is a Window store whose values carry their time. See [TimestampedKeyValue].
func TimestampedWindow[K, V any](name string, k serde.Serde[K], v serde.Serde[V], size, retention time.Duration, o ...Option) Definition[WindowStore[K, Stamped[V]]] {
	opts := windowOptions(noSerde(k, v), size, retention)
	opts.stamped = true
	return Definition[WindowStore[K, Stamped[V]]]{name, opts.with(o), func(e Env, o *options) (WindowStore[K, Stamped[V]], instance, error) {
		return openWindows(e, name, o, k, stamped(v))
	}, viewWindows[K, Stamped[V]]}
}

func windowOptions(noSerde string, size, retention time.Duration) options {
	return options{kind: kindWindow, size: size, retention: retention, noSerde: noSerde}
}

// Session defines a session store. Sessions that ended longer than retention ago are gone.
func Session[K, V any](name string, k serde.Serde[K], v serde.Serde[V], retention time.Duration, o ...Option) Definition[SessionStore[K, V]] {
	return Definition[SessionStore[K, V]]{name, options{kind: kindSession, retention: retention, noSerde: noSerde(k, v)}.with(o), func(e Env, o *options) (SessionStore[K, V], instance, error) {
		return openSessions(e, name, o, k, v)
	}, viewSessions[K, V]}
}

// noSerde says which side has no serde, "" if both have one.
func noSerde[K, V any](k serde.Serde[K], v serde.Serde[V]) string {
	switch {
	case k == nil:
		return "key"
	case v == nil:
		return "value"
	}
	return ""
}

func stamped[V any](v serde.Serde[V]) serde.Serde[Stamped[V]] {
	if v == nil {
		return nil
	}
	return stampedSerde[V]{v}
}

// bind returns a store's serdes for its role: the key and the value of its changelog topic.
func bind[K, V any](e *Env, name string, k serde.Serde[K], v serde.Serde[V]) (serde.Serde[K], serde.Serde[V], error) {
	if e.Topic == nil {
		return k, v, nil
	}
	topic := e.Topic(name)
	k, err := serde.Bind(k, serde.Role{Topic: topic, Key: true})
	if err != nil {
		return nil, nil, fmt.Errorf("serde of the key: %w", err)
	}
	if v, err = serde.Bind(v, serde.Role{Topic: topic}); err != nil {
		return nil, nil, fmt.Errorf("serde of the value: %w", err)
	}
	return k, v, nil
}

func (e *Env) logger(name string, o *options) logger {
	l := logger{record: e.Record, stamped: o.stamped, headers: o.headers}
	if !o.unlogged && e.Changelog != nil {
		l.to = e.Changelog(name)
	}
	if l.record == nil {
		l.record = &RecordContext{}
	}
	return l
}

func openKV[K, V any](e Env, name string, o *options, k serde.Serde[K], v serde.Serde[V]) (*KV[K, V], instance, error) {
	k, v, err := bind(&e, name, k, v)
	if err != nil {
		return nil, nil, err
	}
	s := &KV[K, V]{keys: k, values: v}
	return s, &s.rows, s.rows.open(name, o, e)
}

func openWindows[K, V any](e Env, name string, o *options, k serde.Serde[K], v serde.Serde[V]) (*Windows[K, V], instance, error) {
	k, v, err := bind(&e, name, k, v)
	if err != nil {
		return nil, nil, err
	}
	s := &Windows[K, V]{spans[K, V]{keys: k, values: v, size: millis(o.size)}}
	return s, &s.rows, s.rows.open(name, windowLayout, o, e)
}

func openSessions[K, V any](e Env, name string, o *options, k serde.Serde[K], v serde.Serde[V]) (*Sessions[K, V], instance, error) {
	k, v, err := bind(&e, name, k, v)
	if err != nil {
		return nil, nil, err
	}
	s := &Sessions[K, V]{spans[K, V]{keys: k, values: v}}
	return s, &s.rows, s.rows.open(name, sessionLayout, o, e)
}
