package commitlog

import (
	"errors"
	"fmt"
)

// Kind says what went wrong, in the terms of the Kafka protocol.
type Kind uint8

// The kinds of errors. Retriable means that the same request can succeed later.
const (
	KindUnknown Kind = iota
	// KindOffsetOutOfRange: the offset is below the log start or past the high watermark.
	KindOffsetOutOfRange
	// KindCorrupt: the batch's length or checksum is wrong. Retriable: it was damaged on its way.
	KindCorrupt
	// KindInvalidRecord: the batch is well formed and breaks a rule. Not retriable.
	KindInvalidRecord
	// KindUnsupportedFormat: a message format other than version 2.
	KindUnsupportedFormat
	// KindUnsupportedCompression: the codec is unknown.
	KindUnsupportedCompression
	// KindTooLarge: the batch is larger than max.message.bytes.
	KindTooLarge
	// KindSegmentTooSmall: the batch is larger than segment.bytes.
	KindSegmentTooSmall
	// KindInvalidTimestamp: a timestamp outside of the topic's bounds.
	KindInvalidTimestamp
	// KindOutOfOrderSequence: the sequence is neither the next one nor that of a remembered batch.
	KindOutOfOrderSequence
	// KindInvalidProducerEpoch: a newer instance of this producer has taken over.
	KindInvalidProducerEpoch
	// KindCoordinatorFenced: a marker of an older coordinator epoch.
	KindCoordinatorFenced
	// KindInvalidTxnState: a batch outside of a transaction from a producer that has one open, or
	// the opposite.
	KindInvalidTxnState
	// KindStorage: the partition is offline after a failed write, fsync or recovery. Retriable.
	KindStorage
	// KindNotFound: the partition was deleted or does not exist.
	KindNotFound
	// KindClosed: the store has been closed. Retriable, on another connection.
	KindClosed
)

// kinds holds the name and the Kafka error code of each kind.
var kinds = [...]struct {
	name string
	code int16
}{
	KindUnknown:                {"unknown error", -1},
	KindOffsetOutOfRange:       {"offset out of range", 1},
	KindCorrupt:                {"corrupt message", 2},
	KindInvalidRecord:          {"invalid record", 87},
	KindUnsupportedFormat:      {"unsupported message format", 43},
	KindUnsupportedCompression: {"unsupported compression type", 76},
	KindTooLarge:               {"message too large", 10},
	KindSegmentTooSmall:        {"record list too large", 18},
	KindInvalidTimestamp:       {"invalid timestamp", 32},
	KindOutOfOrderSequence:     {"out of order sequence number", 45},
	KindInvalidProducerEpoch:   {"invalid producer epoch", 47},
	KindCoordinatorFenced:      {"transaction coordinator fenced", 52},
	KindInvalidTxnState:        {"invalid transaction state", 48},
	KindStorage:                {"storage error", 56},
	KindNotFound:               {"unknown partition", 3},
	KindClosed:                 {"store closed", 6},
}

// String returns the kind's name in words.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Code returns the Kafka protocol error code that stands for k. A closed store
// answers NOT_LEADER_OR_FOLLOWER, so that clients look for the partition anew.
func (k Kind) Code() int16 {
	if int(k) < len(kinds) {
		return kinds[k].code
	}
	return kinds[KindUnknown].code
}

// Error is an error of a known kind.
type Error struct {
	Kind Kind
	msg  string
	err  error
}

// Error returns the kind, what was found and, if there is one, the cause.
func (e *Error) Error() string {
	s := e.Kind.String() + ": " + e.msg
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the kind of the first [*Error] in err's chain, KindUnknown if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnknown
}

func errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, msg: fmt.Sprintf(format, args...)}
}

func wrap(k Kind, err error, format string, args ...any) error {
	return &Error{Kind: k, msg: fmt.Sprintf(format, args...), err: err}
}
