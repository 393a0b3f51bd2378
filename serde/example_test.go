package serde_test

import (
	"fmt"
	"strconv"

	"github.com/millrace-go/millrace/serde"
)

func Example() {
	type Order struct {
		ID    string `json:"id"`
		Cents int64  `json:"cents"`
	}
	orders := serde.JSON[Order]()

	b, err := orders.Append(nil, Order{"o1", 1250})
	fmt.Println(string(b), err)

	o, err := orders.Decode(b)
	fmt.Println(o, err)

	_, err = serde.Int64.Decode([]byte{1, 2, 3})
	fmt.Println(err)
	// Output:
	// {"id":"o1","cents":1250} <nil>
	// {o1 1250} <nil>
	// serde: int64 needs 8 bytes, got 3
}

func ExampleNew() {
	decimal := serde.New(
		func(dst []byte, v int) ([]byte, error) { return strconv.AppendInt(dst, int64(v), 10), nil },
		func(src []byte) (int, error) { return strconv.Atoi(string(src)) },
	)
	b, _ := decimal.Append([]byte("n="), 42)
	v, err := decimal.Decode(b[2:])
	fmt.Println(string(b), v, err)
	// Output: n=42 42 <nil>
}

func ExampleList() {
	b, _ := serde.List(serde.Int16).Append(nil, []int16{1, 2})
	fmt.Printf("%x\n", b)
	b, _ = serde.List(serde.String).Append(nil, []string{"a", "bc"})
	fmt.Printf("%x\n", b)
	// Output:
	// 00000000000000000200010002
	// 01000000020000000161000000026263
}

func ExampleStringOf() {
	type CustomerID string
	id, err := serde.StringOf[CustomerID]().Decode([]byte("c7"))
	fmt.Printf("%T %v %v\n", id, id, err)
	// Output: serde_test.CustomerID c7 <nil>
}

func ExampleUUIDOf() {
	type SessionID [16]byte
	b, _ := serde.UUIDOf[SessionID]().Append(nil, SessionID{0: 0xab, 15: 1})
	fmt.Println(string(b))
	// Output: ab000000-0000-0000-0000-000000000001
}

func ExampleDefault() {
	s, ok := serde.Default[int]()
	b, _ := s.Append(nil, 7)
	fmt.Println(ok, b)
	_, ok = serde.Default[map[string]int]()
	fmt.Println(ok)
	// Output:
	// true [0 0 0 0 0 0 0 7]
	// false
}

func ExampleHeaders_With() {
	h := serde.Headers{{Key: "trace", Value: []byte("1")}}
	h2 := h.With("trace", []byte("2"))
	v, ok := h2.Last("trace")
	fmt.Println(len(h), len(h2), string(v), ok)
	// Output: 1 2 2 true
}
