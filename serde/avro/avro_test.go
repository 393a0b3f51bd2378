package avro_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/serde/avro"
)

const (
	list   = `{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}`
	orders = `{"type":"record","name":"shop.Order","fields":[
		{"name":"id","type":"string"},
		{"name":"cents","type":"long"},
		{"name":"note","type":["null","string"],"default":null},
		{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
		{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
			{"name":"sku","type":"bytes"},{"name":"count","type":"int"}]}}},
		{"name":"tags","type":{"type":"map","values":"double"}}]}`
)

func TestBytesAreTheSpecifications(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, schema string
		value        any
		hex          string
	}{
		{"null has no bytes", `"null"`, nil, ""},
		{"a boolean", `"boolean"`, true, "01"},
		{"an int in zigzag", `"int"`, int32(-64), "7f"},
		{"a long of ten bytes", `"long"`, int64(math.MinInt64), "ffffffffffffffffff01"},
		{"a float is little-endian", `"float"`, float32(1.5), "0000c03f"},
		{"a double is little-endian", `"double"`, -2.5, "00000000000004c0"},
		{"a string has its length", `"string"`, "foo", "06666f6f"},
		{"bytes", `"bytes"`, []byte{0xff}, "02ff"},
		{"fixed has none", `{"type":"fixed","name":"F","size":2}`, []byte{1, 2}, "0102"},
		{"an enum is its index", `{"type":"enum","name":"E","symbols":["A","B"]}`, "B", "02"},
		{"a record is its fields", `{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}`,
			map[string]any{"a": int64(27), "b": "foo"}, "3606666f6f"},
		{"an array is blocks", `{"type":"array","items":"long"}`, []any{int64(3), int64(27)}, "04063600"},
		{"an empty array", `{"type":"array","items":"long"}`, []any{}, "00"},
		{"a union is its branch", `["null","string"]`, map[string]any{"string": "a"}, "020261"},
		{"null in a union", `["null","string"]`, nil, "00"},
		{"a map is sorted", `{"type":"map","values":"int"}`, map[string]any{"b": int32(1), "a": int32(2), "ab": int32(3)},
			"06" + "026104" + "04616206" + "026202" + "00"},
		{"maps in maps are sorted", `{"type":"map","values":{"type":"map","values":"null"}}`,
			map[string]any{"y": map[string]any{"b": nil, "a": nil}, "x": map[string]any{}},
			"04" + "0278" + "00" + "0279" + "04" + "0261" + "0262" + "00" + "00"},
		{"a timestamp", `{"type":"long","logicalType":"timestamp-millis"}`, time.UnixMilli(1).UTC(), "02"},
		{"a decimal is two's complement", `{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}`, big.NewRat(-1, 4), "02e7"},
		{"a list of three", list, map[string]any{"next": map[string]any{"List": map[string]any{"next": map[string]any{
			"List": map[string]any{"next": nil}}}}}, "020200"},
		{"an order", orders, map[string]any{"id": "o1", "cents": int64(5), "note": nil, "state": "PAID",
			"lines": []any{map[string]any{"sku": []byte("s"), "count": int32(1)}}, "tags": map[string]any{"t": 0.0}},
			"046f31" + "0a" + "00" + "02" + "02" + "0273" + "02" + "00" + "02" + "0274" + "0000000000000000" + "00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := avro.New(c.schema)
			require.NoError(t, err)
			for range 10 {
				b, err := s.Append([]byte("before"), c.value)
				require.NoError(t, err)
				require.Equal(t, "before", string(b[:6]))
				require.Equal(t, c.hex, hex.EncodeToString(b[6:]))
				back, err := s.Decode(b[6:])
				require.NoError(t, err)
				require.Equal(t, c.value, back)
			}
		})
	}
}

func TestBlocksWithTheirSizeAreRead(t *testing.T) {
	t.Parallel()
	s, err := avro.New(`{"type":"array","items":"long"}`)
	require.NoError(t, err)
	v, err := s.Decode([]byte{0x03, 0x04, 0x06, 0x36, 0x02, 0x08, 0x00}) // two items in two bytes, then one without size
	require.NoError(t, err)
	require.Equal(t, []any{int64(3), int64(27), int64(4)}, v)
}

func TestADecodedValueDoesNotPointIntoItsInput(t *testing.T) {
	t.Parallel()
	for schema, src := range map[string][]byte{`"bytes"`: {4, 'a', 'b'}, `{"type":"fixed","name":"F","size":2}`: {'a', 'b'}} {
		s, err := avro.New(schema)
		require.NoError(t, err)
		v, err := s.Decode(src)
		require.NoError(t, err)
		src[len(src)-1] = 'X'
		require.Equal(t, []byte("ab"), v)
	}
}

