package state

import (
	"time"

	"github.com/millrace-go/millrace/serde"
)

// RecordContext is the context of the record that a task is processing. Stores read it (a changelog record's time, what a cache entry
// remembers) and set it while a cache flushes.
type RecordContext struct {
	Topic     string // "" in a timer
	Partition int32
	Offset    int64
	Time      Time
	Headers   serde.Headers
}

// Changelog takes what a logged store writes. The bytes are valid during the call only.
type Changelog interface {
	Log(r LogRecord) error
}

// LogRecord is one record for a changelog. Absence travels beside the bytes.
type LogRecord struct {
	Key, Value []byte
	Tombstone  bool
	NoTime     bool // the producer's clock stamps it (buffers of Suppress and of joins with grace)
	Time       Time
	Headers    serde.Headers
}

// Restored is a changelog record as it was read. A nil Value is a tombstone. The bytes are valid during the call only.
type Restored struct {
	Key, Value []byte
	Offset     int64
	Time       Time
	Headers    serde.Headers
}

// Env is what a task gives its stores.
type Env struct {
	DB        *DB    // the application's engine; nil: every store lives in memory
	Cache     *Cache // the thread's record cache; nil: no store caches
	Partition int32
	Task      string                 // its id, for custom stores
	Dir       func() (string, error) // where custom stores may have folders; nil: nowhere
	Record    *RecordContext         // the task's, shared with its nodes
	// Changelog is where a store's changes go; nil for the name of a store means not to log (a source topic is its changelog).
	Changelog func(store string) Changelog
	// Topic is the full name of a store's changelog topic, to which serdes are bound; nil: they are not bound.
	Topic func(store string) string
	// Dropped counts a row that a store refuses because it is too old; nil: nobody counts.
	Dropped func(store, reason string)
	// Shared says that other goroutines read the stores, by Stores.Reader, while nobody writes: global stores. It needs DB to be nil.
	Shared bool

	total *tally // of the task's tables
}

// AnyDefinition is a Definition of any type.
type AnyDefinition interface {
	Name() string
	// Changelog is the configuration of the store's changelog topic by Kafka's names; false if the store is not logged.
	Changelog() (map[string]string, bool)
	// ChangelogWith is Changelog where the application has defaults for its topics, which stand between Kafka's defaults and the store's own
	// configuration, and keeps changelogs of windows longer than their stores by another time than a day.
	ChangelogWith(defaults map[string]string, additional time.Duration) (map[string]string, bool)
	// Check tells of options that make no sense.
	Check() error
	// View is a store of the definition's type that reads instances elsewhere and writes nothing; false for a custom store, which has none.
	View(Each) (store any, ok bool)
	// Persistent says that the store outlives its process in the DB.
	Persistent() bool
	open(Env) (any, instance, error)
}
