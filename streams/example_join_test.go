package streams_test

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

// orNobody is the optional side of a join as text.
func orNobody(s *string) string {
	if s == nil {
		return "nobody"
	}
	return *s
}

func ExampleStream_JoinStream() {
	b := streams.NewBuilder()
	clicks := b.Stream("clicks", serde.String, serde.String)
	b.Stream("views", serde.String, serde.String).
		JoinStream(clicks, window.Join{After: 10 * time.Second}, func(view, click string) string { return view + " clicked at " + click }).
		To("out")

	pipeAt(b, "0s views ad=a", "4s clicks ad=x", "10s clicks ad=y", "11s clicks ad=too late")
	// Output:
	// 4s: out ad=a clicked at x
	// 10s: out ad=a clicked at y
}

func ExampleStream_LeftJoinStream() {
	b := streams.NewBuilder()
	payments := b.Stream("payments", serde.String, serde.String)
	b.Stream("orders", serde.String, serde.String).
		LeftJoinStream(payments, window.Within(10*time.Second, 5*time.Second), func(order string, payer *string) string { return order + " paid by " + orNobody(payer) }).
		To("out")

	pipeAt(b, "0s orders 1=pen", "1s orders 2=ink", "3s payments 1=ann", "16.001s orders 3=cap") // told once the window and its grace have passed
	// Output:
	// 3s: out 1=pen paid by ann
	// 1s: out 2=ink paid by nobody
}

func ExampleStream_OuterJoinStream() {
	b := streams.NewBuilder()
	r := b.Stream("r", serde.String, serde.String)
	b.Stream("l", serde.String, serde.String).
		OuterJoinStream(r, window.Within(time.Second, 0), func(l, r *string) string { return orNobody(l) + " and " + orNobody(r) }).
		To("out")

	pipeAt(b, "0s l a=ann", "1s r a=bob", "5s r b=cyd", "10s l c=dan")
	// Output:
	// 1s: out a=ann and bob
	// 5s: out b=nobody and cyd
}

func ExampleStream_Join() {
	b := streams.NewBuilder()
	customers := b.Table("customers", serde.String, serde.String)
	b.Stream("orders", serde.String, serde.String).
		Join(customers, func(order, name string) string { return order + " for " + name }).
		To("out")

	pipe(b, "orders 1=pen", "customers 1=ann", "orders 1=ink", "customers 1=anne") // only the stream's records make results
	// Output:
	// out 1=ink for ann
}

func ExampleStream_LeftJoin() {
	b := streams.NewBuilder()
	customers := b.Table("customers", serde.String, serde.String)
	b.Stream("orders", serde.String, serde.String).
		LeftJoin(customers, func(order string, name *string) string { return order + " for " + orNobody(name) }).
		To("out")

	pipe(b, "orders 1=pen", "customers 1=ann", "orders 1=ink", "customers 1", "orders 1=cap")
	// Output:
	// out 1=pen for nobody
	// out 1=ink for ann
	// out 1=cap for nobody
}

func ExampleVersioned() {
	b := streams.NewBuilder()
	prices := b.Table("prices", serde.String, serde.String, streams.As("prices"), streams.Versioned(time.Hour))
	b.Stream("orders", serde.String, serde.String).
		Join(prices, func(order, price string) string { return order + " at " + price }). // the price of the order's time
		To("out")

	pipeAt(b, "0s prices pen=1", "60s prices pen=2", "50s orders pen=early", "70s orders pen=late")
	// Output:
	// 50s: out pen=early at 1
	// 1m10s: out pen=late at 2
}

func ExampleGrace() {
	b := streams.NewBuilder()
	prices := b.Table("prices", serde.String, serde.String, streams.As("prices"), streams.Versioned(time.Hour))
	b.Stream("orders", serde.String, serde.String).
		Join(prices, func(order, price string) string { return order + " at " + price }, streams.Grace(10*time.Second)).
		To("out")

	pipeAt(b, "0s prices pen=1", "50s orders pen=first", "45s prices pen=2", "60s orders pen=second") // the new price comes late, but in time
	// Output:
	// 50s: out pen=first at 2
}

func ExampleTolerance() {
	b := streams.NewBuilder()
	quotes := b.Table("quotes", serde.String, serde.String, streams.As("quotes"), streams.Versioned(time.Hour))
	b.Stream("trades", serde.String, serde.String).
		LeftJoin(quotes, func(trade string, quote *string) string { return trade + " at " + orNobody(quote) }, streams.Tolerance(10*time.Second)).
		To("out")

	pipeAt(b, "0s quotes x=7", "30s quotes x=8", "9s trades x=first", "29s trades x=stale", "40s trades x=last") // the latest quote of at most 10 s before
	// Output:
	// 9s: out x=first at 7
	// 29s: out x=stale at nobody
	// 40s: out x=last at 8
}