func nested(item string, depth int) string {
	return strings.Repeat(`{"type":"array","items":`, depth) + item + strings.Repeat("}", depth)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// hostile are records that take down a decoder which believes them.
func hostile(t testing.TB) []struct {
	name, schema string
	src          []byte
	want         string
} {
	const manyEmpty = "8080" + "08" // a block of 65,536 items
	return []struct {
		name, schema string
		src          []byte
		want         string
	}{
		{"an array of nulls of a billion", `{"type":"array","items":"null"}`, unhex(t, "80a8d6b907"), "block says it has 1000000000 items, 0 bytes are left"},
		{"an array of strings of two billion", `{"type":"array","items":"string"}`, unhex(t, "80d0acf30e"), "block says it has 2000000000 items, 0 bytes are left"},
		{"a map of two billion", `{"type":"map","values":"null"}`, unhex(t, "80d0acf30e"), "block says it has 2000000000 items, 0 bytes are left"},
		{"many blocks of nulls", `{"type":"array","items":"null"}`, unhex(t, strings.Repeat(manyEmpty, 1000)+"00"), "more than 65536 values that take no bytes"},
		{"an array of records without fields", `{"type":"array","items":{"type":"record","name":"R","fields":[]}}`,
			unhex(t, strings.Repeat(manyEmpty, 2)+"00"), "more than 65536 values that take no bytes"},
		{"arrays of arrays that say they are long", nested(`"null"`, 8), unhex(t, strings.Repeat("808008", 8)), "record is cut"},
		{"a list two million long", list, []byte(strings.Repeat("\x02", 2_000_000) + "\x00"), "record nests deeper than 128"},
		{"a tree of arrays a million deep", `{"type":"record","name":"T","fields":[{"name":"kids","type":{"type":"array","items":"T"}}]}`,
			[]byte(strings.Repeat("\x02", 1_000_000)), "record nests deeper than 128"},
		{"a record in itself", `{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`, nil, "record nests deeper than 128"},
		{"two records in each other, doubling", `{"type":"record","name":"A","fields":[{"name":"x","type":{"type":"record","name":"B","fields":[
			{"name":"a","type":["null","A"]},{"name":"b","type":["null","A"]}]}},{"name":"y","type":"B"}]}`,
			[]byte(strings.Repeat("\x02", 1_000_000)), "record nests deeper than 128"},
		{"the least block count", `{"type":"array","items":"long"}`, unhex(t, "ffffffffffffffffff01"), "block of -9223372036854775808 items"},
		{"a negative count of two billion", `{"type":"array","items":"null"}`, unhex(t, "ffcfacf30e"+"00"), "block says it has 2000000000 items, 0 bytes are left"},
		{"a negative size of a block", `{"type":"array","items":"long"}`, unhex(t, "01"+"01"+"02"+"00"), "block says it has -1 bytes, 2 are left"},
		{"a string of two billion bytes", `"string"`, unhex(t, "80d0acf30e"), "says it has 2000000000 bytes, 0 are left"},
		{"a string of less than none", `"string"`, unhex(t, "01"), "says it has -1 bytes, 0 are left"},
		{"a fixed of 16 MiB", `{"type":"fixed","name":"F","size":16777216}`, []byte{1}, "record is cut"},
		{"branch 99 of a union", `["null","string"]`, unhex(t, "c601"), "union has 2 choices, got number 99"},
		{"branch -1 of a union", `["null","string"]`, unhex(t, "01"), "union has 2 choices, got number -1"},
		{"symbol 7 of an enum", `{"type":"enum","name":"E","symbols":["A"]}`, unhex(t, "0e"), "enum has 1 choices, got number 7"},
		{"a number without end", `"long"`, []byte(strings.Repeat("\xff", 1000)), "number does not fit 64 bits"},
		{"an int of 64 bits", `"int"`, unhex(t, "ffffffffffffffffff01"), "does not fit 32 bits"},
		{"17 MiB", `"bytes"`, make([]byte, 17<<20), "record of 17825792 bytes is longer than 16777216"},
		{"a map for every byte", `{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"b","type":"boolean"}]}}`,
			append(append(unhex(t, "80808008"), make([]byte, 8<<20)...), 0), "record would take more than 268435456 bytes of memory"},
		{"bytes behind the end", `"boolean"`, unhex(t, "0100"), "record goes on for 1 bytes after its end"},
		{"nothing", `"boolean"`, nil, "record is cut"},
	}
}

func TestHostileRecordsAreErrorsThatCostNothing(t *testing.T) {
	for _, c := range hostile(t) {
		t.Run(c.name, func(t *testing.T) {
			s, err := avro.New(c.schema)
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			v, err := s.Decode(c.src)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, v)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "memory")
			require.Less(t, took, time.Second, "time (a few milliseconds; a busy machine is allowed for)")
		})
	}
}

