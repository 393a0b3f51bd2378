package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/millrace-go/millrace/broker/internal/api"
	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// ErrLocked is wrapped by the error of Start when another broker has the directory open.
var ErrLocked = errors.New("the directory is in use by another broker")

// ErrConfig is wrapped by the error of Start when the configuration cannot be.
var ErrConfig = errors.New("broker config")

// Broker is a running broker. Its methods may be called from any goroutine.
type Broker struct {
	cfg    Config
	node   *api.Node
	server *wire.Server
	lock   io.Closer

	sockets   []socket
	inProcess *wire.Listener
	serving   sync.WaitGroup
	stop      context.CancelFunc

	closeOnce sync.Once
	closeErr  error
}

// Start opens the data, recovers what an earlier run left, and serves. The broker runs until Close.
func Start(cfg Config) (*Broker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Broker{stop: stop, cfg: cfg, inProcess: &wire.Listener{Name: "IN_PROCESS", Host: inProcessHost, Port: inProcessPort, Encrypted: true, Trusted: true}}
	if err := b.lockDir(); err != nil {
		stop()
		return nil, err
	}
	if err := b.openSockets(ctx); err != nil {
		stop()
		b.serving.Wait()
		return nil, errors.Join(err, b.closeSockets(), b.lock.Close())
	}
	b.node, err = api.Open(nodeConfig(cfg))
	if err != nil {
		stop()
		b.serving.Wait()
		return nil, errors.Join(fmt.Errorf("open broker in %s: %w", cfg.Dir, err), b.closeSockets(), b.lock.Close())
	}
	b.server = wire.NewServer(api.NewDispatcher(b.node), wireLimits(cfg.Limits), cfg.Logger)
	b.serve()
	cfg.Logger.Info("broker started", "dir", cfg.Dir, "address", b.Addr(), "cluster", b.node.ClusterID(), "sync", cfg.Sync.String())
	return b, nil
}

// ClusterID returns the id of the data, made when the directory was created.
func (b *Broker) ClusterID() string { return b.node.ClusterID() }

// Dialer returns a function that connects to this broker within the process, whatever address it is given. It suits
// kgo.Dialer.
func (b *Broker) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, server := pipe()
		b.server.ServeConn(server, b.inProcess)
		return client, nil
	}
}

// Close stops the broker: it closes the connections, syncs and closes the data and gives up the directory. It is safe
// to call more than once.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() {
		b.stop()
		b.server.Close()
		b.serving.Wait()
		b.closeErr = errors.Join(b.node.Close(), b.lock.Close())
		b.cfg.Logger.Info("broker closed", "dir", b.cfg.Dir)
	})
	return b.closeErr
}

func nodeConfig(c Config) api.Config {
	return api.Config{
		FS: c.FS, Dir: c.Dir, Sync: c.Sync.commitlog(), Now: c.Now, Logger: c.Logger, Audit: c.Audit,
		NumPartitions: c.NumPartitions, AutoCreateTopics: c.AutoCreateTopics, Configs: c.Configs, Shown: c.shown(),
		TopicLimits: topics.Limits{Topics: c.Limits.Topics, Partitions: c.Limits.Partitions, PartitionsPerTopic: c.Limits.PartitionsPerTopic},
		TxnLimits: api.TxnLimits{
			IDs: c.Limits.TransactionalIDs, MaxTimeout: c.Limits.TransactionMaxTimeout, Expiry: c.Limits.TransactionalIDExpiry,
		},
		Group:     c.groups(),
		Security:  c.Security.node(),
		Producers: c.Limits.Producers, ProducerExpiry: c.Limits.ProducerIDExpiry,
		MaintainEvery: c.MaintainEvery, RetentionEvery: c.RetentionEvery, FlushEvery: c.SyncEvery, FetchBytes: c.Limits.FetchBytes,
		FetchMemory: c.Limits.FetchMemory, MinFreeBytes: c.Limits.MinFreeBytes,
	}
}