func ExampleStream_JoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Stream("visits", serde.String, serde.String).
		JoinGlobal(countries,
			func(_, visit string) string { return visit[:2] }, // any key, without a repartition
			func(visit, country string) string { return visit + " from " + country }).
		To("out")

	pipe(b, "countries fr=France", "visits 1=fr 10.0.0.1", "visits 2=xx 10.0.0.2")
	// Output:
	// out 1=fr 10.0.0.1 from France
}

func ExampleTable_JoinForeignKey() {
	b := streams.NewBuilder()
	authors := b.Table("authors", serde.String, serde.String)
	b.Table("books", serde.String, serde.String).
		JoinForeignKey(authors,
			func(_, book string) (author string, ok bool) {
				_, author, ok = strings.Cut(book, "|")
				return author, ok
			},
			func(book, author string) string { return book + " = " + author }).
		ToStream().
		To("out")

	pipe(b, "books 1=Emma|ja", "authors ja=Jane Austen", "books 2=Persuasion|ja", "authors ja=J. Austen", "books 1")
	// Output:
	// out 1=Emma|ja = Jane Austen
	// out 2=Persuasion|ja = Jane Austen
	// out 1=Emma|ja = J. Austen
	// out 2=Persuasion|ja = J. Austen
	// out 1 deleted
}

func ExampleTable_LeftJoinForeignKey() {
	b := streams.NewBuilder()
	authors := b.Table("authors", serde.String, serde.String)
	b.Table("books", serde.String, serde.String).
		LeftJoinForeignKey(authors,
			func(_, book string) (author string, ok bool) {
				_, author, ok = strings.Cut(book, "|")
				return author, ok
			},
			func(book string, author *string) string { return book + " = " + orNobody(author) }).
		ToStream().
		To("out")

	pipe(b, "books 1=Beowulf", "books 2=Emma|ja", "authors ja=Jane Austen")
	// Output:
	// out 1=Beowulf = nobody
	// out 2=Emma|ja = nobody
	// out 2=Emma|ja = Jane Austen
}

func ExampleBuilder_StreamOf() {
	b := streams.NewBuilder()
	b.StreamOf([]string{"eu", "us"}, serde.String, serde.String).To("all")

	pipe(b, "us a=x", "eu b=y")
	// Output:
	// all a=x
	// all b=y
}

func ExampleBuilder_StreamMatching() {
	b := streams.NewBuilder()
	b.StreamMatching(regexp.MustCompile("^clicks-"), serde.String, serde.String).To("all")

	pipe(b, "clicks-eu a=x", "clicks-us b=y") // topics that are created later are read as well
	// Output:
	// all a=x
	// all b=y
}

func ExamplePartitioned() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		To("out", streams.Partitioned(func(_ string, r streams.Record[string, string], partitions int32) []int32 {
			return []int32{int32(len(r.Value)) % partitions}
		}))
	top, err := b.Build()
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := streamstest.New(top, streams.Config{}, streamstest.Partitions(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for _, v := range []string{"odd", "even"} {
		if err := d.Pipe(streamstest.Raw{Topic: "in", Key: []byte("a"), Value: []byte(v)}); err != nil {
			fmt.Println(err)
		}
	}
	for _, r := range d.Produced() {
		fmt.Println(r.Partition, string(r.Value))
	}
	// Output:
	// 1 odd
	// 0 even
}

func ExampleRequireNames() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).GroupByKey().Count()
	_, err := b.Build(streams.RequireNames())
	fmt.Println(err)
	// Output:
	// streams: the topology cannot be built:
	// the store KSTREAM-AGGREGATE-STATE-STORE-0000000001 has a generated name, which changes when a verb is added before it: name it with streams.As
}

func ExampleTTL() {
	b := streams.NewBuilder()
	logins := b.Table("logins", serde.String, serde.String, streams.As("logins"), streams.TTL(time.Hour))
	b.Stream("orders", serde.String, serde.String).
		LeftJoin(logins, func(order string, login *string) string { return order + " by " + orNobody(login) }).
		To("out")

	pipeAt(b, "0s logins 1=ann", "30m orders 1=pen", "1h1m logins 2=bob", "1h2m orders 1=ink")
	// Output:
	// 30m0s: out 1=pen by ann
	// 1h2m0s: out 1=ink by nobody
}
