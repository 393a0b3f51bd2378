package broker_test

import (
	"context"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker"
)

// TestHostileClientsDoNotHurtOthers: idle connections, frames that trickle in, random bytes and huge lengths, all at once;
// a client that was there before goes on, and memory stays where it is.
func TestHostileClientsDoNotHurtOthers(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) {
		c.Listen, c.Logger = "127.0.0.1:0", nil
		c.Limits.Connections, c.Limits.FrameTimeout = 300, time.Second
	})
	createTopic(t, b, "t", 1, nil)
	good, err := kgo.NewClient(kgo.SeedBrokers(b.Seeds()...), kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))
	require.NoError(t, err)
	defer good.Close()
	require.NoError(t, good.ProduceSync(ctx(t), kgo.StringRecord("first")).FirstErr())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	stop, cancel := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	attack := func(f func(net.Conn)) {
		attackers.Go(func() {
			for stop.Err() == nil {
				c, err := net.Dial("tcp", b.Addr())
				if err != nil {
					continue // refused, as it should be at some point
				}
				end := context.AfterFunc(stop, func() { _ = c.Close() }) // whatever it is doing
				f(c)
				end()
				_ = c.Close() // the broker may have closed it before
			}
		})
	}
	crowd := 60
	if testing.Short() {
		crowd = 10
	}
	for i := range crowd {
		r := rand.New(rand.NewPCG(uint64(i), 0))
		attack(func(net.Conn) { <-stop.Done() })
		attack(func(c net.Conn) { // a frame of 100 MiB, a byte at a time
			_, err := c.Write([]byte{0x06, 0x3f, 0xff, 0xff})
			for tick := time.NewTicker(10 * time.Millisecond); err == nil; <-tick.C {
				_, err = c.Write([]byte{0})
			}
		})
		attack(func(c net.Conn) { // noise
			noise := make([]byte, r.IntN(4000))
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			_, _ = c.Write(noise)
			_, _ = c.Read(noise[:min(1, len(noise))]) // until the broker has had enough
		})
		attack(func(c net.Conn) { // a decent beginning, then counts without end
			_, _ = c.Write([]byte{0, 0, 0, 16, 0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
			_, _ = c.Read(make([]byte, 1)) // as above
		})
	}
	for range 200 {
		require.NoError(t, good.ProduceSync(ctx(t), kgo.StringRecord("x")).FirstErr())
	}
	runtime.ReadMemStats(&after)
	cancel()
	attackers.Wait()
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(256<<20))
}

func TestTransactionalIDsAreBounded(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) { c.Limits.TransactionalIDs = 3 })
	r := dialWire(t, b)
	for i, want := range []int16{0, 0, 0, kerr.PolicyViolation.Code} {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis, req.TransactionalID = 1000, kmsg.StringPtr(string(rune('a'+i)))
		require.Equal(t, want, do[*kmsg.InitProducerIDResponse](r, 4, req).ErrorCode)
	}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis, req.TransactionalID = 15*60*1000+1, kmsg.StringPtr("a")
	require.Equal(t, kerr.InvalidTransactionTimeout.Code, do[*kmsg.InitProducerIDResponse](r, 4, req).ErrorCode)
}

func TestTopicLimits(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) {
		c.Limits.Topics, c.Limits.Partitions, c.Limits.PartitionsPerTopic = 2, 10, 6
	})
	r := dialWire(t, b)
	for _, c := range []struct {
		name       string
		partitions int32
		want       int16
	}{{"a", 7, kerr.InvalidPartitions.Code}, {"a", 6, 0}, {"b", 5, kerr.PolicyViolation.Code}, {"b", 4, 0}, {"c", 1, kerr.PolicyViolation.Code}} {
		req := kmsg.NewPtrCreateTopicsRequest()
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = c.name, c.partitions, 1
		req.Topics = append(req.Topics, topic)
		require.Equal(t, c.want, do[*kmsg.CreateTopicsResponse](r, 7, req).Topics[0].ErrorCode, "%+v", c)
	}
}
