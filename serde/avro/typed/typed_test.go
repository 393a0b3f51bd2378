package typed_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/serde/avro"
	"github.com/millrace-go/millrace/serde/avro/typed"
)

const schema = `{"type":"record","name":"shop.Order","fields":[
	{"name":"id","type":"string"},
	{"name":"cents","type":"long"},
	{"name":"note","type":["null","string"],"default":null},
	{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"skus","type":{"type":"array","items":"bytes"}},
	{"name":"tags","type":{"type":"map","values":"int"}}]}`

type order struct {
	ID    string         `avro:"id"`
	Cents int64          `avro:"cents"`
	Note  *string        `avro:"note"`
	At    time.Time      `avro:"at"`
	SKUs  [][]byte       `avro:"skus"`
	Tags  map[string]int `avro:"tags"`
}

func sample() order {
	note := "fragile"
	return order{"o1", -5, &note, time.UnixMilli(1_700_000_000_000).UTC(), [][]byte{{1}, {2}}, map[string]int{"z": 1, "a": 2, "m": 3}}
}

func TestAStructIsTheRecordThatTheOtherCodecWrites(t *testing.T) {
	t.Parallel()
	s, err := typed.New[order](schema)
	require.NoError(t, err)
	generic, err := avro.New(schema)
	require.NoError(t, err)
	want := sample()
	for range 10 {
		b, err := s.Append([]byte("before"), want)
		require.NoError(t, err)
		require.Equal(t, "before", string(b[:6]))
		got, err := s.Decode(b[6:])
		require.NoError(t, err)
		require.Equal(t, want, got)

		v, err := generic.Decode(b[6:])
		require.NoError(t, err)
		again, err := generic.Append([]byte("before"), v)
		require.NoError(t, err)
		require.Equal(t, b, again)

		for i := range b {
			b[i] = 'X'
		}
		require.Equal(t, want, got, "a decoded value does not point into its input")
	}
}

func TestHostileRecordsAreErrors(t *testing.T) {
	t.Parallel()
	type list struct {
		Next *list `avro:"next"`
	}
	l, err := typed.New[list](`{"type":"record","name":"list","fields":[{"name":"next","type":["null","list"]}]}`)
	require.NoError(t, err)
	_, err = l.Decode([]byte(strings.Repeat("\x02", 1_000_000)))
	require.ErrorContains(t, err, "nests deeper than 128")
	self := list{}
	self.Next = &self
	b, err := l.Append([]byte("before"), self)
	require.Error(t, err)
	require.Equal(t, "before", string(b))

	nulls, err := typed.New[[]any](`{"type":"array","items":"null"}`)
	require.NoError(t, err)
	_, err = nulls.Decode([]byte{0x80, 0xa8, 0xd6, 0xb9, 0x07})
	require.ErrorContains(t, err, "1000000000 items")
}

func TestASchemaAndATypeThatDoNotFitAreErrors(t *testing.T) {
	t.Parallel()
	_, err := typed.New[order](`"text"`)
	require.ErrorContains(t, err, "avro: schema: ")
	s, err := typed.New[order](`"string"`)
	require.NoError(t, err)
	_, err = s.Append(nil, sample())
	require.ErrorContains(t, err, "avro: ")
	_, err = s.Decode([]byte{2, 'x'})
	require.ErrorContains(t, err, "avro: ")
	_, err = typed.For[chan int]()
	require.ErrorContains(t, err, "avro: schema of the type: ")
}

func ExampleNew() {
	type Order struct {
		ID    string  `avro:"id"`
		Cents int64   `avro:"cents"`
		Note  *string `avro:"note"`
	}
	orders, err := typed.New[Order](`{"type":"record","name":"Order","fields":[
		{"name":"id","type":"string"},
		{"name":"cents","type":"long"},
		{"name":"note","type":["null","string"]}]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := orders.Append(nil, Order{ID: "o1", Cents: 1250})
	fmt.Printf("%x\n", b)
	o, err := orders.Decode(b)
	fmt.Println(o.ID, o.Cents, o.Note, err)
	// Output:
	// 046f31c41300
	// o1 1250 <nil> <nil>
}

func ExampleFor() {
	type Point struct {
		X int32 `avro:"x"`
		Y int32 `avro:"y"`
	}
	points, err := typed.For[Point]()
	if err != nil {
		fmt.Println(err)
		return
	}
	b, _ := points.Append(nil, Point{1, -1})
	fmt.Println(b)
	// Output: [2 1]
}

func FuzzDecode(f *testing.F) {
	s, err := typed.New[order](schema)
	require.NoError(f, err)
	generic, err := typed.New[any](schema)
	require.NoError(f, err)
	b, err := s.Append(nil, sample())
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(strings.Repeat("\x02", 50)))
	f.Fuzz(func(t *testing.T, src []byte) {
		same(t, s, src)
		same(t, generic, src)
	})
}

// same checks that what is read is written and read again as the same.
func same[T any](t *testing.T, s serde.Serde[T], src []byte) {
	v, err := s.Decode(src)
	if err != nil {
		return
	}
	b, err := s.Append(nil, v)
	if err != nil {
		return // a map with a key twice, a time that no time.Time is
	}
	again, err := s.Decode(b)
	require.NoError(t, err)
	b2, err := s.Append(nil, again)
	require.NoError(t, err)
	require.Equal(t, b, b2, reflect.TypeFor[T]())
}

func BenchmarkOrder(b *testing.B) {
	s, err := typed.New[order](schema)
	require.NoError(b, err)
	v := sample()
	src, err := s.Append(nil, v)
	require.NoError(b, err)
	b.Run("append", func(b *testing.B) {
		dst := make([]byte, 0, 256)
		b.ReportAllocs()
		for range b.N {
			dst, _ = s.Append(dst[:0], v)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			_, _ = s.Decode(src)
		}
	})
}
