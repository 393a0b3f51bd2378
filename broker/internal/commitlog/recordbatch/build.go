package recordbatch

import (
	"encoding/binary"
	"errors"

	"github.com/millrace-go/millrace/broker/internal/commitlog/codec"
)

// Header is what a batch says about itself besides its records.
type Header struct {
	BaseOffset      int64
	LeaderEpoch     int32
	Codec           codec.Codec
	LogAppendTime   bool
	Transactional   bool
	Control         bool
	DeleteHorizon   bool // BaseTimestamp is a delete horizon
	LastOffsetDelta int32
	BaseTimestamp   int64
	MaxTimestamp    int64
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	RecordCount     int32
}

// Header returns the batch's header as a struct.
func (b Batch) Header() Header {
	_, horizon := b.DeleteHorizon()
	return Header{
		BaseOffset:      b.BaseOffset(),
		LeaderEpoch:     b.LeaderEpoch(),
		Codec:           b.Codec(),
		LogAppendTime:   b.LogAppendTime(),
		Transactional:   b.Transactional(),
		Control:         b.Control(),
		DeleteHorizon:   horizon,
		LastOffsetDelta: b.LastOffsetDelta(),
		BaseTimestamp:   b.BaseTimestamp(),
		MaxTimestamp:    b.MaxTimestamp(),
		ProducerID:      b.ProducerID(),
		ProducerEpoch:   b.ProducerEpoch(),
		BaseSequence:    b.BaseSequence(),
		RecordCount:     b.RecordCount(),
	}
}

// Append appends the batch of a header and its records, which it compresses with
// the header's codec. A batch without records is not compressed.
func Append(dst []byte, h Header, records []byte) ([]byte, error) {
	if h.RecordCount == 0 {
		h.Codec = codec.None
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.BaseOffset))
	dst = binary.BigEndian.AppendUint32(dst, 0) // length, by seal
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.LeaderEpoch))
	dst = append(dst, magic)
	dst = binary.BigEndian.AppendUint32(dst, 0) // checksum, by seal
	dst = binary.BigEndian.AppendUint16(dst, h.attributes())
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.LastOffsetDelta))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.BaseTimestamp))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.MaxTimestamp))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.ProducerID))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.ProducerEpoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.BaseSequence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.RecordCount))
	dst, err := codec.Compress(dst, h.Codec, records)
	if err != nil {
		return dst[:start], err
	}
	Batch(dst[start:]).seal()
	return dst, nil
}

func (h *Header) attributes() uint16 {
	a := uint16(h.Codec)
	set := func(on bool, bit uint16) {
		if on {
			a |= bit
		}
	}
	set(h.LogAppendTime, attrLogAppendTime)
	set(h.Transactional, attrTransactional)
	set(h.Control, attrControl)
	set(h.DeleteHorizon, attrDeleteHorizon)
	return a
}

// Marker is the end of a transaction.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	CoordinatorEpoch int32
	Commit           bool
	// Timestamp is the time of the marker in ms.
	Timestamp int64
}

// Types of control records.
const (
	controlAbort  = 0
	controlCommit = 1
)

var errMarker = errors.New("damaged transaction marker")

// AppendMarker appends a control batch.
func AppendMarker(dst []byte, m Marker) []byte {
	key := []byte{0, 0, 0, controlAbort} // version, type
	if m.Commit {
		key[3] = controlCommit
	}
	value := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(m.CoordinatorEpoch)) // version, epoch
	record := AppendRecord(nil, &Record{Key: key, Value: value}, 0, 0)
	dst, err := Append(dst, Header{
		Transactional: true, Control: true,
		BaseTimestamp: m.Timestamp, MaxTimestamp: m.Timestamp,
		ProducerID: m.ProducerID, ProducerEpoch: m.ProducerEpoch, BaseSequence: NoSequence,
		RecordCount: 1,
	}, record)
	if err != nil {
		panic(err) // nothing to compress, nothing to fail
	}
	return dst
}

// Marker returns what a control batch says; ok is false for a control record of another
// type. The batch must not have been emptied.
func (b Batch) Marker() (m Marker, ok bool, err error) {
	payload, err := b.Payload(nil)
	if err != nil {
		return m, false, err
	}
	var r Record
	d := NewReader(payload, b.RecordCount())
	if more, err := d.Next(&r); err != nil || !more || len(r.Key) < 4 {
		return m, false, errMarker
	}
	m = Marker{ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Timestamp: b.MaxTimestamp()}
	switch binary.BigEndian.Uint16(r.Key[2:]) {
	case controlAbort:
	case controlCommit:
		m.Commit = true
	default:
		return m, false, nil
	}
	if len(r.Value) < 6 {
		return m, false, errMarker
	}
	m.CoordinatorEpoch = int32(binary.BigEndian.Uint32(r.Value[2:]))
	return m, true, nil
}
