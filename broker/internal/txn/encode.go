package txn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
)

// encoding is the version of the stored form.
const encoding = 1

// AppendTo appends the stored form of t, without its ID.
func (t *Txn) AppendTo(b []byte) []byte {
	b = append(b, encoding, byte(t.State))
	b = kbin.AppendInt64(b, t.ProducerID)
	b = kbin.AppendInt16(b, t.Epoch)
	b = kbin.AppendInt16(b, t.LastEpoch)
	b = kbin.AppendInt64(b, t.PrevProducerID)
	b = kbin.AppendInt64(b, t.markerProducerID)
	b = kbin.AppendInt16(b, t.markerEpoch)
	b = kbin.AppendInt64(b, t.Timeout.Milliseconds())
	b = kbin.AppendInt64(b, t.Started.UnixMilli())
	b = kbin.AppendInt64(b, t.Updated.UnixMilli())
	b = kbin.AppendUvarint(b, uint32(len(t.Partitions)))
	for _, p := range t.SortedPartitions() {
		b = kbin.AppendUuid(b, p.Topic)
		b = kbin.AppendInt32(b, p.Partition)
	}
	b = kbin.AppendUvarint(b, uint32(len(t.Groups)))
	for _, g := range slices.Sorted(maps.Keys(t.Groups)) {
		b = kbin.AppendCompactString(b, g)
	}
	return b
}

// Decode reads the stored form.
func Decode(id string, b []byte) (*Txn, error) {
	t := New(id, none, time.Time{})
	r := kbin.Reader{Src: b}
	if v := r.Int8(); v != encoding {
		return nil, fmt.Errorf("transaction %q is stored in format %d, want %d", id, v, encoding)
	}
	t.State = State(r.Int8())
	t.ProducerID, t.Epoch, t.LastEpoch, t.PrevProducerID = r.Int64(), r.Int16(), r.Int16(), r.Int64()
	t.markerProducerID, t.markerEpoch = r.Int64(), r.Int16()
	t.Timeout = time.Duration(r.Int64()) * time.Millisecond
	t.Started, t.Updated = time.UnixMilli(r.Int64()), time.UnixMilli(r.Int64())
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		t.Partitions[Partition{r.Uuid(), r.Int32()}] = struct{}{}
	}
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		t.Groups[r.CompactString()] = struct{}{}
	}
	if err := r.Complete(); err != nil || len(r.Src) > 0 || t.State > CompleteAbort {
		return nil, fmt.Errorf("transaction %q is stored in a damaged row of %d bytes", id, len(b))
	}
	return t, nil
}