func TestDepthIsAllowedUpToItsLimit(t *testing.T) {
	t.Parallel()
	s, err := avro.New(list)
	require.NoError(t, err)
	deepest := []byte(strings.Repeat("\x02", avro.MaxDepth-1) + "\x00")
	v, err := s.Decode(deepest)
	require.NoError(t, err)
	b, err := s.Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, deepest, b)

	more := map[string]any{"next": map[string]any{"List": v}}
	b, err = s.Append([]byte("before"), more)
	require.ErrorContains(t, err, "writing a record that could not be read again: record nests deeper than 128")
	require.Equal(t, "before", string(b))

	self := map[string]any{}
	self["next"] = map[string]any{"List": self}
	b, err = s.Append([]byte("before"), self)
	require.ErrorContains(t, err, "does it contain itself?")
	require.Equal(t, "before", string(b))

	type selves []any
	inner := make(selves, 1)
	inner[0] = inner
	tree, err := avro.New(`{"type":"record","name":"T","fields":[{"name":"kids","type":{"type":"array","items":"T"}}]}`)
	require.NoError(t, err)
	_, err = tree.Append(nil, map[string]any{"kids": inner})
	require.Error(t, err)
}

func TestErrorsOfTheCodecLeaveTheBufferAsItWas(t *testing.T) {
	t.Parallel()
	s, err := avro.New(orders)
	require.NoError(t, err)
	b, err := s.Append([]byte("before"), map[string]any{"id": "o1"})
	require.ErrorContains(t, err, `avro: cannot encode binary record "shop.Order" field "cents"`)
	require.Equal(t, "before", string(b))
	_, err = s.Append(nil, 5)
	require.Error(t, err)
	_, err = s.Decode([]byte{2, 'x'})
	require.EqualError(t, err, "avro: record is cut")
}

