package crashtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/serde"
)

// patience is how long a test waits for what has to come, in an interval without faults.
const patience = 90 * time.Second

// faults is how many faults a test makes.
func faults(t *testing.T, short int) int {
	v := os.Getenv("MILLRACE_FAULTS")
	if v == "" {
		return short
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err)
	return n
}

// realKafka is the address of a broker to test against, "" for embedded ones.
func realKafka() string { return os.Getenv("MILLRACE_KAFKA") }

// world is a broker, the input that was written, and what has come out so far.
type world struct {
	t      *testing.T
	target string // the broker
	prefix string
	cl     *kgo.Client // writes, administers
	adm    *kadm.Client
	r      *rand.Rand
	began  int64 // the first order's time, in milliseconds: orders of long ago would be deleted by the topic's retention

	mu     sync.Mutex
	orders map[string][]order // by account, in order
	n      int

	outMu sync.Mutex
	out   map[string]map[string][]string // topic without prefix, key, values in order
	total map[string]int
	came  chan struct{} // closed when something came
}

const partitions = 4

// newWorld starts an embedded broker, unless there is a real one.
func newWorld(t *testing.T) *world {
	t.Helper()
	target := realKafka()
	if target == "" {
		b, err := broker.Start(broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Groups: broker.Groups{MinSessionTimeout: time.Millisecond}})
		require.NoError(t, err)
		t.Cleanup(func() { b.Close() })
		target = b.Seeds()[0]
	}
	return worldOn(t, target)
}

func worldOn(t *testing.T, target string) *world {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("MILLRACE_SEED"); v != "" {
		var err error
		seed, err = strconv.ParseUint(v, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("MILLRACE_SEED=%d", seed)
	w := &world{t: t, target: target, began: time.Now().UnixMilli(), prefix: fmt.Sprintf("ledger-%d", seed), r: rand.New(rand.NewPCG(seed, 1)), orders: map[string][]order{},
		out: map[string]map[string][]string{}, total: map[string]int{}, came: make(chan struct{})}
	var err error
	w.cl, err = kgo.NewClient(kgo.SeedBrokers(target), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	require.NoError(t, err)
	t.Cleanup(w.cl.Close)
	w.adm = kadm.NewClient(w.cl)
	for _, topic := range []string{"orders", "customers", "stats", "counts", "windows", "joined"} {
		_, err := w.adm.CreateTopic(t.Context(), partitions, 1, nil, w.topic(topic))
		require.NoError(t, err)
	}
	for i := range customers {
		w.write(&kgo.Record{Topic: w.topic("customers"), Key: customer(i), Value: []byte("the " + string(customer(i)))})
	}
	w.cl.ProduceSync(t.Context())
	require.NoError(t, w.cl.Flush(t.Context()))
	w.watch()
	return w
}

const customers, accounts = 20, 100

func customer(i int) []byte { return fmt.Appendf(nil, "c%d", i) }

func (w *world) topic(name string) string { return w.prefix + "-" + name }

func (w *world) write(r *kgo.Record) {
	w.cl.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
		if err != nil && !errors.Is(err, kgo.ErrClientClosed) {
			w.t.Errorf("input: %v", err)
		}
	})
}

// feed writes so many orders.
func (w *world) feed(n int) {
	for range n {
		account := fmt.Sprintf("a%d", rand.IntN(accounts))
		w.mu.Lock()
		o := order{int64(w.n), rand.Int64N(1000), string(customer(rand.IntN(customers)))}
		w.n++
		w.orders[account] = append(w.orders[account], o)
		w.write(&kgo.Record{Topic: w.topic("orders"), Key: []byte(account), Value: []byte(o.String()), Timestamp: time.UnixMilli(w.began + o.number)})
		w.mu.Unlock()
	}
}

// feeding writes orders all the time, until the answer is called: a batch every few milliseconds.
func (w *world) feeding(batch int) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				w.feed(batch)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		require.NoError(w.t, w.cl.Flush(w.t.Context()))
	}
}

// watch reads the output topics, what is committed of them, from now on.
func (w *world) watch() {
	topics := []string{w.topic("stats"), w.topic("counts"), w.topic("windows"), w.topic("joined")}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.target), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	require.NoError(w.t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			fs := cl.PollFetches(context.Background())
			if fs.IsClientClosed() {
				return
			}
			w.outMu.Lock()
			for r := range fs.RecordsAll() {
				topic := strings.TrimPrefix(r.Topic, w.prefix+"-")
				if w.out[topic] == nil {
					w.out[topic] = map[string][]string{}
				}
				w.out[topic][string(r.Key)] = append(w.out[topic][string(r.Key)], string(r.Value))
				w.total[topic]++
			}
			close(w.came)
			w.came = make(chan struct{})
			w.outMu.Unlock()
		}
	}()
	w.t.Cleanup(func() { cl.Close(); <-ended })
}

