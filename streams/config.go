package streams

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Guarantee says what a crash may do.
type Guarantee uint8

const (
	// AtLeastOnce loses nothing; after an unclean stop records may be processed twice.
	AtLeastOnce Guarantee = iota
	// ExactlyOnce applies each record's effects on stores and topics once, whatever crashes (Kafka's exactly_once_v2). Readers must read committed.
	ExactlyOnce
)

// String is Kafka's name of the guarantee.
func (g Guarantee) String() string {
	if g == ExactlyOnce {
		return "exactly_once_v2"
	}
	return "at_least_once"
}

type (
	// Decision is what becomes of a record that failed.
	Decision = runtime.Decision
	// Failure tells a Handler what failed.
	Failure = runtime.Failure
	// Handler decides about a failed record. It is called by the stream thread and must not keep the failure.
	Handler = runtime.Handler
	// Dropped is how many records a node has dropped for one reason: see App.Dropped.
	Dropped = runtime.Dropped
	// RestoreProgress is how far the restore of one store has come.
	RestoreProgress = runtime.RestoreProgress
)

const (
	// Fail stops the application with the error: the default of all handlers.
	Fail = runtime.Fail
	// Drop drops the record, counts and logs it.
	Drop = runtime.Skip
	// DeadLetter writes the record to Config.DeadLetterTopic, inside the transaction, then drops it.
	DeadLetter = runtime.DeadLetter
)

// Config is an application's configuration. The zero value of a field is its documented default; a part of a millisecond in a duration is refused.
type Config struct {
	// ApplicationID is the group id, and the prefix of internal topics, client ids and the state directory. Required.
	ApplicationID string
	// BootstrapServers are the brokers to start from, as host:port. Required, but for the test driver.
	BootstrapServers []string
	// Guarantee is AtLeastOnce or ExactlyOnce.
	Guarantee Guarantee
	// Threads is the number of stream threads. 0: 1.
	Threads int
	// CommitInterval is the longest time between commits. 0: 100 ms under ExactlyOnce, else 1 s.
	CommitInterval time.Duration
	// PurgeInterval is how often records that are processed and committed are deleted from repartition topics. 0: 30 s.
	PurgeInterval time.Duration
	// CacheBytes is the size of the record caches, all threads together. nil: 10 MiB; 0: no store caches, whatever its own option says.
	CacheBytes *int64
	// StateDir holds the stores and the instance's identity, in a folder named after the application. "": the user's state directory
	// ($XDG_STATE_HOME/millrace, else ~/.local/state/millrace, or the system's own). One process per folder.
	StateDir string
	// StateMemory bounds the memory of the stores: database, read cache and what is not applied yet, in bytes. 0: 128 MiB.
	StateMemory int64
	// MaxTaskIdle is how long a task waits for records of an empty partition, so that partitions are processed in the order of their times. 0: only
	// for records that the broker has; negative: not at all (Kafka's max.task.idle.ms).
	MaxTaskIdle time.Duration
	// IdleAdvance makes stream time go on by itself (beyond Java): when a task has got no record for that long, its stream time counts on with the wall
	// clock, from the last record's arrival, until one comes. So the last windows of a topic that has fallen silent close, and Suppress, joins and
	// timers by stream time go on. Records that come then with times before it are late. 0: stream time moves with records only.
	IdleAdvance time.Duration
	// EmitInterval is how often at most a left or outer join of streams looks for records whose window has closed unmatched: it does so when a
	// record comes. 0: once a second, but in the test driver at each record; negative: at each record.
	EmitInterval time.Duration
	// BufferedRecords is how many fetched records of a partition wait in memory. 0: 1000.
	BufferedRecords int
	// MaxPollInterval is the longest that one step of a thread may take: a user function that takes longer fails the application. 0: 5 min. As other timeouts at most
	// 2^31-1 ms.
	MaxPollInterval time.Duration
	// SessionTimeout is after how long without a sign of life the group gives an instance's tasks away. 0: 45 s.
	SessionTimeout time.Duration
	// TransactionTimeout is after how long the broker ends a transaction of a dead instance. 0: 10 s. At least CommitInterval, below SessionTimeout.
	TransactionTimeout time.Duration
	// InstanceID makes this instance's identity in the group. "": one that is made once and kept in the state directory, so that a restarted
	// instance has its tasks back at once.
	InstanceID string
	// ReplicationFactor is that of the internal topics. 0: the broker's default.
	ReplicationFactor int16
	// TopicConfig configures all internal topics, by Kafka's names of topic configurations (Kafka's "topic." prefix). LogConfig of a store goes before it, and so do
	// the retention of a window or session store's changelog, the compaction lag of a versioned one's and the policy of a stream join's.
	TopicConfig map[string]string
	// ChangelogRetention is how much longer than the store the changelog of a window or session store keeps its records. 0: a day; negative: not longer (Kafka's
	// windowstore.changelog.additional.retention.ms).
	ChangelogRetention time.Duration
	// Reset is where a source starts that has no committed offset and no option of its own: topology.ResetEarliest (also the default), ResetLatest or ResetNone.
	Reset topology.ResetKind
	// ReadUncommitted lets App.View, App.Store and App.EachStore see the current state under ExactlyOnce, too: at once, but what they see may be taken back, when
	// its transaction is aborted.
	ReadUncommitted bool
	// OnDeserializationError, OnProcessingError and OnProductionError decide about records that cannot be decoded, that a node fails at, that
	// cannot be written. nil: Fail.
	OnDeserializationError, OnProcessingError, OnProductionError Handler
	// DeadLetterTopic takes the records for which a handler answers DeadLetter (KIP-1034). It must exist.
	DeadLetterTopic string
	// Logger is where the application logs. nil: slog.Default().
	Logger *slog.Logger
	// OnState is told about each state of the application. It must not block.
	OnState func(State)
	// OnRestore is told how the restore of each store begins, goes on and ends. It is called by a stream thread and must not block.
	OnRestore func(RestoreProgress)
	// Kafka has options for the Kafka clients.
	Kafka KafkaConfig
}