func TestSchemasThatAreRefused(t *testing.T) {
	t.Parallel()
	rec := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	for _, c := range []struct{ name, schema, want string }{
		{"not JSON", `{`, "avro: schema is not JSON"},
		{"a number", `5`, "a type is a name, a list or an object"},
		{"no type", `{}`, `a type needs an attribute "type"`},
		{"unknown type", `"text"`, `unknown type "text"`},
		{"unknown type of a field", rec(`{"name":"a","type":"text"}`), `record R: field a: unknown type "text"`},
		{"a field without type", rec(`{"name":"a"}`), "field a needs a type"},
		{"a field that is not one", rec(`5`), "field 1 is not an object"},
		{"a field that is itself an array", rec(`{"name":"a","type":"array","items":"int"}`), "field a needs a type"},
		{"two fields of one name", rec(`{"name":"a","type":"int"},{"name":"a","type":"int"}`), "unique name"},
		{"no fields", `{"type":"record","name":"R"}`, "record R needs fields"},
		{"no name", `{"type":"record","fields":[]}`, "record needs a name"},
		{"a namespace that is none", `{"type":"record","name":"R","namespace":5,"fields":[]}`, "its namespace is not a text"},
		{"a bad name", `{"type":"record","name":"a-b","fields":[]}`, "[A-Za-z0-9_]"},
		{"an array of nothing", `{"type":"array"}`, `array needs "items"`},
		{"a map of nothing", `{"type":"map"}`, `map needs "values"`},
		{"a union of none", `[]`, "a union needs a branch"},
		{"a union in a union", `["null",["int"]]`, "a union within a union"},
		{"a union of twice the same", `["int","int"]`, "unique type"},
		{"an enum of none", `{"type":"enum","name":"E","symbols":[]}`, "enum E needs symbols"},
		{"a fixed of none", `{"type":"fixed","name":"F","size":0}`, "fixed F needs a size"},
		{"a fixed of a half", `{"type":"fixed","name":"F","size":1.5}`, "fixed F needs a size"},
		{"a fixed of everything", `{"type":"fixed","name":"F","size":1e18}`, "fixed F needs a size"},
		{"a name of Avro's", `{"type":"record","name":"int.date","fields":[]}`, "is a name of Avro's own types"},
		{"a name twice", rec(`{"name":"a","type":{"type":"fixed","name":"R","size":1}}`), `"R" is defined twice`},
		{"a name that may be two", rec(`{"name":"f","type":{"type":"fixed","name":"F","size":1}},{"name":"s","type":
			{"type":"record","name":"a.S","fields":[{"name":"g","type":{"type":"fixed","name":"a.F","size":2}},{"name":"h","type":"F"}]}}`),
			`"F" may be "a.F" or the "F" without namespace: write the full name`},
		{"a logical type that is the name of a type", rec(`{"name":"f","type":{"type":"fixed","name":"x.y","size":1}},{"name":"g","type":
			{"type":"record","name":"x","fields":[]}},{"name":"h","type":{"type":"x","logicalType":"y"}}`), "has the name of a type"},
		{"a decimal without precision", `{"type":"bytes","logicalType":"decimal"}`, "precision"},
		{"too deep", nested(`"int"`, 129), "types nest deeper than 128"},
		{"deeper than JSON may be", nested(`"int"`, 20_000), "avro: schema is not JSON"},
		{"too long", strings.Repeat(" ", 2<<20) + `"int"`, "avro: schema of 2097157 bytes is longer than 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := avro.New(c.schema)
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}

func TestNamesAreFoundByTheirNamespace(t *testing.T) {
	t.Parallel()
	s, err := avro.New(`{"type":"record","name":"R","namespace":"a.b","fields":[
		{"name":"f","type":{"type":"fixed","name":"F","size":1}},
		{"name":"g","type":"F"},
		{"name":"h","type":"a.b.F"},
		{"name":"i","type":{"type":"record","name":"c.S","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}}]}},
		{"name":"j","type":"c.E"}]}`)
	require.NoError(t, err)
	src := []byte{1, 2, 3, 0, 0}
	v, err := s.Decode(src)
	require.NoError(t, err)
	b, err := s.Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, src, b)

	_, err = avro.New(`{"type":"record","name":"x.Top","fields":[
		{"name":"a","type":{"type":"fixed","name":"F","size":1}},
		{"name":"b","type":{"type":"record","name":"y.Other","namespace":"","fields":[]}}]}`)
	require.NoError(t, err)
}

func TestGoavrosLimitsAreSetForTheProcess(t *testing.T) {
	t.Parallel()
	require.EqualValues(t, 65_536, goavro.MaxBlockCount)
	require.EqualValues(t, 16<<20, goavro.MaxBlockSize)

	s, err := avro.New(`{"type":"map","values":"boolean"}`)
	require.NoError(t, err)
	big := map[string]any{}
	for i := range 70_000 {
		big[fmt.Sprintf("%05d", i)] = i%2 == 0
	}
	b, err := s.Append(nil, big)
	require.NoError(t, err)
	again, err := s.Append(nil, big)
	require.NoError(t, err)
	require.Equal(t, b, again)
	v, err := s.Decode(b)
	require.NoError(t, err, "a map of more entries than a block may have is written as several blocks")
	require.Equal(t, big, v)
}

// codec is some other implementation.
type codec struct {
	append func([]byte, int64) ([]byte, error)
	decode func([]byte) (int64, []byte, error)
}

func (c codec) Append(dst []byte, v int64) ([]byte, error) { return c.append(dst, v) }
func (c codec) Decode(src []byte) (int64, []byte, error)   { return c.decode(src) }

func TestAnotherCodecIsKeptWithinTheLimits(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		codec
		append, decode string
	}{
		{"one that works", codec{
			func(dst []byte, v int64) ([]byte, error) { return append(dst, byte(v*2)), nil },
			func(src []byte) (int64, []byte, error) { return int64(src[0] / 2), src[1:], nil }}, "", ""},
		{"one that fails", codec{
			func(dst []byte, v int64) ([]byte, error) { return append(dst, "half"...), boom },
			func(src []byte) (int64, []byte, error) { return 7, nil, boom }}, "avro: boom", "avro: boom"},
		{"one that panics", codec{
			func(dst []byte, v int64) ([]byte, error) { panic("oh") },
			func(src []byte) (int64, []byte, error) { panic("oh") }}, "avro: the codec panicked: oh", "avro: the codec panicked: oh"},
		{"one that writes something else", codec{
			func(dst []byte, v int64) ([]byte, error) { return append(dst, 2, 2), nil },
			func(src []byte) (int64, []byte, error) { return 7, src, nil }},
			"writing a record that could not be read again: record goes on for 1 bytes", "avro: the codec left 1 bytes over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := avro.With[int64](`"long"`, c.codec)
			require.NoError(t, err)
			b, err := s.Append([]byte("before"), 3)
			v, err2 := s.Decode([]byte{6})
			if c.append == "" {
				require.NoError(t, errors.Join(err, err2))
				require.Equal(t, "before\x06", string(b))
				require.EqualValues(t, 3, v)
				return
			}
			require.ErrorContains(t, err, c.append)
			require.Equal(t, "before", string(b))
			require.ErrorContains(t, err2, c.decode)
			require.Zero(t, v)
		})
	}
	_, err := avro.With[int64](`"text"`, codec{})
	require.Error(t, err)
}

