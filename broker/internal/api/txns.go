package api

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/txn"
)

// producerIDBlock is how many producer ids one write of the allocator is good for.
const producerIDBlock = 1000

// coordinatorEpoch is what markers carry. There is one coordinator and it never moves.
const coordinatorEpoch = 0

// txns drives the transactions. Locks are taken in this order: entry.mu, a partition's lock, entry.leaf.
type txns struct {
	db     *metadb.DB
	logs   *commitlog.Store
	groups *groups
	now    func() time.Time
	log    *slog.Logger
	limits TxnLimits

	mu   sync.Mutex // guards the map and the allocator
	byID map[string]*entry
	next int64 // the next producer id
	end  int64 // the first id that the stored block does not cover
}

// TxnLimits bound the transactions.
type TxnLimits struct {
	IDs        int           // transactional ids
	MaxTimeout time.Duration // longest timeout a producer may ask for
	Expiry     time.Duration // after which an idle transactional id is forgotten
}

// entry is one transactional id.
type entry struct {
	// mu is held shared while a batch of the transaction is appended, and exclusively by everything else. An end of the
	// transaction therefore waits for appends that have passed their check, and none passes while it runs.
	mu sync.RWMutex
	// leaf guards t among appends, which hold mu shared.
	leaf sync.Mutex
	t    *txn.Txn
	gone bool // forgotten: look the id up again
}

func openTxns(db *metadb.DB, logs *commitlog.Store, g *groups, limits TxnLimits, now func() time.Time, log *slog.Logger) (*txns, error) {
	x := &txns{db: db, logs: logs, groups: g, now: now, log: log, limits: limits, byID: map[string]*entry{}}
	v, ok, err := db.Get(metadb.Key(metadb.TableProducerID))
	if err != nil {
		return nil, err
	}
	if ok {
		if len(v) != 8 {
			return nil, fmt.Errorf("row of the producer id allocator has %d bytes, want 8", len(v))
		}
		x.next = int64(binary.BigEndian.Uint64(v))
		x.end = x.next
	}
	err = db.Scan(metadb.Key(metadb.TableTxn), func(k, v []byte) error {
		t, err := txn.Decode(string(k[1:]), v)
		if err != nil {
			return err
		}
		x.byID[t.ID] = &entry{t: t}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return x, x.recover()
}

// recover brings the transactions, the logs and the staged offsets back together after a stop at any point: what is
// open in a log or has staged offsets is open again, what was prepared is finished, and what belongs to nobody is
// aborted.
func (x *txns) recover() error {
	now := x.now()
	byPID := map[int64]*entry{}
	for _, e := range x.byID {
		byPID[e.t.ProducerID] = e
		if pid, _, _ := e.t.Marker(); e.t.State == txn.PrepareCommit || e.t.State == txn.PrepareAbort {
			byPID[pid] = e
		}
	}
	for _, p := range x.logs.Partitions() {
		for _, o := range p.OpenTransactions() {
			id := txn.Partition(p.ID())
			if e := byPID[o.ProducerID]; e != nil && e.t.Reopen(now, id, o.Epoch) {
				continue
			}
			x.log.Warn("aborting a transaction that no transactional id owns", "partition", id.String(), "producer", o.ProducerID, "epoch", o.Epoch)
			if _, err := p.AppendMarker(o.ProducerID, o.Epoch, coordinatorEpoch, false); err != nil {
				x.log.Error("abort marker was not written", "partition", id.String(), "err", err)
			}
		}
	}
	var staged []int64
	if err := x.groups.look(func(c *group.Coordinator) { staged = c.Staged() }); err != nil {
		return err
	}
	for _, pid := range staged {
		if e := byPID[pid]; e != nil {
			e.t.ReopenOffsets(now)
			continue
		}
		x.log.Warn("dropping staged offsets that no transactional id owns", "producer", pid)
		if err := x.groups.do(func(c *group.Coordinator, done func()) { c.EndTransaction(pid, false, nil, done) }); err != nil {
			return err
		}
	}
	for _, e := range x.byID {
		if e.t.State == txn.PrepareCommit || e.t.State == txn.PrepareAbort {
			if err := x.finish(e); err != nil {
				x.log.Error("a prepared transaction is not finished yet", "id", e.t.ID, "err", err)
			}
		}
	}
	return nil
}

// newProducerID returns an id that was never given out.
func (x *txns) newProducerID() (int64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.next == x.end {
		var b metadb.Batch
		b.Set(metadb.Key(metadb.TableProducerID), binary.BigEndian.AppendUint64(nil, uint64(x.end+producerIDBlock)))
		if err := x.db.Commit(&b); err != nil {
			return 0, fmt.Errorf("allocate producer ids: %w", err)
		}
		x.end += producerIDBlock
	}
	x.next++
	return x.next - 1, nil
}

// get returns the entry of a transactional id, nil if it is unknown.
func (x *txns) get(id string) *entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.byID[id]
}

// all returns every entry, in no order.
func (x *txns) all() []*entry {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Values(x.byID))
}

