package commitlog

// Partition is one partition's log. All methods are safe for concurrent use.
type Partition struct{}

// AppendOptions say under which conditions a batch is appended.
type AppendOptions struct {
	// BeginTxn is asked before a transactional batch would begin a transaction of its producer in
	// this partition, or go on with one under a newer epoch (KIP-890). An error refuses the batch and is returned as it is. nil allows
	// everything. It runs with the partition locked: it must not call into this package.
	BeginTxn func(producerID int64, epoch int16) error
}

// AppendResult says where a batch went.
type AppendResult struct {
	BaseOffset, LastOffset int64
	// LogAppendTime is the time given to the records in ms, -1 if they keep their own.
	LogAppendTime  int64
	LogStartOffset int64
	// Duplicate: the batch was appended before, at BaseOffset; nothing was written.
	Duplicate bool
}

// MarkerResult says what became of a transaction marker.
type MarkerResult struct {
	// Written is false when the producer had no open transaction here: nothing was done.
	Written bool
	Offset  int64
}

// Isolation says what a reader may see.
type Isolation uint8

const (
	// ReadUncommitted reads up to the high watermark.
	ReadUncommitted Isolation = iota
	// ReadCommitted reads up to the last stable offset.
	ReadCommitted
)

// ReadRequest describes a read.
type ReadRequest struct {
	Offset int64
	// MaxBytes bounds the records.
	MaxBytes int
	// MinOneBatch returns the first batch whole even if it is larger than MaxBytes (KIP-74).
	MinOneBatch bool
	Isolation   Isolation
	// Buffer is used for the records if its capacity suffices. It may be nil.
	Buffer []byte
}

// ReadResult is what a read found.
type ReadResult struct {
	// Records holds whole batches, beginning with the one that contains the offset or, in a gap
	// left by compaction, the next one. Never nil. It belongs to the caller.
	Records []byte
	// Buffer is the memory behind Records: the request's buffer or, if that was too small, a new one.
	Buffer           []byte
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	// Aborted lists the aborted transactions that touch Records, by first offset; only with
	// ReadCommitted.
	Aborted []AbortedTxn
}

// AbortedTxn is an aborted transaction of a producer.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
	// LastOffset is the offset of the abort marker.
	LastOffset int64
}

// TimeOffset is an offset found by time.
type TimeOffset struct {
	Offset      int64
	Timestamp   int64
	LeaderEpoch int32
}

// Offsets are the offsets that delimit a partition:
// LogStart <= LastStable <= HighWatermark <= LogEnd.
type Offsets struct {
	LogStart, LastStable, HighWatermark, LogEnd int64
}

// OpenTxn is a transaction that has records here and no marker yet.
type OpenTxn struct {
	ProducerID  int64
	Epoch       int16
	FirstOffset int64
}

// ActiveProducer describes a producer as DescribeProducers does.
type ActiveProducer struct {
	ProducerID int64
	Epoch      int16
	// LastSequence is -1 if no batch of this epoch is remembered.
	LastSequence int32
	// LastTimestamp is the time of its last append in ms.
	LastTimestamp int64
	// CoordinatorEpoch is that of the last marker, -1 if there was none.
	CoordinatorEpoch int32
	// TxnFirstOffset is the first offset of its open transaction, -1 if none is open.
	TxnFirstOffset int64
}

// Waiter is woken when a partition that it watches has something new: records,
// a moved last stable offset or log start, a failure, its deletion. It can watch
// many partitions at a time.
type Waiter struct{ c chan struct{} }

// NewWaiter returns a waiter that watches nothing yet.
func NewWaiter() *Waiter { return &Waiter{c: make(chan struct{}, 1)} }

// C returns the channel that receives a value after a change. Changes between
// two receives are one value.
func (w *Waiter) C() <-chan struct{} { return w.c }

// ID returns the partition's id.
func (p *Partition) ID() PartitionID { return PartitionID{} }

// Err returns nil or why the partition is offline, deleted or closed.
func (p *Partition) Err() error { return nil }