func FuzzDecode(f *testing.F) {
	schemas := []string{
		list, orders, `"bytes"`, `"int"`, `["null","string","boolean",{"type":"fixed","name":"F","size":3}]`,
		`{"type":"array","items":"null"}`, `{"type":"map","values":{"type":"map","values":["null","long"]}}`,
		`{"type":"record","name":"T","fields":[{"name":"kids","type":{"type":"array","items":"T"}},{"name":"by","type":{"type":"map","values":"T"}}]}`,
		`{"type":"record","name":"L","fields":[
			{"name":"d","type":{"type":"int","logicalType":"date"}},{"name":"t","type":{"type":"long","logicalType":"time-micros"}},
			{"name":"s","type":{"type":"long","logicalType":"timestamp-micros"}},
			{"name":"m","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}},
			{"name":"n","type":{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":3}},
			{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
			{"name":"f","type":"float"},{"name":"g","type":"double"},
			{"name":"u","type":{"type":"string","logicalType":"uuid"}}]}`,
	}
	var serdes []serde.Serde[any]
	for _, text := range schemas {
		s, err := avro.New(text)
		require.NoError(f, err)
		serdes = append(serdes, s)
	}
	for i := range schemas {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{2, 2, 2, 2, 0, 0, 0, 0})
		f.Add(uint8(i), []byte(strings.Repeat("\x02", 300)))
		f.Add(uint8(i), []byte(strings.Repeat("\x80\x80\x08", 20)))
		f.Add(uint8(i), []byte("\x046f31\x0a\x00\x02\x02\x02s\x02\x00\x02\x02t\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	}
	for _, c := range hostile(f) {
		if len(c.src) < 1000 {
			f.Add(uint8(0), c.src)
			f.Add(uint8(5), c.src)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, src []byte) {
		s := serdes[int(which)%len(serdes)]
		v, err := s.Decode(src)
		if err != nil {
			return
		}
		b, err := s.Append(nil, v)
		if err != nil {
			return // dates beyond those of time.Time, say, which goavro reads and does not write
		}
		again, err := s.Decode(b)
		require.NoError(t, err)
		b2, err := s.Append(nil, again)
		require.NoError(t, err)
		require.Equal(t, b, b2, "what is read is written in one form")
	})
}

func BenchmarkOrder(b *testing.B) {
	s, err := avro.New(orders)
	require.NoError(b, err)
	v := map[string]any{"id": "o1", "cents": int64(5), "note": nil, "state": "PAID",
		"lines": []any{map[string]any{"sku": []byte("s"), "count": int32(1)}}, "tags": map[string]any{"t": 0.0}}
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

// FuzzSchema looks for schemas of which this package and goavro see another structure: the limits would not hold then.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{
		list, orders, nested(`"null"`, 3), `{"type":{"type":"int"}}`, `["null",{"type":"map","values":"bytes"}]`,
		`{"type":"record","name":"int.date","fields":[{"name":"a","type":{"type":"int","logicalType":"date"}}]}`,
		`{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","namespace":"","size":2}},{"name":"b","type":"F"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"R"}]}`,
		`{"type":"fixed","name":"F","size":"5","logicalType":"decimal","precision":3}`,
		`{"type":"string","logicalType":"validated-string","pattern":"a+"}`,
		`{"type":"long","logicalType":7}`,
		`{"type":"enum","name":"E","symbols":["A"],"default":"A"}`,
	} {
		f.Add(s, []byte{2, 2, 2, 0, 0, 0, 0})
		f.Add(s, []byte{})
	}
	f.Fuzz(func(t *testing.T, schema string, src []byte) {
		s, err := avro.New(schema)
		if err != nil {
			return
		}
		if _, err = s.Decode(src); err == nil {
			return
		}
		for _, sign := range []string{"short buffer", "the codec left", "panicked"} {
			require.NotContains(t, err.Error(), sign, "goavro saw another structure in bytes that the walk had found good")
		}
	})
}
