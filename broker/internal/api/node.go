package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/quota"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// NodeID is the broker's id in a cluster of one, leader of every partition.
const NodeID = 1

// Config configures a Node. All fields are required unless they say otherwise.
type Config struct {
	FS     vfs.FS
	Dir    string // meta and log are made in it
	Sync   commitlog.Sync
	Now    func() time.Time
	Logger *slog.Logger
	Audit  *slog.Logger // log-ins, refusals, administrative changes

	NumPartitions    int32
	AutoCreateTopics bool
	Configs          map[string]string // broker configs by their Kafka names
	Shown            map[string]string // further ones that only DescribeConfigs is interested in
	TopicLimits      topics.Limits
	TxnLimits        TxnLimits
	Producers        int           // whose sequences are remembered
	ProducerExpiry   time.Duration // for how long, when they are idle
	Group            group.Config
	Security         SecurityConfig

	MaintainEvery  time.Duration // compaction; segments are looked at at least every second
	RetentionEvery time.Duration // deletion of what is too old
	FlushEvery     time.Duration // with commitlog.SyncInterval
	FetchBytes     int           // of one response, whatever the client asks for
	FetchMemory    int64         // of all responses together; beyond it each gets no more than a batch
	MinFreeBytes   uint64        // of the disk; with less, nothing more is accepted
}

// Node is a broker without its listeners. Its methods may be called from any goroutine.
type Node struct {
	cfg          Config
	db           *metadb.DB
	logs         *commitlog.Store
	topics       *topics.Catalog
	groups       *groups
	groupConfigs *groupConfigs
	txns         *txns
	guard        *guard
	quotas       *quota.Set
	log          *slog.Logger
	cluster      string
	apis         []api

	fetching atomic.Int64 // bytes of records in responses that are not written yet
	full     atomic.Bool  // the disk is

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Open opens the node's data and recovers what an earlier run left.
func Open(cfg Config) (_ *Node, err error) {
	n := &Node{cfg: cfg, log: cfg.Logger}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
		}
	}()
	defer metadb.Recover(&err) // before the one above: what was opened is closed then, too
	meta := cfg.FS.PathJoin(cfg.Dir, "meta")
	if err := cfg.FS.MkdirAll(meta, 0o700); err != nil {
		return nil, fmt.Errorf("create %s: %w", meta, err)
	}
	n.db, err = metadb.Open(cfg.FS, meta, metadb.Options{Sync: cfg.Sync != commitlog.SyncNone, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	undo = append(undo, n.db.Close)
	n.logs, err = commitlog.Open(commitlog.Options{
		FS: cfg.FS, Dir: cfg.FS.PathJoin(cfg.Dir, "log"),
		DB: n.db.Pebble(), Commit: n.db.CommitBatch, KeyPrefix: metadb.Key(metadb.TableManifest),
		Sync: cfg.Sync, Now: cfg.Now, Logger: cfg.Logger, RetentionEvery: cfg.RetentionEvery,
		Producers: cfg.Producers, ProducerExpiry: cfg.ProducerExpiry,
	})
	if err != nil {
		return nil, err
	}
	undo = append(undo, n.logs.Close)
	if n.topics, err = topics.Open(n.db, n.logs, cfg.Configs, cfg.TopicLimits); err != nil {
		return nil, err
	}
	if err := n.reconcile(); err != nil {
		return nil, err
	}
	if n.cluster, err = clusterID(n.db); err != nil {
		return nil, err
	}
	if n.guard, err = openGuard(cfg.Security, n.db, security.LogAudit(cfg.Audit, cfg.Now)); err != nil {
		return nil, err
	}
	if n.quotas, err = openQuotas(n.db); err != nil {
		return nil, err
	}
	if n.groupConfigs, err = openGroupConfigs(n.db, cfg.Group); err != nil {
		return nil, err
	}
	cfg.Group.ConsumerTimes = n.groupConfigs.times
	if n.groups, err = startGroups(cfg.Group, n.db, n.guard, n.topics, cfg.Now, cfg.Logger); err != nil {
		return nil, err
	}
	undo = append(undo, func() error { n.groups.close(); return nil })
	if n.txns, err = openTxns(n.db, n.logs, n.groups, cfg.TxnLimits, cfg.Now, cfg.Logger); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, n.stop = context.WithCancel(context.Background())
	n.every(ctx, time.Second, func(context.Context) { n.txns.tick() })
	n.every(ctx, time.Minute, func(context.Context) { n.txns.sweep() })
	n.checkSpace()
	n.every(ctx, time.Second, func(context.Context) { n.checkSpace() })
	n.every(ctx, min(time.Second, cfg.MaintainEvery, cfg.RetentionEvery), func(ctx context.Context) {
		if err := n.logs.Maintain(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("maintenance of the log", "err", err)
		}
	})
	n.every(ctx, cfg.MaintainEvery, func(ctx context.Context) {
		if err := n.logs.Compact(ctx); err != nil && ctx.Err() == nil {
			n.log.Error("compaction of the log", "err", err)
		}
	})
	if cfg.Sync == commitlog.SyncInterval {
		n.every(ctx, cfg.FlushEvery, func(ctx context.Context) {
			if err := n.logs.Flush(ctx); err != nil && ctx.Err() == nil {
				n.log.Error("flush of the log", "err", err)
			}
		})
	}
	return n, nil
}

// every runs f at an interval, never twice at a time, until the node closes.
func (n *Node) every(ctx context.Context, d time.Duration, f func(context.Context)) {
	n.wg.Go(func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				n.careful(ctx, f)
			case <-ctx.Done():
				return
			}
		}
	})
}