// Config returns the configuration in force.
func (p *Partition) Config() PartitionConfig { return PartitionConfig{} }

// SetConfig changes the configuration; appends and Maintain use it from now on.
func (p *Partition) SetConfig(cfg PartitionConfig) {}

// Append validates one record batch of a client, appends it and waits until it
// is as durable as the store promises. The bytes belong to Append until it
// returns and are changed by it.
func (p *Partition) Append(batch []byte, opts AppendOptions) (AppendResult, error) {
	return AppendResult{}, errorf(KindUnknown, "not there yet")
}

// AppendStart is Append without the wait: the batch is in the log, and must not
// be acknowledged before WaitDurable(LastOffset) returned nil. A produce request
// to several partitions starts all of them, then waits.
func (p *Partition) AppendStart(batch []byte, opts AppendOptions) (AppendResult, error) {
	return AppendResult{}, errorf(KindUnknown, "not there yet")
}

// WaitDurable waits until the record at offset is as durable as the store
// promises: at once, but for [SyncAlways].
func (p *Partition) WaitDurable(offset int64) error { return nil }

// AppendMarker ends the transaction that the producer has open in this
// partition with a commit or abort marker and waits until that is durable. It can be
// repeated: with no transaction open it does nothing.
func (p *Partition) AppendMarker(producerID int64, epoch int16, coordinatorEpoch int32, commit bool) (MarkerResult, error) {
	return MarkerResult{}, errorf(KindUnknown, "not there yet")
}

// Read reads batches.
func (p *Partition) Read(req ReadRequest) (ReadResult, error) {
	return ReadResult{}, errorf(KindUnknown, "not there yet")
}

// Watch makes the partition wake w until Unwatch. To miss nothing, watch first and read then.
func (p *Partition) Watch(w *Waiter) {}

// Unwatch ends what Watch began.
func (p *Partition) Unwatch(w *Waiter) {}

// Offsets returns the partition's offsets, all of one instant.
func (p *Partition) Offsets() Offsets { return Offsets{} }

// OffsetForTime returns the first record whose timestamp is at least timestamp (ms),
// as far as the isolation allows; ok is false if there is none.
func (p *Partition) OffsetForTime(timestamp int64, iso Isolation) (o TimeOffset, ok bool, err error) {
	return TimeOffset{}, false, errorf(KindUnknown, "not there yet")
}

// MaxTimestampOffset returns the first record with the largest timestamp; ok is
// false in an empty log.
func (p *Partition) MaxTimestampOffset(iso Isolation) (o TimeOffset, ok bool, err error) {
	return TimeOffset{}, false, errorf(KindUnknown, "not there yet")
}

// LeaderEpoch returns the current leader epoch. It grows when recovery had to truncate the log.
func (p *Partition) LeaderEpoch() int32 { return 0 }

// EndOffsetForEpoch returns the largest known epoch that is at most the given one, and the
// offset at which it ended: the log end for the current epoch. ok is false for an epoch
// that is larger than the current one (OffsetForLeaderEpoch: -1, -1).
func (p *Partition) EndOffsetForEpoch(epoch int32) (found int32, end int64, ok bool) {
	return 0, 0, false
}

// EpochAt returns the leader epoch of the record at an offset.
func (p *Partition) EpochAt(offset int64) int32 { return 0 }

// DeleteRecordsBefore moves the log start to offset (-1: the high watermark) and returns
// the new log start. It is durable when it returns. An offset past the high watermark is
// [KindOffsetOutOfRange]; one below the log start changes nothing.
func (p *Partition) DeleteRecordsBefore(offset int64) (logStart int64, err error) {
	return 0, errorf(KindUnknown, "not there yet")
}

// ActiveProducers lists the producers that the partition remembers, by id.
func (p *Partition) ActiveProducers() []ActiveProducer { return nil }

// OpenTransactions lists the open transactions, by first offset.
func (p *Partition) OpenTransactions() []OpenTxn { return nil }

// Size returns the bytes of the log's segments.
func (p *Partition) Size() int64 { return 0 }
