package broker_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
)

// TestFakeTime runs a broker and its clients in a bubble: hours pass at once, and what depends on time happens in them.
func TestFakeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := broker.Start(broker.Config{AutoCreateTopics: true})
		require.NoError(t, err)
		defer func() { require.NoError(t, b.Close()) }()
		c, err := kgo.NewClient(kgo.SeedBrokers(b.Seeds()...), kgo.Dialer(b.Dialer()), kgo.TransactionalID("x"), kgo.TransactionTimeout(time.Minute),
			kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		require.NoError(t, err)
		defer c.Close()
		for i := range 3 {
			require.NoError(t, c.BeginTransaction())
			require.NoError(t, c.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprint(i))).FirstErr())
			require.NoError(t, c.EndTransaction(t.Context(), kgo.TryCommit))
			time.Sleep(time.Hour)
			fs := c.PollFetches(t.Context())
			require.NoError(t, fs.Err0())
			require.Equal(t, fmt.Sprint(i), string(fs.Records()[0].Value))
		}
		// A transaction that nobody ends is aborted when its time is up.
		require.NoError(t, c.BeginTransaction())
		require.NoError(t, c.ProduceSync(t.Context(), kgo.StringRecord("late")).FirstErr())
		time.Sleep(2 * time.Minute)
		require.Error(t, c.EndTransaction(t.Context(), kgo.TryCommit))
	})
}
