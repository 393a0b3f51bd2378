package commitlog

// AppendOptions say under which conditions a batch is appended.
type AppendOptions struct {
	// BeginTxn is asked before a transactional batch would begin a transaction of its producer in
	// this partition, or go on with one under a newer epoch (KIP-890). An error refuses the batch
	// and is returned as it is. nil allows everything. It runs with the partition locked: it must
	// not call into this package.
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
	// SpanFrom, if positive, leaves that many bytes of records or more in their file, if that has a descriptor: the result
	// says where they are.
	SpanFrom int
}

// ReadResult is what a read found.
type ReadResult struct {
	// Records holds whole batches, beginning with the one that contains the offset or, in a gap
	// left by compaction, the next one. Never nil. It belongs to the caller.
	Records []byte
	// Buffer is the memory behind Records: the request's buffer or, if that was too small, a new one.
	Buffer []byte
	// Span is where the records are, in place of Records; Len is 0 if they were read. The caller releases it if it is not.
	Span Span
	// Behind: what follows the records is in the next segment, and can be read.
	Behind           bool
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64
	// Aborted lists the aborted transactions that touch the records, by first offset; only with
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
	// LastTimestamp is the wall clock of its last append in ms.
	LastTimestamp int64
	// CoordinatorEpoch is that of the last marker, -1 if there was none.
	CoordinatorEpoch int32
	// TxnFirstOffset is the first offset of its open transaction, -1 if none is open.
	TxnFirstOffset int64
}