// have is how many records have come out of a topic.
func (w *world) have(topic string) (int, <-chan struct{}) {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	return w.total[topic], w.came
}

// complete waits until as much has come out as has to, then compares all of it with what the input says.
func (w *world) complete(log func() string) {
	w.t.Helper()
	w.mu.Lock()
	n := w.n
	w.mu.Unlock()
	deadline := time.After(patience)
	for {
		missing, came := "", (<-chan struct{})(nil)
		for _, topic := range []string{"stats", "counts", "windows"} {
			var have int
			if have, came = w.have(topic); have < n {
				missing += fmt.Sprintf(" %s %d of %d", topic, have, n)
			}
		}
		if missing == "" && w.joined() == "" {
			break
		}
		select {
		case <-came:
		case <-deadline:
			w.t.Fatalf("not complete:%s %s\n%s\n%s", missing, w.joined(), w.compare(), log())
		}
	}
	if wrong := w.compare(); wrong != "" {
		w.t.Fatalf("%s\n%s", wrong, log())
	}
}

// joined says what is wrong with the last row of each account.
func (w *world) joined() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outMu.Lock()
	defer w.outMu.Unlock()
	for account, os := range w.orders {
		o := os[len(os)-1]
		want, vs := o.String()+" the "+o.customer, w.out["joined"][account]
		if len(vs) == 0 || vs[len(vs)-1] != want {
			return fmt.Sprintf("joined %s: %q, not %q", account, vs[max(0, len(vs)-1):], want)
		}
	}
	return ""
}

// compare says what the first difference is between what has come out and what the input says: "" if there is none.
func (w *world) compare() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outMu.Lock()
	defer w.outMu.Unlock()
	counts, windows := map[string]int{}, map[string]int{}
	for account, os := range w.orders {
		var s stats
		got := w.out["stats"][account]
		for i, o := range os {
			s = s.add(o.amount)
			counts[o.customer]++
			windows[fmt.Sprintf("%s@%d", account, (w.began+o.number)/windowSize.Milliseconds()*windowSize.Milliseconds())]++
			if i >= len(got) {
				return fmt.Sprintf("stats of %s: %d records of %d", account, len(got), len(os))
			}
			var g stats
			if err := json.Unmarshal([]byte(got[i]), &g); err != nil || g != s {
				return fmt.Sprintf("stats of %s, record %d: %s, not %+v", account, i, got[i], s)
			}
		}
		if len(got) != len(os) {
			return fmt.Sprintf("stats of %s: %d records of %d", account, len(got), len(os))
		}
	}
	for topic, want := range map[string]map[string]int{"counts": counts, "windows": windows} {
		for key, n := range want {
			vs := w.out[topic][key]
			for i, v := range vs {
				if c, err := serde.Int64.Decode([]byte(v)); err != nil || c != int64(i+1) {
					return fmt.Sprintf("%s of %s, record %d: %d", topic, key, i, c)
				}
			}
			if len(vs) != n {
				return fmt.Sprintf("%s of %s: %d records of %d", topic, key, len(vs), n)
			}
		}
		if len(w.out[topic]) != len(want) {
			return fmt.Sprintf("%s: %d keys of %d", topic, len(w.out[topic]), len(want))
		}
	}
	return ""
}

// atRest checks that all input is committed and the group is empty: the instances were stopped.
func (w *world) atRest() {
	w.t.Helper()
	ctx := w.t.Context()
	ends, err := w.adm.ListEndOffsets(ctx, w.topic("orders"))
	require.NoError(w.t, err)
	committed, err := w.adm.FetchOffsets(ctx, w.prefix)
	require.NoError(w.t, err)
	for p, e := range ends[w.topic("orders")] {
		o, ok := committed.Lookup(w.topic("orders"), p)
		require.True(w.t, ok || e.Offset == 0)
		require.Equal(w.t, e.Offset, o.At, "partition %d", p)
	}
	groups, err := w.adm.DescribeGroups(ctx, w.prefix)
	require.NoError(w.t, err)
	require.Equal(w.t, "Empty", groups[w.prefix].State)
}

// settings are those of an instance that connects to addr.
func (w *world) settings(addr string) settings {
	return settings{Prefix: w.prefix, Broker: addr, Dir: w.t.TempDir(), Threads: 1, Session: 6 * time.Second, Txn: 2 * time.Second, CacheOff: true}
}
