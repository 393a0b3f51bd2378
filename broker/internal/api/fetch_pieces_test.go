package api

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What is handed over in pieces is, put together, what kmsg writes.
func TestFetchResponseInPiecesIsKmsgs(t *testing.T) {
	for version := int16(4); version <= 18; version++ {
		for _, n := range []int{0, 1, smallPiece - 1, smallPiece, 100_000} {
			resp := kmsg.NewPtrFetchResponse()
			resp.Version, resp.SessionID, resp.ThrottleMillis, resp.ErrorCode = version, 7, 8, 9
			for i := range 2 {
				st := kmsg.NewFetchResponseTopic()
				st.Topic, st.TopicID = "topic", [16]byte{1, 2, byte(i)}
				for p := range int32(3) {
					sp := kmsg.NewFetchResponseTopicPartition()
					resetFetch(&sp, p)
					sp.ErrorCode, sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = int16(p), 10, 9, 3
					sp.RecordBatches = bytes.Repeat([]byte{byte(p)}, n)
					switch p {
					case 1:
						sp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
						sp.DivergingEpoch.Epoch, sp.DivergingEpoch.EndOffset = 3, 4
					case 2:
						sp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 5, FirstOffset: 6}, {ProducerID: 7, FirstOffset: 8}}
					}
					st.Partitions = append(st.Partitions, sp)
				}
				resp.Topics = append(resp.Topics, st)
			}
			f := &fetcher{FetchResponse: resp, resp: resp}
			head, pieces := f.AppendPieces([]byte("head"))
			var whole []byte
			from := 0
			for _, p := range pieces {
				whole = append(append(whole, head[from:p.At]...), p.Bytes...)
				from = p.At
			}
			whole = append(whole, head[from:]...)
			require.Equal(t, resp.AppendTo([]byte("head")), whole, "version %d, %d bytes", version, n)
			require.Equal(t, n >= smallPiece, len(pieces) == 6)
		}
	}
}