// careful runs f and survives its panics: what it did not do it does the next time.
func (n *Node) careful(ctx context.Context, f func(context.Context)) {
	defer func() {
		if r := recover(); r != nil {
			n.log.Error("background work made the broker panic", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f(ctx)
}

// checkSpace looks at the disk. A full one is worse than one that is not written to any more: Pebble cannot go on when a
// write fails.
func (n *Node) checkSpace() {
	u, err := n.cfg.FS.GetDiskUsage(n.cfg.Dir)
	if err != nil { // not every file system knows
		return
	}
	full := u.AvailBytes < n.cfg.MinFreeBytes
	if n.full.Swap(full) == full {
		return
	}
	if full {
		n.log.Error("the disk is full: nothing more is accepted", "dir", n.cfg.Dir, "free", u.AvailBytes, "needed", n.cfg.MinFreeBytes)
	} else {
		n.log.Info("the disk has room again", "dir", n.cfg.Dir, "free", u.AvailBytes)
	}
}

// reconcile makes the log hold exactly the partitions of the catalogue: a stop may have come between the two.
func (n *Node) reconcile() error {
	deleted, err := n.topics.Deleted()
	if err != nil {
		return err
	}
	for _, t := range deleted {
		if err := n.finishDelete(t); err != nil {
			return err
		}
	}
	snap := n.topics.Snapshot()
	for _, p := range n.logs.Partitions() {
		id := p.ID()
		if t := snap.ByID(id.Topic); t == nil {
			n.log.Info("removing a partition that belongs to no topic", "partition", id.String())
			if err := n.logs.DeleteTopic(id.Topic); err != nil {
				return fmt.Errorf("remove partition %s: %w", id, err)
			}
		}
	}
	for _, t := range snap.All() {
		if err := n.logs.Create(t.ID, partitions(t), t.Settings); err != nil {
			return fmt.Errorf("open the partitions of %s: %w", t.Name, err)
		}
	}
	for _, p := range n.logs.Partitions() {
		if err := p.Err(); err != nil {
			n.log.Error("partition is offline", "partition", p.ID().String(), "err", err)
		}
	}
	return nil
}

// finishDelete removes what is left of a deleted topic.
func (n *Node) finishDelete(t *topics.Topic) error {
	if err := n.logs.DeleteTopic(t.ID); err != nil && commitlog.KindOf(err) != commitlog.KindNotFound {
		return fmt.Errorf("delete the partitions of %s: %w", t.Name, err)
	}
	return n.topics.Forget(t.ID)
}

// applySettings gives every partition its topic's current configs.
func (n *Node) applySettings() {
	for _, t := range n.topics.Snapshot().All() {
		for _, i := range partitions(t) {
			if p, ok := n.logs.Partition(commitlog.PartitionID{Topic: t.ID, Partition: i}); ok {
				p.SetConfig(t.Settings)
			}
		}
	}
}

func partitions(t *topics.Topic) []int32 {
	ps := make([]int32, t.Partitions)
	for i := range ps {
		ps[i] = int32(i)
	}
	return ps
}

// clusterID returns the id that was made when the directory was created.
func clusterID(db *metadb.DB) (string, error) {
	key := metadb.Key(metadb.TableFormat, []byte("cluster"))
	v, ok, err := db.Get(key)
	if err != nil || ok {
		return string(v), err
	}
	var raw [16]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", fmt.Errorf("make a cluster id: %w", err)
	}
	id := base64.RawURLEncoding.EncodeToString(raw[:])
	var b metadb.Batch
	b.Set(key, []byte(id))
	return id, db.Commit(&b)
}

// ClusterID returns the id of this broker's data, stable for as long as the directory lives.
func (n *Node) ClusterID() string { return n.cluster }

// Close stops the background work and closes the data. Listeners must be closed before.
func (n *Node) Close() (err error) {
	defer metadb.Recover(&err)
	n.stop()
	n.wg.Wait()
	n.groups.close()
	return errors.Join(n.logs.Close(), n.db.Close())
}

// brokerConfigs are the read-only configs that DescribeConfigs shows beside those of topics, as a client of a listener
// sees them.
func (n *Node) brokerConfigs(l *wire.Listener) map[string]string {
	address := fmt.Sprintf("%s://%s", l.Name, net.JoinHostPort(l.Host, fmt.Sprint(l.Port)))
	c := map[string]string{
		"broker.id":                        fmt.Sprint(NodeID),
		"node.id":                          fmt.Sprint(NodeID),
		"process.roles":                    "broker,controller",
		"listeners":                        address,
		"advertised.listeners":             address,
		"log.dirs":                         n.cfg.Dir,
		"num.partitions":                   fmt.Sprint(n.cfg.NumPartitions),
		"auto.create.topics.enable":        fmt.Sprint(n.cfg.AutoCreateTopics),
		"default.replication.factor":       "1",
		"offsets.topic.replication.factor": "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.max.timeout.ms":               fmt.Sprint(n.cfg.TxnLimits.MaxTimeout.Milliseconds()),
	}
	maps.Copy(c, n.cfg.Shown)
	for name, v := range n.cfg.Configs {
		if ok, _ := topics.CheckBroker(name, v); !ok { // those are shown with their sources
			c[name] = v
		}
	}
	return c
}
