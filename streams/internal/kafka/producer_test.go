package kafka

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

func (c *cluster) producer(cfg *Config) *Producer {
	c.t.Helper()
	p, err := NewProducer(c.ctx, cfg, "1")
	require.NoError(c.t, err)
	c.t.Cleanup(p.Close)
	return p
}

func outgoing(topic, value string) *topology.Outgoing {
	return &topology.Outgoing{To: &topology.Destination{Topic: topic, Node: "sink"}, Partition: 0, Key: []byte("k"), Hash: []byte("k"), Value: []byte(value), Time: 1}
}

// A record that the broker refuses is decided about: alone, for a broker refuses batches, and never one of a changelog.
func TestProducerAsksAboutARecordThatIsRefused(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 5000)
	for _, x := range []struct {
		name    string
		write   func(p *Producer) error
		skipped int
		says    string
	}{
		{"alone", func(p *Producer) error { return p.Send(outgoing("small", large)) }, 1, ""},
		{"beside others", func(p *Producer) error {
			if err := p.Send(outgoing("small", "v")); err != nil {
				return err
			}
			return p.Send(outgoing("small", large))
		}, 0, "produce to small/0: MESSAGE_TOO_LARGE"},
		{"to a changelog", func(p *Producer) error {
			l, err := p.Changelog("small", 0)
			if err != nil {
				return err
			}
			return l.Log(state.LogRecord{Key: []byte("k"), Value: []byte(large)})
		}, 0, "produce to small/0: MESSAGE_TOO_LARGE"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("small", 1, "max.message.bytes", "2000")
			p := c.producer(c.config())
			var asked []*runtime.Failure
			p.OnFailure = func(_ context.Context, f *runtime.Failure) error { asked = append(asked, f); return nil }
			require.NoError(t, x.write(p))
			err := p.Flush(c.ctx)
			require.Len(t, asked, x.skipped)
			if x.says == "" {
				require.NoError(t, err)
				require.Equal(t, "sink of small", asked[0].Node)
				require.ErrorIs(t, asked[0].Err, kerr.MessageTooLarge)
				require.Equal(t, large, string(asked[0].Value))
				require.NoError(t, p.Send(outgoing("small", "goes on")))
				require.NoError(t, p.Flush(c.ctx))
				return
			}
			require.ErrorContains(t, err, x.says)
			require.False(t, Restartable(err), "it would come again")
		})
	}
}

func TestProducerRefusesWhatNoBrokerTakes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("out", 1)
	p := c.producer(c.config())
	err := p.Send(outgoing("out", strings.Repeat("x", batchBytes)))
	require.ErrorAs(t, err, new(*topology.EncodeError), "one of its node")
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	err = p.Send(outgoing("no name!", "v"))
	require.ErrorAs(t, err, new(*topology.NameError))
	require.NoError(t, p.Flush(c.ctx))
}

// An error that may have cost records is nobody's to decide about: nothing more goes out, and the thread starts anew.
func TestProducerFailsWhenRecordsMayBeMissing(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("out", 1)
	cfg := c.config()
	cfg.ExactlyOnce = true
	p := c.producer(cfg)
	p.OnFailure = func(context.Context, *runtime.Failure) error { t.Error("asked"); return nil }
	require.NoError(t, p.Send(outgoing("out", "v")))
	require.NoError(t, p.Flush(c.ctx))
	c.producer(cfg) // another process with this one's identity
	require.NoError(t, p.Send(outgoing("out", "v")))
	err := p.Flush(c.ctx)
	require.ErrorContains(t, err, "produce to out/0: ")
	require.True(t, Restartable(err))
	p.Abort(c.ctx)
}

// cutConn is a connection that ends before its first answer: its broker stops, or what stands before it has none.
type cutConn struct{ net.Conn }

func (c cutConn) Read([]byte) (int, error) { return 0, io.EOF }

// A broker that goes away while the client connects, or makes itself known, costs no record and no thread its place.
func TestProducerOutlivesConnectionsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("out", 1)
	var cut atomic.Int32
	cfg := c.config()
	cfg.Options = []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.b.Dialer()(ctx, network, addr)
		if err == nil && cut.Add(-1) >= 0 {
			conn = cutConn{conn}
		}
		return conn, err
	})}
	p := c.producer(cfg)
	_, err := p.Partitions("out")
	require.NoError(t, err)
	cut.Store(3)
	require.NoError(t, p.Send(outgoing("out", "v"))) // over a connection that is made for it
	require.NoError(t, p.Flush(c.ctx))
	require.Negative(t, cut.Load(), "connections were cut")
}

// A transaction in whose place the client has begun another by itself must not be committed.
func TestProducerCommitsOnlyTheTransactionItBegan(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("out", 1)
	cfg := c.config()
	cfg.ExactlyOnce = true
	p := c.producer(cfg)
	require.NoError(t, p.Send(outgoing("out", "v")))
	require.NoError(t, p.Flush(c.ctx))
	p.epoch--
	require.ErrorIs(t, p.Commit(c.ctx, nil, &Consumer{}), kerr.InvalidProducerEpoch)
	p.epoch++
	require.NoError(t, p.Commit(c.ctx, nil, &Consumer{}))
	require.False(t, p.Produced())
}

// With transaction version 2 the offset commit alone adds the group (KIP-890); an older broker is asked to first. Both commit offsets and records.
func TestProducerCommitsOffsets(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		c := newCluster(t)
		c.topic("in", 1)
		c.topic("out", 1)
		cfg := c.config()
		cfg.ExactlyOnce = true
		plan, err := c.prepare(cfg, counts(t))
		require.NoError(t, err)
		k, err := NewConsumer(cfg, "1", plan)
		require.NoError(t, err)
		c.join(k)
		p := c.producer(cfg)
		require.True(t, p.tv2)
		p.tv2 = !old
		require.NoError(t, p.Send(outgoing("out", "v")))
		require.NoError(t, p.Flush(c.ctx))
		require.NoError(t, p.Commit(c.ctx, []runtime.Offset{{TopicPartition: tp("in", 0), Offset: 7, Metadata: runtime.Metadata{Time: 5}}, {TopicPartition: tp(repartition, 0), Offset: 3}}, k))
		offsets, err := c.adm.FetchOffsets(c.ctx, "app")
		require.NoError(t, err)
		for topic, want := range map[string]int64{"in": 7, repartition: 3} {
			o, ok := offsets.Lookup(topic, 0)
			require.True(t, ok)
			require.Equal(t, want, o.At)
		}
		require.NoError(t, k.Commit(c.ctx, []runtime.Offset{{TopicPartition: tp("in", 0), Offset: 8}}))
		offsets, err = c.adm.FetchOffsets(c.ctx, "app")
		require.NoError(t, err)
		o, _ := offsets.Lookup("in", 0)
		require.EqualValues(t, 8, o.At)
		require.NoError(t, k.Close(c.ctx))
	}
}

// join answers what the group says until the member has its partitions.
func (c *cluster) join(k *Consumer) {
	c.t.Helper()
	for got := 0; got < 2; {
		require.NoError(c.t, c.ctx.Err())
		for _, e := range k.Events() {
			if e.Kind == runtime.Assigned {
				got += len(e.Partitions)
			}
			e.Done()
		}
		require.NoError(c.t, k.Poll(c.ctx, 10*time.Millisecond, 1, func(runtime.TopicPartition, []topology.Raw, int64) {}))
	}
}