// lock returns the entry of an id, locked exclusively, or nil.
func (x *txns) lock(id string) *entry {
	for {
		e := x.get(id)
		if e == nil {
			return nil
		}
		e.mu.Lock()
		if !e.gone {
			return e
		}
		e.mu.Unlock()
	}
}

// make returns the entry of an id, locked exclusively, creating it if need be.
func (x *txns) make(id string) (*entry, error) {
	if e := x.lock(id); e != nil {
		return e, nil
	}
	pid, err := x.newProducerID()
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	if x.byID[id] == nil {
		if len(x.byID) >= x.limits.IDs {
			x.mu.Unlock()
			return nil, errTooManyTxns
		}
		x.byID[id] = &entry{t: txn.New(id, pid, x.now())}
	}
	x.mu.Unlock()
	return x.make(id)
}

var errTooManyTxns = errors.New("too many transactional ids")

// spare returns a producer id if the entry's next change of epoch needs one.
func (x *txns) spare(e *entry) (int64, error) {
	if !e.t.Exhausted() {
		return -1, nil
	}
	return x.newProducerID()
}

func (x *txns) store(e *entry) error {
	var b metadb.Batch
	b.Set(metadb.Key(metadb.TableTxn, []byte(e.t.ID)), e.t.AppendTo(nil))
	return x.db.Commit(&b)
}

// step does what a call on the entry asked for and reports whether the call is to be made again.
func (x *txns) step(e *entry, s txn.Step) (again bool, err error) {
	switch s {
	case txn.Store:
		return false, x.store(e)
	case txn.Finish, txn.FinishFirst:
		return s == txn.FinishFirst, x.finish(e)
	}
	return false, nil
}

// finish ends a prepared transaction. The commit point is its first line: what follows is done again after a crash.
// The caller holds e.mu exclusively.
func (x *txns) finish(e *entry) error {
	if err := x.store(e); err != nil {
		return err
	}
	pid, epoch, commit := e.t.Marker()
	if err := x.markers(e.t.SortedPartitions(), pid, epoch, commit); err != nil {
		return err
	}
	staged := len(e.t.Groups) > 0
	e.t.Complete(x.now())
	if !staged {
		return x.store(e)
	}
	row := group.Write{Key: append([]byte{foreign}, metadb.Key(metadb.TableTxn, []byte(e.t.ID))...), Value: e.t.AppendTo(nil)}
	return x.groups.do(func(c *group.Coordinator, done func()) {
		c.EndTransaction(pid, commit, []group.Write{row}, done)
	})
}

