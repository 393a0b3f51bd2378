package commitlog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"golang.org/x/sync/errgroup"
)

// TopicID is a topic's id (a UUID).
type TopicID = [16]byte

// PartitionID names a partition.
type PartitionID struct {
	Topic     TopicID
	Partition int32
}

// String returns the topic id in hex, a dash and the partition: the name of the partition's directory.
func (id PartitionID) String() string {
	return hex.EncodeToString(id.Topic[:]) + "-" + strconv.Itoa(int(id.Partition))
}

func (id PartitionID) compare(o PartitionID) int {
	return cmp.Or(bytes.Compare(id.Topic[:], o.Topic[:]), cmp.Compare(id.Partition, o.Partition))
}

// Store holds the partitions of one directory. All methods are safe for
// concurrent use.
type Store struct {
	opts    Options
	handles *handleCache

	// mu guards the set of partitions. It is taken before a partition's locks.
	mu         sync.RWMutex
	partitions map[PartitionID]*Partition
	closed     bool

	// retainAt is when Maintain next deletes what is too old. Only Maintain uses it, which never runs twice at a time.
	retainAt time.Time
	// full: there is less free space than Options.MinFree wants.
	full atomic.Bool
	// producers is about how many producers the partitions know: Maintain counts them, appends add to that.
	producers atomic.Int64
	// closing tells a running compaction to stop.
	closing atomic.Bool
}

// Open opens the store, recovers all its partitions and removes files that no
// manifest names. A partition that cannot be recovered does not fail Open: it is
// offline, [Partition.Err] says why.
//
// Partitions are opened with [DefaultPartitionConfig]: set theirs with
// [Partition.SetConfig] before the first Maintain.
func Open(opts Options) (*Store, error) {
	s := &Store{opts: opts.withDefaults(), partitions: make(map[PartitionID]*Partition)}
	s.retainAt = s.opts.Now().Add(min(s.opts.RetentionEvery, firstRetention))
	s.handles = newHandleCache(s.opts.MaxOpenFiles, s.opts.IndexMemory)
	if err := s.opts.FS.MkdirAll(s.opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	if err := syncDir(s.opts.FS, s.opts.FS.PathDir(s.opts.Dir)); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	manifests, err := s.loadManifests()
	if err != nil {
		return nil, err
	}
	if err := s.removeOrphans(manifests); err != nil {
		return nil, err
	}
	var g errgroup.Group
	g.SetLimit(s.opts.RecoveryWorkers)
	for id, m := range manifests {
		p := s.newPartition(id, DefaultPartitionConfig())
		s.partitions[id] = p
		g.Go(func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.recoverFrom(m)
			return nil
		})
	}
	return s, g.Wait()
}

// newPartition returns a partition that has not been recovered yet.
func (s *Store) newPartition(id PartitionID, cfg PartitionConfig) *Partition {
	p := &Partition{
		store: s, id: id, dir: s.opts.FS.PathJoin(s.opts.Dir, id.String()),
		log: s.opts.Logger.With("partition", id.String()), snapshotOffset: -1, suspectFrom: -1,
	}
	p.syncDone = sync.NewCond(&p.mu)
	p.SetConfig(cfg)
	return p
}

// removeOrphans removes the directories of partitions that were deleted.
func (s *Store) removeOrphans(manifests map[PartitionID]manifest) error {
	names, err := s.opts.FS.List(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("log directory: %w", err)
	}
	live := make(map[string]bool, len(manifests))
	for id := range manifests {
		live[id.String()] = true
	}
	for _, name := range names {
		if !live[name] {
			if err := s.opts.FS.RemoveAll(s.opts.FS.PathJoin(s.opts.Dir, name)); err != nil {
				return fmt.Errorf("remove %s, which no manifest names: %w", name, err)
			}
		}
	}
	return nil
}

// deleteRange deletes rows.
func (s *Store) deleteRange(from, to []byte) error {
	b := s.opts.DB.NewBatch()
	defer b.Close()
	if err := b.DeleteRange(from, to, nil); err != nil {
		return err
	}
	return s.opts.Commit(b)
}

