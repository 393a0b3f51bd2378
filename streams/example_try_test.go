package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// number parses a value; what is no number is dropped, and counted.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, streams.Skip // any other error would go to the processing handler
	}
	return n, nil
}

func ExampleStream_TryFilterNot() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryFilterNot(func(_ context.Context, r streams.Record[string, string]) (bool, error) {
			return r.Tombstone || r.NoKey, nil // asked about every record, deletes too
		}).
		To("out")

	pipe(b, "in a=x", "in a")
	// Output:
	// out a=x
}

func ExampleStream_TryFlatMap() {
	b := streams.NewBuilder()
	b.Stream("orders", serde.String, serde.String).
		TryFlatMap(func(_ context.Context, r streams.Record[string, string], emit func(streams.Record[string, string])) error {
			if r.Tombstone {
				return errors.New("an order cannot be deleted")
			}
			for _, item := range strings.Split(r.Value, ",") {
				emit(r.WithKey(item).WithValue(r.Key))
			}
			return nil
		}).
		To("items")

	pipe(b, "orders 1=pen,ink", "orders 1")
	// Output:
	// items pen=1
	// items ink=1
	// node KSTREAM-FLATMAP-0000000001, task 0_0, record orders/0@1: an order cannot be deleted
}

func ExampleStream_TryFlatMapValues() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryFlatMapValues(func(_ context.Context, r streams.Record[string, string]) ([]int64, error) {
			var ns []int64
			for _, f := range strings.Fields(r.Value) {
				n, err := number(f)
				if err != nil {
					return nil, err
				}
				ns = append(ns, n)
			}
			return ns, nil
		}).
		To("numbers")

	pipe(b, "in a=1 2", "in a=3 x")
	// Output:
	// numbers a=1
	// numbers a=2
}

func ExampleStream_TryForEach() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryForEach(func(_ context.Context, r streams.Record[string, string]) error {
			fmt.Println(r.Key, r.Value, r.Tombstone, r.Time.Millis())
			return nil
		})

	pipe(b, "in a=x", "in b")
	// Output:
	// a x false 0
	// b  true 1
}

func ExampleStream_TryGroupBy() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryGroupBy(func(_ context.Context, r streams.Record[string, string]) (string, error) {
			if r.Value == "" {
				return "", streams.Null // no key: lost at the aggregate
			}
			return r.Value[:1], nil
		}).
		Count().
		ToStream().
		To("out")

	pipe(b, "in 1=ann", "in 2=", "in 3=abe")
	// Output:
	// out a=1
	// out a=2
}

func ExampleStream_TryMap() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryMap(func(_ context.Context, r streams.Record[string, string]) (streams.Record[string, int64], error) {
			n, err := number(r.Key)
			return r.WithKey(r.Value).WithValue(n), err
		}).
		To("out")

	pipe(b, "in 7=a", "in x=b")
	// Output:
	// out a=7
}

func ExampleStream_TryPeek() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TryPeek(func(_ context.Context, r streams.Record[string, string]) error {
			if len(r.Value) > 3 {
				return streams.Skip
			}
			return nil
		}).
		To("out")

	pipe(b, "in a=x", "in a=too long")
	// Output:
	// out a=x
}

func ExampleStream_TrySelectKey() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		TrySelectKey(func(_ context.Context, r streams.Record[string, string]) (string, error) {
			if r.Tombstone {
				return r.Key, nil // a tombstone keeps its key, and is not dropped
			}
			return r.Value[:1], nil
		}).
		To("out")

	pipe(b, "in 1=ann", "in 1")
	// Output:
	// out a=ann
	// out 1 deleted
}

func ExampleSplitter_TryBranch() {
	b := streams.NewBuilder()
	s := b.Stream("in", serde.String, serde.String).Split()
	s.TryBranch(func(_ context.Context, r streams.Record[string, string]) (bool, error) { return r.Tombstone, nil }).To("deletes")
	s.Default().To("values")

	pipe(b, "in a=x", "in a")
	// Output:
	// values a=x
	// deletes a deleted
}

