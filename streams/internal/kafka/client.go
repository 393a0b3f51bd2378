// Package kafka implements the runtime's view of Kafka with kgo: group consumer, producer, changelog reader, topic administration.
package kafka

import (
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/millrace-go/millrace/internal/version"
	"github.com/millrace-go/millrace/topology"
)

// Config is what the clients need.
type Config struct {
	Seeds          []string
	ApplicationID  string
	ClientID       string // prefix of the clients' ids: "<application id>-<process id>"
	ProcessID      string // kept in the state directory; part of transactional and instance ids
	ExactlyOnce    bool
	Static         bool // static membership by ProcessID
	SessionTimeout time.Duration
	Rebalance      time.Duration // how long a member may take to join again
	TxnTimeout     time.Duration
	Linger         time.Duration
	Reset          topology.ResetKind // where a partition starts that has no committed offset
	Options        []kgo.Opt          // the user's own, last
	Logger         *slog.Logger

	told told
}

// optionsError is a client's refusal of its options: they would be refused again.
type optionsError struct{ err error }

func (e *optionsError) Error() string { return e.err.Error() + ": see Config.Kafka.Options" }
func (e *optionsError) Unwrap() error { return e.err }

// open makes a client of options, of the user's own behind them, and of what has to be behind those.
func (c *Config) open(opts []kgo.Opt, last ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(slices.Concat(opts, c.Options, last)...)
	if err != nil {
		return nil, &optionsError{err}
	}
	return cl, nil
}

// lasting are the options of clients that outlive their connections. They are made when the broker has answered to others: a
// connection that ends before its first answer is no sign of a wrong protocol any more, for which the client would take it, but
// of a broker that goes away.
func (c *Config) lasting(id string) []kgo.Opt { return append(c.common(id), kgo.AlwaysRetryEOF()) }

// common are the options of all clients.
func (c *Config) common(id string) []kgo.Opt {
	versions := kversion.Stable()
	// TxnOffsetCommit v6, OffsetCommit v10 and OffsetFetch v10 name topics by id; v5 is what transaction version 2 needs (KIP-890).
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 5)
	versions.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9)
	versions.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
	return []kgo.Opt{
		kgo.SeedBrokers(c.Seeds...),
		kgo.ClientID(id),
		kgo.SoftwareNameAndVersion("millrace", version.Version),
		kgo.MaxVersions(versions),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MaxDecompressBatchBytes(64 << 20),
		kgo.WithLogger(c.clientLog()),
		kgo.DisableClientMetrics(),
	}
}