// withDefaults fills in the defaults and checks the rest; all mistakes are told together.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	refuse := func(format string, a ...any) { errs = append(errs, fmt.Errorf("streams: Config."+format, a...)) }
	if c.ApplicationID == "" {
		refuse("ApplicationID is empty: it names the group, the internal topics and the state directory")
	} else if err := topology.CheckName(c.ApplicationID); err != nil {
		refuse("ApplicationID: %w", err)
	}
	if c.Guarantee > ExactlyOnce {
		refuse("Guarantee is %d: use streams.AtLeastOnce or streams.ExactlyOnce", c.Guarantee)
	}
	duration := func(name string, d *time.Duration, def time.Duration, negative bool) {
		if *d == 0 {
			*d = def
		}
		if *d < 0 && !negative {
			refuse("%s is %v: it cannot be negative", name, *d)
		}
		if *d > 0 && *d%time.Millisecond != 0 {
			refuse("%s is %v: use whole milliseconds", name, *d)
		}
	}
	commit := time.Second
	if c.Guarantee == ExactlyOnce {
		commit = 100 * time.Millisecond
	}
	duration("CommitInterval", &c.CommitInterval, commit, false)
	duration("PurgeInterval", &c.PurgeInterval, 30*time.Second, false)
	duration("EmitInterval", &c.EmitInterval, time.Second, true)
	duration("MaxTaskIdle", &c.MaxTaskIdle, 0, true)
	duration("ChangelogRetention", &c.ChangelogRetention, 24*time.Hour, true)
	duration("IdleAdvance", &c.IdleAdvance, 0, false)
	timeout := func(name string, d *time.Duration, def time.Duration) {
		duration(name, d, def, false)
		if *d > maxTimeout {
			refuse("%s is %v: Kafka's protocol has room for %v", name, *d, maxTimeout)
		}
	}
	timeout("MaxPollInterval", &c.MaxPollInterval, 5*time.Minute)
	timeout("SessionTimeout", &c.SessionTimeout, 45*time.Second)
	timeout("TransactionTimeout", &c.TransactionTimeout, 10*time.Second)
	if c.Guarantee == ExactlyOnce && c.CommitInterval > c.TransactionTimeout {
		refuse("CommitInterval %v is above TransactionTimeout %v: every transaction would time out", c.CommitInterval, c.TransactionTimeout)
	}
	if c.Guarantee == ExactlyOnce && c.TransactionTimeout >= c.SessionTimeout {
		refuse("TransactionTimeout %v must be below SessionTimeout %v", c.TransactionTimeout, c.SessionTimeout)
	}
	number := func(name string, n *int, def int) {
		if *n == 0 {
			*n = def
		}
		if *n < 0 {
			refuse("%s is %d: it cannot be negative", name, *n)
		}
	}
	number("Threads", &c.Threads, 1)
	number("BufferedRecords", &c.BufferedRecords, 1000)
	if c.CacheBytes == nil {
		c.CacheBytes = new(int64)
		*c.CacheBytes = 10 << 20
	}
	if *c.CacheBytes < 0 {
		refuse("CacheBytes is %d: it cannot be negative", *c.CacheBytes)
	}
	if c.StateMemory == 0 {
		c.StateMemory = 128 << 20
	}
	if c.StateMemory < 8<<20 {
		refuse("StateMemory is %d bytes: at least 8 MiB are needed", c.StateMemory)
	}
	if c.ReplicationFactor < 0 {
		refuse("ReplicationFactor is %d: it cannot be negative", c.ReplicationFactor)
	}
	if c.Reset == topology.ResetByDuration || c.Reset > topology.ResetNone {
		refuse("Reset is %d: use topology.ResetEarliest, ResetLatest or ResetNone; a source has FromDuration of its own", c.Reset)
	}
	for _, n := range []struct{ field, name string }{{"InstanceID", c.InstanceID}, {"DeadLetterTopic", c.DeadLetterTopic}} {
		if err := topology.CheckName(n.name); n.name != "" && err != nil {
			refuse("%s: %w", n.field, err)
		}
	}
	for _, s := range c.BootstrapServers {
		if !address(s) {
			refuse("BootstrapServers has %q: give host:port, each broker for itself", s)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(errs...)
}

// maxTimeout is the longest time that requests of a group or a producer can say: 32 bits of milliseconds.
const maxTimeout = math.MaxInt32 * time.Millisecond

// address says whether s can be a broker's host and port; a client takes 9092 where there is no port.
func address(s string) bool {
	if s == "" || strings.ContainsAny(s, ",/ \t\r\n") {
		return false
	}
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// runtime is what the runtime needs of the configuration, defaults filled in.
func (c *Config) runtime() *runtime.Config {
	return &runtime.Config{
		ApplicationID:          c.ApplicationID,
		CacheBytes:             *c.CacheBytes,
		BufferedRecords:        c.BufferedRecords,
		MaxTaskIdle:            c.MaxTaskIdle,
		IdleAdvance:            c.IdleAdvance,
		EmitInterval:           max(c.EmitInterval, 0),
		PendingBytes:           c.StateMemory / 4 / int64(c.Threads),
		OnDeserializationError: c.OnDeserializationError,
		OnProcessingError:      c.OnProcessingError,
		Drops:                  new(runtime.Drops),
		OnProductionError:      c.OnProductionError,
		DeadLetterTopic:        c.DeadLetterTopic,
	}
}

// InternalTopics are the repartition and changelog topics that the application creates for t, with their configurations.
func (c *Config) InternalTopics(t *topology.Topology) []topology.InternalTopic {
	additional := c.ChangelogRetention
	if additional == 0 {
		additional = 24 * time.Hour
	}
	return t.InternalTopicsWith(c.ApplicationID, c.TopicConfig, max(additional, 0))
}

// DefaultStateDir is the folder below which applications keep their state when Config.StateDir is empty.
func DefaultStateDir() (string, error) {
	if d := os.Getenv("XDG_STATE_HOME"); d != "" {
		return filepath.Join(d, "millrace"), nil
	}
	switch goruntime.GOOS {
	case "darwin", "ios", "windows", "plan9":
		d, err := os.UserConfigDir() // Application Support, AppData: what these systems have for it
		if err != nil {
			return "", fmt.Errorf("streams: no state directory: %w: set Config.StateDir", err)
		}
		return filepath.Join(d, "millrace"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("streams: no state directory: %w: set Config.StateDir", err)
	}
	return filepath.Join(home, ".local", "state", "millrace"), nil
}
