// Command enrich puts the customer beside each order. Both are JSON; an order whose customer is not known comes through too.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/examples/internal/demo"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
)

// Order is a line of the orders.
type Order struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Cents    int64  `json:"cents"`
}

// Customer is a line of the customers.
type Customer struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	City string `json:"city"`
}

// Enriched is what becomes of an order.
type Enriched struct {
	Order    string    `json:"order"`
	Cents    int64     `json:"cents"`
	Customer *Customer `json:"customer"` // null: not known
}

//go:embed customers.jsonl
var customers string

//go:embed orders.jsonl
var orders string

var (
	customerFile = flag.String("customers", "", "`file` of customers, one JSON object a line (default: some that the program carries)")
	orderFile    = flag.String("orders", "", "`file` of orders, - for standard input (default: some that the program carries)")
)

func main() { demo.New("enrich", "", streams.ExactlyOnce).Main(run) }

func run(ctx context.Context, d *demo.Demo) error {
	b := streams.NewBuilder()
	b.Register(serde.JSON[Enriched]())
	customer := b.Table("customers", serde.String, serde.JSON[Customer](), streams.As("customers-by-id"))
	b.Stream("orders", serde.String, serde.JSON[Order]()).
		SelectKey(func(_ string, o Order) string { return o.Customer }).
		LeftJoin(customer, enrich, streams.Named("orders-by-customer")).
		To("enriched-orders")
	topology, err := b.Build()
	if err != nil {
		return err
	}

	known, err := d.Open("customers", *customerFile, customers)
	if err != nil {
		return err
	}
	placed, err := d.Open("orders", *orderFile, orders)
	if err != nil {
		return err
	}
	return d.Process(ctx, topology, demo.Job{
		Sources: []demo.Source{{Topic: "customers", In: known, Record: byID}, {Topic: "orders", In: placed, Record: byID}},
		Outputs: []string{"enriched-orders"},
		Show:    func(r *kgo.Record) (string, error) { return string(r.Value), nil },
	})
}

// enrich is called with a nil customer for an order whose customer is not known.
func enrich(o Order, c *Customer) Enriched { return Enriched{Order: o.ID, Cents: o.Cents, Customer: c} }

// byID is the record of a line: its key is the line's id.
func byID(line []byte) (*kgo.Record, error) {
	var v struct{ ID string }
	if err := json.Unmarshal(line, &v); err != nil {
		return nil, fmt.Errorf("%.100q is not a JSON object with a text as its id: %w", line, err)
	}
	if v.ID == "" {
		return nil, fmt.Errorf("%.100q has no id", line)
	}
	return &kgo.Record{Key: []byte(v.ID), Value: line}, nil
}