func ExampleStream_TryJoin() {
	b := streams.NewBuilder()
	rates := b.Table("rates", serde.String, serde.String)
	b.Stream("amounts", serde.String, serde.String).
		TryJoin(rates, func(_ context.Context, r streams.Record[string, string], rate string) (int64, error) {
			a, err1 := number(r.Value)
			b, err2 := number(rate)
			return a * b, errors.Join(err1, err2)
		}).
		To("out")

	pipe(b, "rates usd=3", "amounts usd=5", "amounts usd=five")
	// Output:
	// out usd=15
}

func ExampleStream_TryLeftJoin() {
	b := streams.NewBuilder()
	customers := b.Table("customers", serde.String, serde.String)
	b.Stream("orders", serde.String, serde.String).
		TryLeftJoin(customers, func(_ context.Context, r streams.Record[string, string], name *string) (string, error) {
			if name == nil {
				return "", fmt.Errorf("order %q: no customer %s", r.Value, r.Key)
			}
			return r.Value + " for " + *name, nil
		}).
		To("out")

	pipe(b, "customers 1=ann", "orders 1=pen", "orders 2=ink")
	// Output:
	// out 1=pen for ann
	// node KSTREAM-LEFTJOIN-0000000004, task 0_0, record orders/0@1: order "ink": no customer 2
}

func ExampleStream_LeftJoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Stream("visits", serde.String, serde.String).
		LeftJoinGlobal(countries,
			func(_, visit string) string { return visit[:2] },
			func(visit string, country *string) string { return visit + " from " + orNobody(country) }).
		To("out")

	pipe(b, "countries fr=France", "visits 1=fr 10.0.0.1", "visits 2=xx 10.0.0.2")
	// Output:
	// out 1=fr 10.0.0.1 from France
	// out 2=xx 10.0.0.2 from nobody
}

func ExampleStream_TryJoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Stream("visits", serde.String, serde.String).
		TryJoinGlobal(countries,
			func(_ context.Context, r streams.Record[string, string]) (string, error) {
				if len(r.Value) < 2 {
					return "", streams.Null // finds nothing
				}
				return r.Value[:2], nil
			},
			func(_ context.Context, r streams.Record[string, string], code, country string) (string, error) {
				return r.Value + ": " + code + " is " + country, nil
			}).
		To("out")

	pipe(b, "countries fr=France", "visits 1=fr", "visits 2=x")
	// Output:
	// out 1=fr: fr is France
}

func ExampleStream_TryLeftJoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Stream("visits", serde.String, serde.String).
		TryLeftJoinGlobal(countries,
			func(_ context.Context, r streams.Record[string, string]) (string, error) { return r.Value, nil },
			func(_ context.Context, r streams.Record[string, string], code string, country *string) (string, error) {
				if country == nil {
					return "", streams.Null // a tombstone
				}
				return *country, nil
			}).
		To("out")

	pipe(b, "countries fr=France", "visits 1=fr", "visits 1=xx")
	// Output:
	// out 1=France
	// out 1 deleted
}

func ExampleStream_TryJoinStream() {
	b := streams.NewBuilder()
	clicks := b.Stream("clicks", serde.String, serde.String)
	b.Stream("views", serde.String, serde.String).
		TryJoinStream(clicks, window.Within(10*time.Second, 0), func(_ context.Context, ad, view, click string) (string, error) {
			if view > click {
				return "", streams.Skip // this pair only
			}
			return ad + " at " + click, nil
		}).
		To("out")

	pipeAt(b, "1s views ad=1", "4s clicks ad=4", "5s views ad=5")
	// Output:
	// 4s: out ad=ad at 4
}

func ExampleStream_TryLeftJoinStream() {
	b := streams.NewBuilder()
	payments := b.Stream("payments", serde.String, serde.String)
	b.Stream("orders", serde.String, serde.String).
		TryLeftJoinStream(payments, window.Within(10*time.Second, 0), func(_ context.Context, id, order string, payer *string) (string, error) {
			if payer == nil {
				return "", fmt.Errorf("order %s was not paid", id)
			}
			return order + " by " + *payer, nil
		}).
		To("out")

	pipeAt(b, "0s orders 1=pen", "3s payments 1=ann", "4s orders 2=ink", "20s orders 3=cap")
	// Output:
	// 3s: out 1=pen by ann
	// node KSTREAM-JOINTHIS-0000000004, task 0_0, record orders/0@2: order 2 was not paid
}

