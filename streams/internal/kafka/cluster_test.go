package kafka

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// cluster is an embedded broker with a client.
type cluster struct {
	t   *testing.T
	b   *broker.Broker
	cl  *kgo.Client
	adm *kadm.Client
	ctx context.Context
}

func newCluster(t *testing.T) *cluster {
	b, err := broker.Start(broker.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	c := &cluster{t: t, b: b}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c.cl = c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	c.adm = kadm.NewClient(c.cl)
	return c
}

func (c *cluster) client(o ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.b.Seeds()...), kgo.Dialer(c.b.Dialer()), kgo.MetadataMinAge(10 * time.Millisecond)}, o...)...)
	require.NoError(c.t, err)
	c.t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// config is a configuration of the package under test.
func (c *cluster) config() *Config {
	return &Config{
		Seeds: c.b.Seeds(), ApplicationID: "app", ClientID: "app-me", ProcessID: "me", SessionTimeout: 10 * time.Second, Rebalance: 10 * time.Second, TxnTimeout: 5 * time.Second,
		Options: []kgo.Opt{kgo.Dialer(c.b.Dialer())}, Logger: slog.New(slog.DiscardHandler),
	}
}

func (c *cluster) topic(name string, partitions int32, configs ...string) {
	c.t.Helper()
	m := map[string]*string{}
	for i := 0; i < len(configs); i += 2 {
		m[configs[i]] = &configs[i+1]
	}
	_, err := c.adm.CreateTopic(c.ctx, partitions, 1, m, name)
	require.NoError(c.t, err)
}

func (c *cluster) produce(rs ...*kgo.Record) {
	c.t.Helper()
	require.NoError(c.t, c.cl.ProduceSync(c.ctx, rs...).FirstErr())
}

// counts is a topology: in -> store "counts" by way of a repartition topic "by", with a changelog.
func counts(t *testing.T) *topology.Topology {
	t.Helper()
	top := topology.New()
	top.AddRepartitionTopic(topology.RepartitionTopic{Name: "by"})
	top.AddStore(state.KeyValue("counts", serde.String, serde.String))
	top.Source("in", serde.String, serde.String, "in").Sink("to", "by", serde.String, serde.String)
	top.Source("by", serde.String, serde.String, "by").Process("count", func(*topology.ProcessorContext[string, string]) (topology.Processor[string, string], error) {
		return topology.ProcessorFunc[string, string](func(context.Context, topology.Record[string, string]) error { return nil }), nil
	}, topology.NamedStore[state.KeyValueStore[string, string]]("counts"))
	require.NoError(t, top.Err())
	return top
}

func (c *cluster) prepare(cfg *Config, top *topology.Topology) (*Plan, error) {
	return Prepare(c.ctx, cfg, top, top.InternalTopics(cfg.ApplicationID), 1)
}

// oldBroker makes the broker say that it knows a request up to that version only.
type oldBroker struct {
	net.Conn
	key, version int16

	asked map[int32]int16 // ApiVersions requests on their way, by correlation id: their versions
	rest  []byte          // of the answer that is being read
}

func (o *oldBroker) Write(b []byte) (int, error) {
	if len(b) >= 12 && binary.BigEndian.Uint16(b[4:]) == uint16(kmsg.ApiVersions) {
		o.asked[int32(binary.BigEndian.Uint32(b[8:]))] = int16(binary.BigEndian.Uint16(b[6:]))
	}
	return o.Conn.Write(b)
}

func (o *oldBroker) Read(b []byte) (int, error) {
	if len(o.rest) == 0 {
		size := make([]byte, 4)
		if _, err := io.ReadFull(o.Conn, size); err != nil {
			return 0, err
		}
		frame := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(o.Conn, frame); err != nil {
			return 0, err
		}
		if version, ok := o.asked[int32(binary.BigEndian.Uint32(frame))]; ok && binary.BigEndian.Uint16(frame[4:]) == 0 {
			resp := kmsg.NewPtrApiVersionsResponse()
			resp.Version = version
			if err := resp.ReadFrom(frame[4:]); err != nil {
				return 0, err
			}
			for i := range resp.ApiKeys {
				if k := &resp.ApiKeys[i]; k.ApiKey == o.key {
					k.MaxVersion = o.version
				}
			}
			frame = resp.AppendTo(frame[:4:4])
			binary.BigEndian.PutUint32(size, uint32(len(frame)))
		}
		o.rest = append(size, frame...)
	}
	n := copy(b, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// old is the option for clients of an old broker.
func (c *cluster) old(key, version int16) kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.b.Dialer()(ctx, network, addr)
		return &oldBroker{Conn: conn, key: key, version: version, asked: map[int32]int16{}}, err
	})
}

func tp(topic string, partition int32) runtime.TopicPartition {
	return runtime.TopicPartition{Topic: topic, Partition: partition}
}
