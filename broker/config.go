package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/topics"
)

// Sync says when what is written reaches the disk, and so what a loss of power can take. The end of the process, by
// whatever signal, never takes anything that was acknowledged.
type Sync int

const (
	// SyncNever leaves it to the operating system, as Kafka does.
	SyncNever Sync = iota
	// SyncInterval syncs every [Config.SyncEvery].
	SyncInterval
	// SyncAlways acknowledges after the sync. Records that are not synced are not shown to readers.
	SyncAlways
)

// String returns never, interval or always.
func (s Sync) String() string {
	switch s {
	case SyncNever:
		return "never"
	case SyncInterval:
		return "interval"
	case SyncAlways:
		return "always"
	}
	return fmt.Sprintf("Sync(%d)", int(s))
}

// Config configures a broker. The zero value is a broker in memory that only this process can reach.
type Config struct {
	// Dir holds the data and is created if need be. Empty means in memory: the data ends with the broker.
	Dir string
	// Listen is the TCP address to listen on, such as "127.0.0.1:9092"; port 0 takes any free one. Empty means no TCP.
	// An address other than loopback needs Security with encryption and authentication, or Insecure.
	Listen string
	// Advertised is the address that clients are told to connect to, "host:port"; the default is the listener's own.
	Advertised string
	// Listeners are further TCP listeners: clients of each are told to connect to that listener's address.
	Listeners []Listener
	// Insecure allows an address that other machines can reach, although nothing is encrypted or nobody authenticates.
	Insecure bool
	// Security says who may connect over TCP and what they may do. The default is everybody, and everything.
	Security Security

	// Sync says when data reaches the disk, SyncEvery how often under SyncInterval (default 1 s).
	Sync      Sync
	SyncEvery time.Duration

	// AutoCreateTopics creates a topic when a client asks for one that is not there.
	AutoCreateTopics bool
	// NumPartitions is how many partitions a topic has if its creator does not say. Default 1.
	NumPartitions int32
	// Configs are further broker configurations by their Kafka names, such as "log.retention.ms": the defaults of topics.
	Configs map[string]string

	// Logger receives what an operator should know. Default: nothing is logged.
	Logger *slog.Logger
	// Audit receives a line for each log-in, refusal and administrative change: who, from where, what. Default: Logger, with
	// the attribute log=audit.
	Audit *slog.Logger
	// FS is the file system, for tests that inject faults. Default: the operating system's, or memory if Dir is empty.
	FS vfs.FS
	// Now is the wall clock, for tests. Default: time.Now.
	Now func() time.Time

	// Limits bound what clients can make the broker hold. Zero fields take their defaults.
	Limits Limits
	// Groups times the group coordinator. Zero fields take their defaults.
	Groups Groups
	// MaintainEvery is the interval of compaction, log.cleaner.backoff.ms in Kafka's words. Default 15 s.
	MaintainEvery time.Duration
	// RetentionEvery is the interval at which records are deleted that are too old, log.retention.check.interval.ms in
	// Kafka's words. Default 5 min, the first time after 30 s, as in Kafka: who writes records of long ago to a topic that
	// keeps less has that long to read them. What is over a topic's size is deleted within a second.
	RetentionEvery time.Duration
}

// Limits bound what clients can make the broker hold. A zero field takes the default.
type Limits struct {
	FrameBytes        int           // longest request, 100 MiB
	FrameBytesPreAuth int           // longest request of a client that has yet to authenticate, 64 KiB
	InFlightBytes     int64         // requests being read or handled, as far as they have come, 128 MiB; beyond it the broker reads one at a time
	FetchBytes        int           // records in one response, 55 MiB
	FetchMemory       int64         // records in all responses, 256 MiB; beyond it a response gets one batch
	Connections       int           // 1,000
	ConnectionsPerIP  int           // 100; not for loopback
	ConnectionsPerSec float64       // 50; not for loopback
	RequestsPerConn   int           // read and not yet answered, 16
	AuthTimeout       time.Duration // for the handshake, 10 s
	IdleTimeout       time.Duration // without a request, 10 min
	FrameTimeout      time.Duration // from a request's first byte to its last, 30 s

	Topics             int // 1,000
	Partitions         int // 10,000
	PartitionsPerTopic int // 1,000

	Producers        int           // whose sequences are remembered, 100,000; beyond it the longest idle ones are forgotten
	ProducerIDExpiry time.Duration // after which an idle producer's sequences are forgotten, 1 day

	TransactionalIDs      int           // 10,000; as many transactions can be open
	TransactionMaxTimeout time.Duration // 15 min
	TransactionalIDExpiry time.Duration // 7 days

	MinFreeBytes uint64 // of the disk, 64 MiB; with less, no records are accepted
}

// Groups times the group coordinator. A zero field takes the default.
type Groups struct {
	MinSessionTimeout     time.Duration // 6 s
	MaxSessionTimeout     time.Duration // 30 min
	InitialRebalanceDelay time.Duration // 0: a group of one process should not wait for others
	MaxGroups             int           // 1,000
	MaxMembers            int           // of one group, 1,000
	MaxMemberBytes        int           // of what is kept of a member: its metadata or subscription, its assignment, 256 KiB
	MaxOffsetMetadata     int           // bytes of text beside a committed offset, 4,096
	OffsetRetention       time.Duration // of a group without members, 7 days; negative keeps offsets for ever

	ConsumerSessionTimeout    time.Duration // of members of the consumer protocol (KIP-848), 45 s
	ConsumerHeartbeatInterval time.Duration // of the same, 5 s

	// What a group can have for itself, by configs of its own (resources of type GROUP), instead of the two above. By
	// default the bounds are as wide as these need.
	MinConsumerSessionTimeout    time.Duration // 45 s
	MaxConsumerSessionTimeout    time.Duration // 60 s
	MinConsumerHeartbeatInterval time.Duration // 5 s
	MaxConsumerHeartbeatInterval time.Duration // 15 s
}

