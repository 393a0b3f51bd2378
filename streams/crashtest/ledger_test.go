package crashtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// stats is an aggregate of amounts.
type stats struct{ Count, Sum, Min, Max int64 }

func (s stats) add(n int64) stats {
	if s.Count == 0 {
		return stats{1, n, n, n}
	}
	return stats{s.Count + 1, s.Sum + n, min(s.Min, n), max(s.Max, n)}
}

// order is a line of the input: "number amount customer", its key the account.
type order struct {
	number, amount int64
	customer       string
}

func (o order) String() string { return fmt.Sprintf("%d %d %s", o.number, o.amount, o.customer) }

func parseOrder(s string) (o order) {
	f := strings.Fields(s)
	o.number, _ = strconv.ParseInt(f[0], 10, 64)
	o.amount, _ = strconv.ParseInt(f[1], 10, 64)
	o.customer = f[2]
	return o
}

const windowSize = time.Second

// ledger does with "orders" what hurts when it is done twice or not at all: aggregates by key, counts behind a repartition, counts in windows, joins the last
// order of each account with its customer by foreign key. Without caches each order makes one record in each of stats, customers' counts and windows.
func ledger(prefix string) (*topology.Topology, error) {
	b := streams.NewBuilder()
	orders := b.Stream(prefix+"-orders", serde.String, serde.String)
	parsed := orders.MapValues(parseOrder)
	b.Register(serde.JSON[stats]())
	orders.GroupByKey().
		Aggregate(func() stats { return stats{} }, func(_ string, o string, s stats) stats { return s.add(parseOrder(o).amount) }, streams.As("stats")).
		ToStream().To(prefix + "-stats")
	parsed.MapValues(order.String).WithValueSerde(serde.String).
		GroupBy(func(_, o string) string { return parseOrder(o).customer }).
		Count(streams.As("counts")).
		ToStream().To(prefix + "-counts")
	orders.GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: windowSize, Grace: time.Hour}).
		Count(streams.As("windows")).
		ToStream().
		Map(func(k window.Windowed[string], n int64) (string, int64) {
			return fmt.Sprintf("%s@%d", k.Key, k.Start), n
		}).
		WithKeySerde(serde.String).
		To(prefix + "-windows")
	customers := b.Table(prefix+"-customers", serde.String, serde.String, streams.As("customers"))
	orders.ToTable(streams.As("orders")).
		JoinForeignKey(customers, func(_, o string) (string, bool) { return parseOrder(o).customer, true }, func(o, c string) string { return o + " " + c }, streams.As("joined")).
		WithValueSerde(serde.String).
		ToStream().To(prefix + "-joined")
	return b.Build()
}
