package topology_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// host is a task for tests: it keeps what it is told.
type host struct {
	sent       []string
	dropped    []string
	failed     []*topology.NodeError
	skip       bool // what the processing handler answers
	sendErr    error
	partitions int32
	stream     topology.Time
	wall       topology.Time
	globals    map[string]any
	commits    int
}

func (h *host) Send(o *topology.Outgoing) error {
	key, value := "null", "null"
	if !o.NoKey {
		key = string(o.Key)
	}
	if !o.Tombstone {
		value = string(o.Value)
	}
	h.sent = append(h.sent, fmt.Sprintf("%s/%d %s=%s@%d %d", o.To.Topic, o.Partition, key, value, int64(o.Time), len(o.Headers)))
	return h.sendErr
}
func (h *host) Partitions(string) (int32, error) { return h.partitions, nil }
func (h *host) Dropped(node, reason string)      { h.dropped = append(h.dropped, node+": "+reason) }
func (h *host) Failed(e *topology.NodeError) error {
	h.failed = append(h.failed, e)
	if h.skip {
		return nil
	}
	return e
}
func (h *host) GlobalStore(name string) any    { return h.globals[name] }
func (h *host) Input() *topology.Raw           { return nil }
func (h *host) SetInput(*topology.Raw)         {}
func (h *host) RequestCommit()                 { h.commits++ }
func (h *host) StreamTime() topology.Time      { return h.stream }
func (h *host) WallClock() topology.Time       { return h.wall }
func (h *host) take() (s []string)             { s, h.sent = h.sent, nil; return s }
func (h *host) log(format string, args ...any) { h.sent = append(h.sent, fmt.Sprintf(format, args...)) }

// running is a started topology.
type running struct {
	*topology.Instance
	t      testing.TB
	record *state.RecordContext
	heads  map[string]topology.Head
	offset int64
}

func start(t testing.TB, top *topology.Topology, h topology.Host) *running {
	t.Helper()
	require.NoError(t, top.Err())
	record := &state.RecordContext{}
	in, err := top.Start(context.Background(), nil, topology.TaskID{Subtopology: 1, Partition: 2}, topology.Env{ApplicationID: "app", Stores: state.Env{Record: record}}, h)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.Close()) })
	return &running{Instance: in, t: t, record: record, heads: map[string]topology.Head{}}
}

// pipe processes "key=value@time"; "null" is null.
func (r *running) pipe(topic, text string) error {
	r.t.Helper()
	kv, time, _ := strings.Cut(text, "@")
	k, v, _ := strings.Cut(kv, "=")
	raw := topology.Raw{Topic: topic, Partition: 2, Offset: r.offset}
	if k != "null" {
		raw.Key = []byte(k)
	}
	if v != "null" {
		raw.Value = []byte(v)
	}
	if time != "" {
		_, err := fmt.Sscan(time, (*int64)(&raw.Time))
		require.NoError(r.t, err)
	}
	r.offset++
	head := r.heads[topic]
	if head == nil {
		var err error
		head, err = r.NewHead(topic)
		require.NoError(r.t, err)
		r.heads[topic] = head
	}
	at, err := head.Load(&raw, -1)
	if err != nil {
		return err
	}
	*r.record = state.RecordContext{Topic: topic, Partition: raw.Partition, Offset: raw.Offset, Time: at, Headers: raw.Headers}
	return head.Process()
}