func ExampleStream_TryOuterJoinStream() {
	b := streams.NewBuilder()
	r := b.Stream("r", serde.String, serde.String)
	b.Stream("l", serde.String, serde.String).
		TryOuterJoinStream(r, window.Within(time.Second, 0), func(_ context.Context, k string, l, r *string) (string, error) {
			return k + ": " + orNobody(l) + " and " + orNobody(r), nil
		}).
		To("out")

	pipeAt(b, "0s l a=ann", "1s r a=bob", "5s r b=cyd", "10s l c=dan")
	// Output:
	// 1s: out a=a: ann and bob
	// 5s: out b=b: nobody and cyd
}

func ExampleGroupedStream_TryReduce() {
	b := streams.NewBuilder()
	b.Stream("bids", serde.String, serde.String).
		GroupByKey().
		TryReduce(func(_ context.Context, highest string, r streams.Record[string, string]) (string, error) {
			if r.Value == "sold" {
				return "", streams.Null // deletes the aggregate
			}
			return max(highest, r.Value), nil
		}).
		ToStream().
		To("out")

	pipe(b, "bids car=100", "bids car=300", "bids car=sold")
	// Output:
	// out car=100
	// out car=300
	// out car deleted
}

func ExampleWindowedStream_TryReduce() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: 10 * time.Second}).
		TryReduce(func(_ context.Context, agg string, r streams.Record[string, string]) (string, error) {
			if r.Tombstone {
				return "", streams.Null // deletes the window
			}
			return agg + r.Value, nil
		}).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=x", "2s in a=y", "3s in a")
	// Output:
	// 1s: out a[0s-10s]=x
	// 2s: out a[0s-10s]=xy
	// 3s: out a[0s-10s] deleted
}

func ExampleWindowedStream_TryAggregate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBy(window.Tumbling[string]{Size: 10 * time.Second}).
		TryAggregate(func() int64 { return 0 }, func(_ context.Context, r streams.Record[string, string], sum int64) (int64, error) {
			n, err := number(r.Value)
			return sum + n, err
		}).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=1", "2s in a=x", "3s in a=2")
	// Output:
	// 1s: out a[0s-10s]=1
	// 3s: out a[0s-10s]=3
}

func ExampleSessionWindowedStream_TryReduce() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBySession(window.Session[string]{Gap: 5 * time.Second, Grace: time.Minute}).
		TryReduce(
			func(_ context.Context, agg string, r streams.Record[string, string]) (string, error) {
				return agg + r.Value, nil
			},
			func(_ context.Context, _ string, a, b string) (string, error) { return a + "&" + b, nil }).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=x", "9s in a=y", "5s in a=z") // connects the two
	// Output:
	// 1s: out a[1s-1s]=x
	// 9s: out a[9s-9s]=y
	// 1s: out a[1s-1s] deleted
	// 9s: out a[9s-9s] deleted
	// 9s: out a[1s-9s]=x&yz
}

func ExampleSessionWindowedStream_TryAggregate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		WindowedBySession(window.Session[string]{Gap: 5 * time.Second}).
		TryAggregate(func() int64 { return 0 },
			func(_ context.Context, r streams.Record[string, string], sum int64) (int64, error) {
				n, err := number(r.Value)
				return sum + n, err
			},
			func(_ context.Context, _ string, a, b int64) (int64, error) { return a + b, nil }).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=1", "3s in a=2")
	// Output:
	// 1s: out a[1s-1s]=1
	// 1s: out a[1s-1s] deleted
	// 3s: out a[1s-3s]=3
}

func ExampleGroupedStream_TryCogroup() {
	b := streams.NewBuilder()
	paid := b.Stream("payments", serde.String, serde.String).GroupByKey()
	paid.TryCogroup(func(_ context.Context, r streams.Record[string, string], balance int64) (int64, error) {
		n, err := number(r.Value)
		return balance + n, err
	}).
		TryCogroup(b.Stream("resets", serde.String, serde.String).GroupByKey(), func(context.Context, streams.Record[string, string], int64) (int64, error) {
			return 0, streams.Null // deletes the aggregate
		}).
		Aggregate(func() int64 { return 0 }).
		ToStream().
		To("balances")

	pipe(b, "payments ann=5", "payments ann=x", "payments ann=2", "resets ann=now")
	// Output:
	// balances ann=5
	// balances ann=7
	// balances ann deleted
}