// Create creates partitions of a topic, all or none; those that exist are left
// alone but get the configuration. It is durable when it returns.
func (s *Store) Create(topic TopicID, partitions []int32, cfg PartitionConfig) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStoreClosed
	}
	b := s.opts.DB.NewBatch()
	defer b.Close()
	var created []*Partition
	for _, n := range partitions {
		id := PartitionID{topic, n}
		if p := s.partitions[id]; p != nil {
			p.SetConfig(cfg)
			continue
		}
		m := newManifest()
		if err := b.Set(s.rowKey(id, rowManifest), m.encode(), nil); err != nil {
			return wrap(KindStorage, err, "create %s", id)
		}
		p := s.newPartition(id, cfg)
		p.man = m
		p.producers = newProducerTable()
		p.abortedMax = -1
		p.resetActive()
		p.publish()
		created = append(created, p)
	}
	if err := s.opts.Commit(b); err != nil {
		return wrap(KindStorage, err, "create partitions of topic %x", topic)
	}
	for _, p := range created {
		s.partitions[p.id] = p
	}
	return nil
}

var errStoreClosed = errorf(KindClosed, "the log has been closed")

// Partition returns an open partition; ok is false if there is none of that id.
func (s *Store) Partition(id PartitionID) (p *Partition, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok = s.partitions[id]
	return p, ok
}

// Partitions returns all partitions, ordered by id.
func (s *Store) Partitions() []*Partition {
	s.mu.RLock()
	all := make([]*Partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		all = append(all, p)
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Partition) int { return a.id.compare(b.id) })
	return all
}

// DeleteTopic deletes all partitions of a topic. It is durable when it returns;
// readers and waiters of the partitions get [KindNotFound].
func (s *Store) DeleteTopic(topic TopicID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStoreClosed
	}
	var deleted []*Partition
	for id, p := range s.partitions {
		if id.Topic == topic {
			deleted = append(deleted, p)
			// Nobody may commit a manifest between the deletion of the rows and the end of the partition.
			// This is the only place where two of these locks are held.
			p.mu.Lock()
		}
	}
	prefix := append(slices.Clone(s.opts.KeyPrefix), topic[:]...)
	err := s.deleteRange(prefix, prefixEnd(prefix))
	for _, p := range deleted {
		if err == nil {
			delete(s.partitions, p.id)
			p.shut(errorf(KindNotFound, "partition %s has been deleted", p.id))
		}
		p.mu.Unlock()
	}
	if err != nil {
		return wrap(KindStorage, err, "delete topic %x", topic)
	}
	var errs []error
	for _, p := range deleted {
		// What cannot be removed now is removed when the store opens.
		if err := s.opts.FS.RemoveAll(p.dir); err != nil && !oserror.IsNotExist(err) {
			errs = append(errs, fmt.Errorf("delete partition %s: %w", p.id, err))
		}
	}
	return errors.Join(errs...)
}

// shut ends the use of the partition with an error and gives its files back. p.mu is held.
func (p *Partition) shut(reason error) {
	p.err = reason
	p.end()
	p.closeFiles()
}

// closeFiles gives all files back. The partition is offline or shut: no reader finds them. p.mu is held.
func (p *Partition) closeFiles() {
	for _, u := range p.unsynced {
		u.handle.release()
	}
	p.unsynced = nil
	if h := p.active.handle; h != nil {
		p.active.handle = nil
		p.publish()
		if err := h.release(); err != nil {
			p.log.Warn("active segment not closed", "err", err)
		}
	}
	p.store.handles.dropAll(p)
}

// Flush syncs every partition that has unsynced data and saves producer
// snapshots that are due. With [SyncInterval] the caller runs it at its interval;
// it does not hold up appends or reads.
func (s *Store) Flush(ctx context.Context) error {
	var errs []error
	for _, p := range s.Partitions() {
		if ctx.Err() != nil {
			break
		}
		errs = append(errs, p.flush())
	}
	return errors.Join(errs...)
}

// Close syncs and closes every partition. Calls in flight end with [KindClosed].
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.closing.Store(true)
	var g errgroup.Group
	g.SetLimit(max(4, s.opts.RecoveryWorkers))
	for _, p := range s.partitions {
		g.Go(p.close)
	}
	return g.Wait()
}

// close saves what makes the next start short and gives the files back.
func (p *Partition) close() error {
	p.maintenance.Lock() // a running compaction sees that the store is closed
	defer p.maintenance.Unlock()
	err := p.saveSnapshot()
	p.saving.Lock()
	defer p.saving.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		err = nil // offline, and logged when that happened: recovery will see to it
	}
	for p.syncing {
		p.syncDone.Wait()
	}
	p.shut(errStoreClosed)
	return err
}
