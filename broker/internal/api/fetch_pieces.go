package api

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// smallPiece is how many bytes of records are copied into the frame: below, a piece of its own costs more.
const smallPiece = 4 << 10

// AppendPieces is part of wire.Pieced. It writes what kmsg's AppendTo would, but for the records of a partition, which it hands over where they are. kmsg copies
// them: for a consumer that reads from the page cache a third of the broker's work.
func (f *fetcher) AppendPieces(dst []byte) ([]byte, []wire.Piece) {
	v := f.resp
	version := v.Version
	flexible := version >= 12
	var pieces []wire.Piece
	spans := f.spans
	array := func(n int) {
		if flexible {
			dst = kbin.AppendCompactArrayLen(dst, n)
		} else {
			dst = kbin.AppendArrayLen(dst, n)
		}
	}
	dst = kbin.AppendInt32(dst, v.ThrottleMillis)
	if version >= 7 {
		dst = kbin.AppendInt16(dst, v.ErrorCode)
		dst = kbin.AppendInt32(dst, v.SessionID)
	}
	array(len(v.Topics))
	for i := range v.Topics {
		t := &v.Topics[i]
		switch {
		case version >= 13:
			dst = kbin.AppendUuid(dst, t.TopicID)
		case flexible:
			dst = kbin.AppendCompactString(dst, t.Topic)
		default:
			dst = kbin.AppendString(dst, t.Topic)
		}
		array(len(t.Partitions))
		for j := range t.Partitions {
			p := &t.Partitions[j]
			dst = kbin.AppendInt32(dst, p.Partition)
			dst = kbin.AppendInt16(dst, p.ErrorCode)
			dst = kbin.AppendInt64(dst, p.HighWatermark)
			dst = kbin.AppendInt64(dst, p.LastStableOffset)
			if version >= 5 {
				dst = kbin.AppendInt64(dst, p.LogStartOffset)
			}
			aborted := p.AbortedTransactions
			if flexible {
				dst = kbin.AppendCompactNullableArrayLen(dst, len(aborted), aborted == nil)
			} else {
				dst = kbin.AppendNullableArrayLen(dst, len(aborted), aborted == nil)
			}
			for _, a := range aborted {
				dst = kbin.AppendInt64(dst, a.ProducerID)
				dst = kbin.AppendInt64(dst, a.FirstOffset)
				if flexible {
					dst = kbin.AppendUvarint(dst, 0)
				}
			}
			if version >= 11 {
				dst = kbin.AppendInt32(dst, p.PreferredReadReplica)
			}
			n := len(p.RecordBatches)
			var file commitlog.Span
			if len(spans) > 0 && spans[0].resp == p {
				file, spans = spans[0].Span, spans[1:]
				n = int(file.Len)
			}
			if flexible {
				dst = kbin.AppendUvarint(dst, uint32(n)+1)
			} else {
				dst = kbin.AppendInt32(dst, int32(n))
			}
			switch {
			case file.Len > 0:
				pieces = append(pieces, wire.Piece{At: len(dst), Fd: file.Fd(), Pos: file.Pos, Len: file.Len})
			case n < smallPiece:
				dst = append(dst, p.RecordBatches...)
			default:
				pieces = append(pieces, wire.Piece{At: len(dst), Bytes: p.RecordBatches})
			}
			if flexible {
				dst = appendDiverging(dst, &p.DivergingEpoch)
			}
		}
		if flexible {
			dst = kbin.AppendUvarint(dst, 0)
		}
	}
	if flexible {
		dst = kbin.AppendUvarint(dst, 0)
	}
	return dst, pieces
}

// appendDiverging appends the tagged fields of a partition: the broker sets none but the diverging epoch.
func appendDiverging(dst []byte, d *kmsg.FetchResponseTopicPartitionDivergingEpoch) []byte {
	if d.Epoch == -1 && d.EndOffset == -1 {
		return kbin.AppendUvarint(dst, 0)
	}
	dst = append(dst, 1, 0, 4+8+1) // one field, number 0, its length
	dst = kbin.AppendInt32(dst, d.Epoch)
	dst = kbin.AppendInt64(dst, d.EndOffset)
	return kbin.AppendUvarint(dst, 0)
}