func ExampleCogroupedStream_TryCogroup() {
	b := streams.NewBuilder()
	var all streams.CogroupedStream[string, string] // no streams yet
	for _, topic := range []string{"eu", "us"} {
		all = all.TryCogroup(b.Stream(topic, serde.String, serde.String).GroupByKey(), func(_ context.Context, r streams.Record[string, string], agg string) (string, error) {
			return agg + topic + ":" + r.Value + ";", nil
		})
	}
	all.Aggregate(func() string { return "" }).ToStream().To("out")

	pipe(b, "eu ann=1", "us ann=2")
	// Output:
	// out ann=eu:1;
	// out ann=eu:1;us:2;
}

func ExampleCogroupedSessionWindowedStream_TryAggregate() {
	b := streams.NewBuilder()
	b.Stream("in", serde.String, serde.String).
		GroupByKey().
		Cogroup(func(_, v, agg string) string { return agg + v }).
		WindowedBySession(window.Session[string]{Gap: 5 * time.Second, Grace: time.Minute}).
		TryAggregate(func() string { return "" }, func(_ context.Context, _ string, a, b string) (string, error) { return a + "&" + b, nil }).
		ToStream().
		MapKey(span).
		To("out")

	pipeAt(b, "1s in a=x", "9s in a=y", "5s in a=z")
	// Output:
	// 1s: out a[1s-1s]=x
	// 9s: out a[9s-9s]=y
	// 1s: out a[1s-1s] deleted
	// 9s: out a[9s-9s] deleted
	// 9s: out a[1s-9s]=&x&yz
}

func ExampleTable_TryFilter() {
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String, streams.As("rows")).
		TryFilter(func(_ context.Context, _, v string) (bool, error) {
			n, err := number(v)
			return n > 10, err
		}).
		ToStream().
		To("large")

	pipe(b, "in a=11", "in a=3", "in b=x")
	// Output:
	// large a=11
	// large a deleted
}

func ExampleTable_TryFilterNot() {
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String, streams.As("rows")).
		TryFilterNot(func(_ context.Context, k, v string) (bool, error) { return k == v, nil }).
		ToStream().
		To("out")

	pipe(b, "in a=a", "in b=x")
	// Output:
	// out b=x
}

func ExampleTable_TryGroupBy() {
	b := streams.NewBuilder()
	b.Table("people", serde.String, serde.String).
		TryGroupBy(func(_ context.Context, name, town string) (string, string, error) {
			if town == "" {
				return "", "", streams.Null // left out
			}
			return town, name, nil
		}).
		Count().
		ToStream().
		To("inhabitants")

	pipe(b, "people ann=Ulm", "people bob=", "people bob=Ulm")
	// Output:
	// inhabitants Ulm=1
	// inhabitants Ulm=2
}

func ExampleGroupedTable_TryReduce() {
	b := streams.NewBuilder()
	b.Table("in", serde.String, serde.String).
		GroupBy(func(_, v string) (string, string) { return "all", v }).
		TryReduce(
			func(_ context.Context, all, v string) (string, error) { return all + v, nil },
			func(_ context.Context, all, v string) (string, error) {
				if all == v {
					return "", streams.Null // nothing left: deletes the aggregate
				}
				return strings.Replace(all, v, "", 1), nil
			}).
		ToStream().
		To("out")

	pipe(b, "in 1=a", "in 2=b", "in 1", "in 2")
	// Output:
	// out all=a
	// out all=ab
	// out all=b
	// out all deleted
}

func ExampleGroupedTable_TryAggregate() {
	b := streams.NewBuilder()
	sum := func(sign int64) func(context.Context, string, string, int64) (int64, error) {
		return func(_ context.Context, _, v string, sum int64) (int64, error) {
			n, err := number(v)
			return sum + sign*n, err
		}
	}
	b.Table("salaries", serde.String, serde.String).
		GroupBy(func(_, salary string) (string, string) { return "all", salary }).
		TryAggregate(func() int64 { return 0 }, sum(1), sum(-1)).
		ToStream().
		To("sum")

	pipe(b, "salaries ann=7", "salaries bob=x", "salaries ann=8")
	// Output:
	// sum all=7
	// sum all=8
}