// inProcessHost is the host name that clients of the in-process dialer see. The dialer takes any address.
const (
	inProcessHost = "in-process"
	inProcessPort = 9092
)

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// withDefaults checks c and fills in what it leaves open.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	setDefault(&c.NumPartitions, 1)
	setDefault(&c.SyncEvery, time.Second)
	setDefault(&c.MaintainEvery, 15*time.Second)
	setDefault(&c.RetentionEvery, 5*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Audit == nil {
		c.Audit = c.Logger.With("log", "audit")
	}
	if c.FS == nil {
		c.FS = vfs.Default
		if c.Dir == "" {
			c.FS = vfs.NewMem()
		}
	}
	setDefault(&c.Dir, "memory") // as logs and errors call it
	l := &c.Limits
	setDefault(&l.FrameBytes, 100<<20)
	setDefault(&l.FrameBytesPreAuth, 64<<10)
	setDefault(&l.InFlightBytes, 128<<20)
	setDefault(&l.FetchBytes, 55<<20)
	setDefault(&l.FetchMemory, 256<<20)
	setDefault(&l.MinFreeBytes, 64<<20)
	setDefault(&l.Connections, 1000)
	setDefault(&l.ConnectionsPerIP, 100)
	setDefault(&l.ConnectionsPerSec, 50)
	setDefault(&l.RequestsPerConn, 16)
	setDefault(&l.AuthTimeout, 10*time.Second)
	setDefault(&l.IdleTimeout, 10*time.Minute)
	setDefault(&l.FrameTimeout, 30*time.Second)
	setDefault(&l.Topics, 1000)
	setDefault(&l.Partitions, 10000)
	setDefault(&l.PartitionsPerTopic, 1000)
	setDefault(&l.Producers, 100_000)
	setDefault(&l.ProducerIDExpiry, 24*time.Hour)
	setDefault(&l.TransactionalIDs, 10000)
	setDefault(&l.TransactionMaxTimeout, 15*time.Minute)
	setDefault(&l.TransactionalIDExpiry, 7*24*time.Hour)
	if c.NumPartitions < 1 || int(c.NumPartitions) > l.PartitionsPerTopic {
		errs = append(errs, fmt.Errorf("NumPartitions is %d, want 1 to %d", c.NumPartitions, l.PartitionsPerTopic))
	}
	if c.Sync < SyncNever || c.Sync > SyncAlways {
		errs = append(errs, fmt.Errorf("Sync is %d, want SyncNever, SyncInterval or SyncAlways", int(c.Sync)))
	}
	errs = append(errs,
		atLeast("Limits.FrameBytes", l.FrameBytes, 1024), atLeast("Limits.FrameBytesPreAuth", l.FrameBytesPreAuth, 1024),
		atLeast("Limits.InFlightBytes", l.InFlightBytes, 1024), atLeast("Limits.FetchBytes", l.FetchBytes, 1),
		atLeast("Limits.Connections", l.Connections, 1), atLeast("Limits.ConnectionsPerIP", l.ConnectionsPerIP, 1),
		atLeast("Limits.ConnectionsPerSec", l.ConnectionsPerSec, 0), atLeast("Limits.RequestsPerConn", l.RequestsPerConn, 1),
		atLeast("SyncEvery", c.SyncEvery, time.Millisecond), atLeast("MaintainEvery", c.MaintainEvery, time.Millisecond),
		atLeast("RetentionEvery", c.RetentionEvery, time.Millisecond),
	)
	g := c.groups()
	errs = append(errs,
		within("Groups.ConsumerSessionTimeout", g.ConsumerSessionTimeout, g.MinConsumerSessionTimeout, g.MaxConsumerSessionTimeout),
		within("Groups.ConsumerHeartbeatInterval", g.ConsumerHeartbeatInterval, g.MinConsumerHeartbeatInterval, g.MaxConsumerHeartbeatInterval),
	)
	c.Listeners = c.allListeners()
	errs = append(errs, c.checkListeners(), c.Security.check(), checkConfigs(c.Configs))
	c.Configs = maps.Clone(c.Configs)
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

func atLeast[T int | int64 | float64 | time.Duration](name string, v, low T) error {
	if v < low {
		return fmt.Errorf("%s is %v, want at least %v", name, v, low)
	}
	return nil
}

func within(name string, v, low, high time.Duration) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %v, want %v to %v, which groups can have for themselves", name, v, low, high)
	}
	return nil
}

func splitHostPort(addr string) (string, int32, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return host, int32(n), nil
}

// checkConfigs checks the configurations that give topics their defaults. Others are only shown by DescribeConfigs.
func checkConfigs(configs map[string]string) error {
	var errs []error
	for name, v := range configs {
		_, err := topics.CheckBroker(name, v)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (s Sync) commitlog() commitlog.Sync {
	switch s {
	case SyncInterval:
		return commitlog.SyncInterval
	case SyncAlways:
		return commitlog.SyncAlways
	}
	return commitlog.SyncNone
}
