package api

import (
	"encoding/binary"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// testNode is a node in memory with one topic, t, and a server for it.
func testNode(tb testing.TB) (*Node, *wire.Server) {
	tb.Helper()
	n, err := Open(Config{
		FS: vfs.NewMem(), Dir: "d", Now: time.Now, Logger: slog.New(slog.DiscardHandler), Audit: slog.New(slog.DiscardHandler),
		NumPartitions: 1, AutoCreateTopics: true,
		TopicLimits:   topics.Limits{Topics: 100, Partitions: 1000, PartitionsPerTopic: 100},
		TxnLimits:     TxnLimits{IDs: 100, MaxTimeout: time.Minute, Expiry: time.Hour},
		MaintainEvery: time.Hour, RetentionEvery: time.Hour, FlushEvery: time.Hour, FetchBytes: 1 << 20, FetchMemory: 1 << 20,
	})
	require.NoError(tb, err)
	_, err = n.topics.Create(topics.Spec{Name: "t", Partitions: 2}, false)
	require.NoError(tb, err)
	s := wire.NewServer(NewDispatcher(n), wire.DefaultLimits, n.log)
	tb.Cleanup(func() {
		s.Close()
		require.NoError(tb, n.Close())
	})
	return n, s
}

// FuzzRequests sends any bytes as a request of any API and version. The broker may answer or close the connection; it
// must not fail, and it must answer the next connection.
func FuzzRequests(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, a := range table() {
		for version := a.min; version <= a.max; version++ {
			req := a.key.Request()
			req.SetVersion(version)
			f.Add(a.key.Int16(), version, req.AppendTo(nil))
			fill(r, reflect.ValueOf(req).Elem())
			f.Add(a.key.Int16(), version, req.AppendTo(nil))
		}
	}
	_, s := testNode(f)
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		req := kmsg.RequestForKey(key)
		if req == nil {
			return
		}
		req.SetVersion(version)
		frame := binary.BigEndian.AppendUint16([]byte{0, 0, 0, 0}, uint16(key))
		frame = binary.BigEndian.AppendUint16(frame, uint16(version))
		frame = append(frame, 0, 0, 0, 1, 0xff, 0xff)
		if req.IsFlexible() {
			frame = append(frame, 0)
		}
		frame = append(frame, body...)
		binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		send(t, s, frame, 20*time.Millisecond)

		alive := kmsg.NewPtrApiVersionsRequest()
		require.True(t, send(t, s, kmsg.NewRequestFormatter().AppendRequest(nil, alive, 1), time.Minute), "the broker does not answer")
	})
}

// send writes a frame on a new connection and reports whether an answer came in time.
func send(t *testing.T, s *wire.Server, frame []byte, wait time.Duration) bool {
	client, server := net.Pipe()
	s.ServeConn(server, &wire.Listener{Trusted: true})
	defer func() { require.NoError(t, client.Close()) }()
	require.NoError(t, client.SetDeadline(time.Now().Add(wait)))
	if _, err := client.Write(frame); err != nil {
		return false
	}
	var head [4]byte
	if _, err := io.ReadFull(client, head[:]); err != nil {
		return false
	}
	n, err := io.CopyN(io.Discard, client, int64(binary.BigEndian.Uint32(head[:])))
	return err == nil && n > 0
}