func ExampleTable_TryJoin() {
	b := streams.NewBuilder()
	names, towns := b.Table("names", serde.String, serde.String), b.Table("towns", serde.String, serde.String)
	names.TryJoin(towns, func(_ context.Context, id, name, town string) (string, error) {
		if town == "" {
			return "", streams.Null // no row
		}
		return id + ": " + name + " of " + town, nil
	}).ToStream().To("people")

	pipe(b, "names 1=Ann", "towns 1=Ulm", "towns 1=")
	// Output:
	// people 1=1: Ann of Ulm
	// people 1 deleted
}

func ExampleTable_TryLeftJoin() {
	b := streams.NewBuilder()
	names, towns := b.Table("names", serde.String, serde.String), b.Table("towns", serde.String, serde.String)
	names.TryLeftJoin(towns, func(_ context.Context, id, name string, town *string) (string, error) {
		return id + ": " + name + " of " + orNobody(town), nil
	}).ToStream().To("people")

	pipe(b, "names 1=Ann", "towns 1=Ulm")
	// Output:
	// people 1=1: Ann of nobody
	// people 1=1: Ann of Ulm
}

func ExampleTable_TryOuterJoin() {
	b := streams.NewBuilder()
	names, towns := b.Table("names", serde.String, serde.String), b.Table("towns", serde.String, serde.String)
	names.TryOuterJoin(towns, func(_ context.Context, id string, name, town *string) (string, error) {
		if name == nil {
			return "", streams.Skip // this change only
		}
		return id + ": " + *name + " of " + orNobody(town), nil
	}).ToStream().To("people")

	pipe(b, "towns 1=Ulm", "names 1=Ann")
	// Output:
	// people 1=1: Ann of Ulm
}

func ExampleTable_TryJoinForeignKey() {
	b := streams.NewBuilder()
	authors := b.Table("authors", serde.String, serde.String)
	b.Table("books", serde.String, serde.String).
		TryJoinForeignKey(authors, authorOf, func(_ context.Context, id, book, author string) (string, error) {
			if author == "" {
				return "", streams.Null // no row
			}
			return id + ": " + book + " = " + author, nil
		}).
		ToStream().
		To("out")

	pipe(b, "books 1=Emma|ja", "authors ja=Jane Austen", "authors ja=")
	// Output:
	// out 1=1: Emma|ja = Jane Austen
	// out 1 deleted
}

func ExampleTable_TryLeftJoinForeignKey() {
	b := streams.NewBuilder()
	authors := b.Table("authors", serde.String, serde.String)
	b.Table("books", serde.String, serde.String).
		TryLeftJoinForeignKey(authors, authorOf, func(_ context.Context, id, book string, author *string) (string, error) {
			return id + ": " + book + " = " + orNobody(author), nil
		}).
		ToStream().
		To("out")

	pipe(b, "books 1=Emma|ja", "authors ja=Jane Austen")
	// Output:
	// out 1=1: Emma|ja = nobody
	// out 1=1: Emma|ja = Jane Austen
}

// authorOf is the foreign key of a book.
func authorOf(_, book string) (author string, ok bool) {
	_, author, ok = strings.Cut(book, "|")
	return author, ok
}

func ExampleTable_TryJoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Table("people", serde.String, serde.String, streams.As("people")).
		TryJoinGlobal(countries,
			func(_ context.Context, _, code string) (string, error) {
				if code == "" {
					return "", streams.Null // finds nothing
				}
				return code, nil
			},
			func(_ context.Context, name, _, code, country string) (string, error) {
				return name + ", " + code + ", " + country, nil
			}, streams.As("joined")).
		ToStream().
		To("out")

	pipe(b, "countries fr=France", "people ann=fr", "people ann=")
	// Output:
	// out ann=ann, fr, France
	// out ann deleted
}

func ExampleTable_TryLeftJoinGlobal() {
	b := streams.NewBuilder()
	countries := b.GlobalTable("countries", serde.String, serde.String, streams.As("countries"))
	b.Table("people", serde.String, serde.String, streams.As("people")).
		TryLeftJoinGlobal(countries,
			func(_ context.Context, _, code string) (string, error) { return code, nil },
			func(_ context.Context, name, _, code string, country *string) (string, error) {
				return name + " from " + orNobody(country), nil
			}, streams.As("joined")).
		ToStream().
		To("out")

	pipe(b, "countries fr=France", "people ann=fr", "people bob=xx")
	// Output:
	// out ann=ann from France
	// out bob=bob from nobody
}
