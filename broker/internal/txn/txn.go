package txn

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// State is where a transaction stands.
type State uint8

// The states. The numbers are stored.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
)

// String returns Kafka's name of the state.
func (s State) String() string {
	switch s {
	case Empty:
		return "Empty"
	case Ongoing:
		return "Ongoing"
	case PrepareCommit:
		return "PrepareCommit"
	case PrepareAbort:
		return "PrepareAbort"
	case CompleteCommit:
		return "CompleteCommit"
	case CompleteAbort:
		return "CompleteAbort"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Partition names a partition by its topic's id.
type Partition struct {
	Topic     [16]byte
	Partition int32
}

// String returns the topic id in hexadecimal, a dash and the partition.
func (p Partition) String() string {
	return fmt.Sprintf("%s-%d", hex.EncodeToString(p.Topic[:]), p.Partition)
}

// lastEpoch is the highest epoch a producer id is used with; one more is left for the marker that fences it.
const lastEpoch = math.MaxInt16 - 1

// none is the absent producer id and the absent epoch of the protocol.
const none = -1

// Txn is the state of one transactional id.
type Txn struct {
	ID string
	// ProducerID and Epoch are what the current producer uses. Epoch is none before the first Init.
	ProducerID int64
	Epoch      int16
	// LastEpoch is the epoch before the latest change: a client that did not get the answer still has it. It is none
	// when a new instance has taken over, from which nobody recovers.
	LastEpoch int16
	// PrevProducerID is the producer id before an exhausted epoch gave way to a new one, none as LastEpoch is.
	PrevProducerID int64

	Timeout time.Duration
	State   State
	// Started is when the open transaction began, Updated when anything changed.
	Started, Updated time.Time

	Partitions map[Partition]struct{}
	Groups     map[string]struct{}

	// markerProducerID and markerEpoch are those of the ending transaction's markers.
	markerProducerID int64
	markerEpoch      int16
}

// New returns the state of a transactional id that nobody has used yet.
func New(id string, producerID int64, now time.Time) *Txn {
	return &Txn{
		ID: id, ProducerID: producerID, Epoch: none, LastEpoch: none, PrevProducerID: none, Updated: now,
		Partitions: map[Partition]struct{}{}, Groups: map[string]struct{}{},
	}
}

// Code is a Kafka error code, 0 for none.
type Code = int16

// Step says what the driver has to do next.
type Step uint8

// The steps.
const (
	// Answer: nothing more, the code and the producer id and epoch of the Txn are the answer.
	Answer Step = iota
	// Store: store the Txn, then as Answer.
	Store
	// Finish: store the Txn, write the markers, call Complete, store again.
	Finish
	// FinishFirst: as Finish, then make the same call again.
	FinishFirst
)

// Init takes over the transactional id for a new instance of a producer, or for one that recovers and still knows
// (pid, epoch); both are none if it does not. An open transaction is aborted first. nextPID is used when Exhausted.
// Who recovers keeps the right to ask again with what it knew; a new instance ends that right for all before it: an old
// one that recovered would write under the new one's epoch.
func (t *Txn) Init(now time.Time, timeout time.Duration, pid int64, epoch int16, nextPID int64) (Step, Code) {
	recovering := pid != none
	if recovering && !t.knows(pid, epoch) {
		return Answer, kerr.ProducerFenced.Code
	}
	switch t.State {
	case PrepareCommit, PrepareAbort:
		return FinishFirst, 0
	case Ongoing:
		t.prepare(now, PrepareAbort, true, nextPID)
		return FinishFirst, 0
	}
	t.Timeout, t.Updated = timeout, now
	if recovering && pid == t.ProducerID && epoch == t.LastEpoch && epoch != t.Epoch {
		// The answer to an earlier Init, or the bump of an abort by timeout: the caller is the owner already.
		return Store, 0
	}
	t.bump(nextPID)
	if !recovering {
		t.LastEpoch, t.PrevProducerID = none, none
	}
	t.State = Empty
	return Store, 0
}

// knows reports whether (pid, epoch) is the current producer or the one it was before the latest change. Of an id that
// nobody has used, or that is forgotten, everything is believed.
func (t *Txn) knows(pid int64, epoch int16) bool {
	switch {
	case t.Epoch == none:
		return true
	case pid == t.ProducerID:
		return epoch == t.Epoch || epoch == t.LastEpoch
	case pid == t.PrevProducerID:
		return epoch >= lastEpoch-1
	}
	return false
}

// Exhausted reports whether the next change of the epoch needs a new producer id.
func (t *Txn) Exhausted() bool { return t.Epoch >= lastEpoch }

func (t *Txn) bump(nextPID int64) {
	if t.Exhausted() {
		t.PrevProducerID, t.ProducerID = t.ProducerID, nextPID
		t.LastEpoch, t.Epoch = t.Epoch, 0
		return
	}
	t.LastEpoch = t.Epoch
	t.Epoch++
}

// check says whether a request of (pid, epoch) may go on.
func (t *Txn) check(pid int64, epoch int16) Code {
	switch {
	case pid != t.ProducerID || t.Epoch == none:
		return kerr.InvalidProducerIDMapping.Code
	case epoch != t.Epoch:
		return kerr.ProducerFenced.Code
	case t.State == PrepareCommit || t.State == PrepareAbort:
		return kerr.ConcurrentTransactions.Code
	}
	return 0
}

// begin opens a transaction if none is open.
func (t *Txn) begin(now time.Time) {
	t.Updated = now
	if t.State != Ongoing {
		t.State, t.Started = Ongoing, now
		clear(t.Partitions)
		clear(t.Groups)
	}
}

// CheckProduce says whether a transactional batch of (pid, epoch) may be appended.
func (t *Txn) CheckProduce(pid int64, epoch int16) Code {
	code := t.check(pid, epoch)
	if code == kerr.ProducerFenced.Code {
		return kerr.InvalidProducerEpoch.Code
	}
	return code
}

// AddPartition registers a partition, opening a transaction if need be. The driver does not have to store it: after a
// restart the partition's log says that a transaction is open there; see Reopen.
func (t *Txn) AddPartition(now time.Time, p Partition) {
	t.begin(now)
	t.Partitions[p] = struct{}{}
}

// Has reports whether the partition belongs to the open transaction.
func (t *Txn) Has(p Partition) bool {
	_, ok := t.Partitions[p]
	return ok && t.State == Ongoing
}

// AddPartitions registers partitions for a client of transaction version 1.
func (t *Txn) AddPartitions(now time.Time, pid int64, epoch int16, ps []Partition) (Step, Code) {
	if code := t.check(pid, epoch); code != 0 {
		return Answer, code
	}
	if !slices.ContainsFunc(ps, func(p Partition) bool { return !t.Has(p) }) {
		return Answer, 0
	}
	for _, p := range ps {
		t.AddPartition(now, p)
	}
	return Store, 0
}

// AddGroup registers a group whose offsets the transaction commits.
func (t *Txn) AddGroup(now time.Time, pid int64, epoch int16, group string) (Step, Code) {
	if code := t.check(pid, epoch); code != 0 {
		return Answer, code
	}
	if t.HasGroup(group) {
		return Answer, 0
	}
	t.begin(now)
	t.Groups[group] = struct{}{}
	return Store, 0
}

// HasGroup reports whether the group belongs to the open transaction.
func (t *Txn) HasGroup(group string) bool {
	_, ok := t.Groups[group]
	return ok && t.State == Ongoing
}

// End ends the open transaction. v2 is set for clients of transaction version 2, which may abort when nothing is open
// and whose repeated requests are told by the epoch.
func (t *Txn) End(now time.Time, pid int64, epoch int16, commit, v2 bool, nextPID int64) (Step, Code) {
	want, done := PrepareAbort, CompleteAbort
	if commit {
		want, done = PrepareCommit, CompleteCommit
	}
	retry := v2 && (pid == t.ProducerID && epoch == t.LastEpoch && epoch != t.Epoch ||
		pid == t.PrevProducerID && pid != t.ProducerID && epoch >= lastEpoch-1)
	switch {
	case retry:
	case pid != t.ProducerID || t.Epoch == none:
		return Answer, kerr.InvalidProducerIDMapping.Code
	case epoch != t.Epoch:
		return Answer, kerr.ProducerFenced.Code
	}
	switch t.State {
	case Ongoing:
		if retry {
			return Answer, kerr.ProducerFenced.Code
		}
		t.prepare(now, want, v2, nextPID)
		return Finish, 0
	case PrepareCommit, PrepareAbort:
		if t.State != want {
			return Answer, kerr.InvalidTxnState.Code
		}
		return FinishFirst, 0
	case CompleteCommit, CompleteAbort:
		// Version 1 cannot tell a repeated end from one without a transaction, version 2 can.
		if t.State == done && (retry || !v2) {
			return Answer, 0
		}
	case Empty:
	}
	if v2 && !commit && !retry {
		t.prepare(now, PrepareAbort, true, nextPID)
		return Finish, 0
	}
	return Answer, kerr.InvalidTxnState.Code
}

// TimedOut reports whether the open transaction has lasted longer than its producer allowed.
func (t *Txn) TimedOut(now time.Time) bool {
	return t.State == Ongoing && now.Sub(t.Started) > t.Timeout
}

// Abort ends the open transaction on the broker's behalf and fences its producer: after a timeout, or because an
// operator asked.
func (t *Txn) Abort(now time.Time, nextPID int64) Step {
	if t.State != Ongoing {
		return Answer
	}
	t.prepare(now, PrepareAbort, true, nextPID)
	return Finish
}

func (t *Txn) prepare(now time.Time, s State, bump bool, nextPID int64) {
	if t.State != Ongoing { // an abort with nothing to abort
		clear(t.Partitions)
		clear(t.Groups)
		t.Started = now
	}
	t.State, t.Updated = s, now
	t.markerProducerID, t.markerEpoch = t.ProducerID, t.Epoch
	if bump {
		// The markers carry the next epoch, so that the partitions refuse what the ended transaction's producer may
		// still have on its way.
		t.markerEpoch++
		t.bump(nextPID)
	}
}

// Marker returns the producer id and epoch of the ending transaction's markers and whether they commit.
func (t *Txn) Marker() (pid int64, epoch int16, commit bool) {
	return t.markerProducerID, t.markerEpoch, t.State == PrepareCommit
}

// Complete says that all markers are written.
func (t *Txn) Complete(now time.Time) {
	switch t.State {
	case PrepareCommit:
		t.State = CompleteCommit
	case PrepareAbort:
		t.State = CompleteAbort
	default:
		panic(fmt.Sprintf("txn: complete in state %s", t.State))
	}
	t.Updated = now
	clear(t.Partitions)
	clear(t.Groups)
}

// Reopen registers a partition in which a transaction of this id was found open at start. It reports false if the
// transaction is not the current one: then nobody will end it, and it is to be aborted.
func (t *Txn) Reopen(now time.Time, p Partition, epoch int16) bool {
	switch t.State {
	case PrepareCommit, PrepareAbort:
		t.Partitions[p] = struct{}{}
		return true
	}
	if epoch != t.Epoch {
		return false
	}
	t.AddPartition(now, p)
	return true
}

// ReopenOffsets registers that staged offsets of this producer were found at start.
func (t *Txn) ReopenOffsets(now time.Time) {
	switch t.State {
	case PrepareCommit, PrepareAbort:
	default:
		t.begin(now)
	}
	t.Groups[""] = struct{}{}
}

// Expired reports whether nothing has happened for so long that the id can be forgotten.
func (t *Txn) Expired(now time.Time, after time.Duration) bool {
	switch t.State {
	case Empty, CompleteCommit, CompleteAbort:
		return now.Sub(t.Updated) > after
	}
	return false
}

// SortedPartitions returns the partitions of the transaction in a fixed order.
func (t *Txn) SortedPartitions() []Partition {
	return slices.SortedFunc(maps.Keys(t.Partitions), func(a, b Partition) int {
		return cmp.Or(slices.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Partition, b.Partition))
	})
}