// markers writes the markers, at the same time where each waits for the disk.
func (x *txns) markers(ps []txn.Partition, pid int64, epoch int16, commit bool) error {
	errs := make([]error, len(ps))
	write := func(i int) {
		p, ok := x.logs.Partition(commitlog.PartitionID(ps[i]))
		if !ok {
			return // the topic was deleted
		}
		_, err := p.AppendMarker(pid, epoch, coordinatorEpoch, commit)
		if err != nil && commitlog.KindOf(err) != commitlog.KindNotFound {
			errs[i] = fmt.Errorf("marker in %s: %w", ps[i], err)
		}
	}
	if len(ps) == 1 {
		write(0)
		return errs[0]
	}
	var wg sync.WaitGroup
	for i := range ps {
		wg.Go(func() { write(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tick aborts transactions that have lasted too long, tries again to finish those that are prepared, and forgets ids
// that nobody uses.
func (x *txns) tick() {
	for _, e := range x.all() {
		if err := x.tickOne(e); err != nil {
			x.log.Error("transaction is not finished yet", "id", e.t.ID, "err", err)
		}
	}
}

func (x *txns) tickOne(e *entry) error {
	if !e.mu.TryLock() {
		return nil // in use: not idle, and its user finishes it
	}
	defer e.mu.Unlock()
	now := x.now()
	switch {
	case e.gone:
	case e.t.State == txn.PrepareCommit || e.t.State == txn.PrepareAbort:
		return x.finish(e)
	case e.t.TimedOut(now):
		pid, err := x.spare(e)
		if err != nil {
			return err
		}
		x.log.Info("aborting a transaction that timed out", "id", e.t.ID, "producer", e.t.ProducerID, "timeout", e.t.Timeout)
		_, err = x.step(e, e.t.Abort(now, pid))
		return err
	case e.t.Expired(now, x.limits.Expiry):
		var b metadb.Batch
		b.Delete(metadb.Key(metadb.TableTxn, []byte(e.t.ID)))
		if err := x.db.Commit(&b); err != nil {
			return err
		}
		e.gone = true
		x.mu.Lock()
		delete(x.byID, e.t.ID)
		x.mu.Unlock()
	}
	return nil
}

// sweep aborts transactions that are open in a log although no transactional id knows of them: a partition that was
// offline when the transaction ended, and came back. Nobody else would, and readers would wait for ever.
func (x *txns) sweep() {
	byPID := map[int64]*entry{}
	for _, e := range x.all() {
		e.mu.Lock()
		byPID[e.t.ProducerID] = e
		e.mu.Unlock()
	}
	for _, p := range x.logs.Partitions() {
		for _, o := range p.OpenTransactions() {
			if err := x.sweepOne(p, o, byPID[o.ProducerID]); err != nil {
				x.log.Error("a transaction that nobody owns is not aborted", "partition", p.ID().String(), "producer", o.ProducerID, "err", err)
			}
		}
	}
}

func (x *txns) sweepOne(p *commitlog.Partition, o commitlog.OpenTxn, e *entry) error {
	if e != nil {
		if !e.mu.TryLock() {
			return nil // in use, so it is not forgotten
		}
		defer e.mu.Unlock()
		prepared := e.t.State == txn.PrepareCommit || e.t.State == txn.PrepareAbort
		if prepared || e.t.Epoch == o.Epoch && e.t.Has(txn.Partition(p.ID())) {
			return nil
		}
		if !slices.Contains(p.OpenTransactions(), o) {
			return nil // it has ended since it was listed
		}
	}
	x.log.Warn("aborting a transaction that no transactional id owns", "partition", p.ID().String(), "producer", o.ProducerID, "epoch", o.Epoch)
	_, err := p.AppendMarker(o.ProducerID, o.Epoch, coordinatorEpoch, false)
	return err
}

// append guards the append of a transactional batch: f runs while the transaction cannot end. implicit says that the
// batch itself registers its partition.
func (x *txns) append(id string, pid int64, epoch int16, p txn.Partition, implicit bool, f func(commitlog.AppendOptions) error) (code int16, err error) {
	e := x.get(id)
	if e == nil {
		return kerr.InvalidProducerIDMapping.Code, nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	e.leaf.Lock()
	code = e.t.CheckProduce(pid, epoch)
	e.leaf.Unlock()
	if e.gone {
		code = kerr.InvalidProducerIDMapping.Code
	}
	if code != 0 {
		return code, nil
	}
	refused := false
	err = f(commitlog.AppendOptions{BeginTxn: func(int64, int16) error {
		e.leaf.Lock()
		defer e.leaf.Unlock()
		if !implicit && !e.t.Has(p) {
			refused = true
			return errNotInTxn
		}
		e.t.AddPartition(x.now(), p)
		return nil
	}})
	if refused {
		return kerr.InvalidTxnState.Code, nil
	}
	return 0, err
}

var errNotInTxn = errors.New("the partition is not part of the producer's transaction")
