package avro_test

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/serde/avro"
)

func ExampleNew() {
	orders, err := avro.New(`{"type":"record","name":"Order","fields":[
		{"name":"id","type":"string"},
		{"name":"cents","type":"long"},
		{"name":"note","type":["null","string"],"default":null}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := orders.Append(nil, map[string]any{"id": "o1", "cents": 1250, "note": map[string]any{"string": "hi"}})
	fmt.Printf("%x %v\n", b, err)

	v, err := orders.Decode(b)
	fmt.Println(v, err)

	_, err = orders.Decode([]byte{0x80, 0xd0, 0xac, 0xf3, 0x0e}) // says that it has two billion bytes
	fmt.Println(err)
	// Output:
	// 046f31c41302046869 <nil>
	// map[cents:1250 id:o1 note:map[string:hi]] <nil>
	// avro: bytes or string says it has 2000000000 bytes, 0 are left
}

// longs is an implementation of Avro that knows one schema.
type longs struct{}

func (longs) Append(dst []byte, v int64) ([]byte, error) { return binary.AppendVarint(dst, v), nil }

func (longs) Decode(src []byte) (int64, []byte, error) {
	v, n := binary.Varint(src)
	if n <= 0 {
		return 0, nil, errors.New("no number")
	}
	return v, src[n:], nil
}

// Any implementation of Avro can take goavro's place, within the same limits.
func ExampleWith() {
	s, err := avro.With[int64](`"long"`, longs{})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := s.Append(nil, -3)
	v, err := s.Decode(b)
	fmt.Println(b, v, err)
	// Output: [5] -3 <nil>
}