// groups is what the group coordinator is to know, complete.
func (c Config) groups() group.Config {
	g := c.Groups
	return group.Config{
		MinSessionTimeout: g.MinSessionTimeout, MaxSessionTimeout: g.MaxSessionTimeout, InitialRebalanceDelay: g.InitialRebalanceDelay,
		MaxGroups: g.MaxGroups, MaxMembers: g.MaxMembers, MaxMemberBytes: g.MaxMemberBytes, MaxMetadataBytes: g.MaxOffsetMetadata,
		OffsetRetention: g.OffsetRetention, Log: c.Logger,
		ConsumerSessionTimeout: g.ConsumerSessionTimeout, ConsumerHeartbeatInterval: g.ConsumerHeartbeatInterval,
		MinConsumerSessionTimeout: g.MinConsumerSessionTimeout, MaxConsumerSessionTimeout: g.MaxConsumerSessionTimeout,
		MinConsumerHeartbeatInterval: g.MinConsumerHeartbeatInterval, MaxConsumerHeartbeatInterval: g.MaxConsumerHeartbeatInterval,
	}.WithDefaults()
}

// shown are settings that clients can ask for, by their Kafka names.
func (c Config) shown() map[string]string {
	g := c.groups()
	all := map[string]any{
		"log.cleaner.backoff.ms":                   c.MaintainEvery,
		"log.retention.check.interval.ms":          c.RetentionEvery,
		"group.min.session.timeout.ms":             g.MinSessionTimeout,
		"group.max.session.timeout.ms":             g.MaxSessionTimeout,
		"group.initial.rebalance.delay.ms":         g.InitialRebalanceDelay,
		"group.max.size":                           g.MaxMembers,
		"group.consumer.session.timeout.ms":        g.ConsumerSessionTimeout,
		"group.consumer.heartbeat.interval.ms":     g.ConsumerHeartbeatInterval,
		"group.consumer.min.session.timeout.ms":    g.MinConsumerSessionTimeout,
		"group.consumer.max.session.timeout.ms":    g.MaxConsumerSessionTimeout,
		"group.consumer.min.heartbeat.interval.ms": g.MinConsumerHeartbeatInterval,
		"group.consumer.max.heartbeat.interval.ms": g.MaxConsumerHeartbeatInterval,
		"offset.metadata.max.bytes":                g.MaxMetadataBytes,
		"transactional.id.expiration.ms":           c.Limits.TransactionalIDExpiry,
		"socket.request.max.bytes":                 c.Limits.FrameBytes,
		"queued.max.request.bytes":                 c.Limits.InFlightBytes,
		"fetch.max.bytes":                          c.Limits.FetchBytes,
		"max.connections":                          c.Limits.Connections,
		"max.connections.per.ip":                   c.Limits.ConnectionsPerIP,
		"connections.max.idle.ms":                  c.Limits.IdleTimeout,
		"connections.max.reauth.ms":                c.Security.SessionLifetime,
		"sasl.enabled.mechanisms":                  strings.Join(c.Security.Mechanisms, ","),
	}
	out := make(map[string]string, len(all))
	for name, v := range all {
		if d, ok := v.(time.Duration); ok {
			v = d.Milliseconds()
		}
		out[name] = fmt.Sprint(v)
	}
	return out
}

func wireLimits(l Limits) wire.Limits {
	return wire.Limits{
		FrameBytes: l.FrameBytes, FrameBytesPreAuth: l.FrameBytesPreAuth, InFlightBytes: l.InFlightBytes,
		Connections: l.Connections, ConnectionsPerIP: l.ConnectionsPerIP, ConnectionsPerSec: l.ConnectionsPerSec,
		RequestsPerConn: l.RequestsPerConn, AuthTimeout: l.AuthTimeout, IdleTimeout: l.IdleTimeout,
		FrameTimeout: l.FrameTimeout, WriteTimeout: 30 * time.Second,
	}
}
