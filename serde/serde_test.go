package serde_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// fixed is one value and the bytes that Kafka's own serde of that type writes for it.
type fixed struct {
	name  string
	check func(t *testing.T, want []byte)
}

func bytesOf[T any](name string, s serde.Serde[T], v T) fixed {
	return fixed{name, func(t *testing.T, want []byte) {
		got, err := s.Append([]byte("before"), v)
		require.NoError(t, err)
		require.Equal(t, "before", string(got[:6]), "Append keeps what is in the buffer")
		require.Equal(t, hex.EncodeToString(want), hex.EncodeToString(got[6:]))
		back, err := s.Decode(got[6:])
		require.NoError(t, err)
		require.Equal(t, v, back)
		shared, err := serde.Shared(s).DecodeShared(got[6:])
		require.NoError(t, err)
		require.Equal(t, v, shared)
	}}
}

type customerID string

func TestBytesAreKafkas(t *testing.T) {
	t.Parallel()
	id := [16]byte{0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0xff}
	text := hex.EncodeToString([]byte("123e4567-e89b-12d3-a456-4266141740ff"))
	for _, c := range []struct {
		fixed
		hex string
	}{
		{bytesOf("a string is its bytes", serde.String, "aé"), "61c3a9"},
		{bytesOf("an empty string has no bytes", serde.String, ""), ""},
		{bytesOf("bytes that are not UTF-8 stay", serde.String, "a\xff\x00"), "61ff00"},
		{bytesOf("a named string is a string", serde.StringOf[customerID](), "c1"), "6331"},
		{bytesOf("bytes are themselves", serde.Bytes, []byte{0, 255}), "00ff"},
		{bytesOf("no bytes decode to an empty slice", serde.Bytes, []byte{}), ""},
		{bytesOf("int16 is big-endian", serde.Int16, -2), "fffe"},
		{bytesOf("int32 is big-endian", serde.Int32, 0x01020304), "01020304"},
		{bytesOf("int64 is big-endian", serde.Int64, math.MinInt64), "8000000000000000"},
		{bytesOf("a type of int64 is one", serde.Int64Of[time.Duration](), -2*time.Nanosecond), "fffffffffffffffe"},
		{bytesOf("int is a long", serde.Int, -1), "ffffffffffffffff"},
		{bytesOf("float32 is IEEE 754", serde.Float32, 1.5), "3fc00000"},
		{bytesOf("float64 is IEEE 754", serde.Float64, math.Inf(-1)), "fff0000000000000"},
		{bytesOf("true is 1", serde.Bool, true), "01"},
		{bytesOf("false is 0", serde.Bool, false), "00"},
		{bytesOf("a UUID is its text", serde.UUID, id), text},
		{bytesOf("a list of variable size has lengths", serde.List(serde.String), []string{"a", "", "bcd"}),
			"01" + "00000003" + "00000001" + "61" + "00000000" + "00000003" + "626364"},
		{bytesOf("a list of constant size has no nulls and no lengths", serde.List(serde.Int64), []int64{1, -1}),
			"00" + "00000000" + "00000002" + "0000000000000001" + "ffffffffffffffff"},
		{bytesOf("a list of int16 has constant size", serde.List(serde.Int16), []int16{7}), "00" + "00000000" + "00000001" + "0007"},
		{bytesOf("a list of int32 has constant size", serde.List(serde.Int32), []int32{7}), "00" + "00000000" + "00000001" + "00000007"},
		{bytesOf("a list of float32 has constant size", serde.List(serde.Float32), []float32{0}), "00" + "00000000" + "00000001" + "00000000"},
		{bytesOf("a list of float64 has constant size", serde.List(serde.Float64), []float64{0}), "00" + "00000000" + "00000001" + "0000000000000000"},
		{bytesOf("a list of UUIDs has constant size", serde.List(serde.UUID), [][16]byte{id}), "00" + "00000000" + "00000001" + text},
		{bytesOf("a list of booleans has variable size", serde.List(serde.Bool), []bool{true}), "01" + "00000001" + "00000001" + "01"},
		{bytesOf("an empty list of variable size", serde.List(serde.String), []string{}), "01" + "00000000"},
		{bytesOf("an empty list of constant size", serde.List(serde.Int32), []int32{}), "00" + "00000000" + "00000000"},
		{bytesOf("a list of lists", serde.List(serde.List(serde.Int16)), [][]int16{{1}, {}}),
			"01" + "00000002" + "0000000b" + "000000000000000001" + "0001" + "00000009" + "000000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want, err := hex.DecodeString(c.hex)
			require.NoError(t, err)
			c.check(t, want)
		})
	}
}

// refused is an input and the error that must come of it.
type refused struct {
	name string
	err  func(src []byte) error
}

func decodeOf[T any](name string, s serde.Serde[T]) refused {
	return refused{name, func(src []byte) error {
		_, err := s.Decode(src)
		_, shared := serde.Shared(s).DecodeShared(src)
		if fmt.Sprint(err) != fmt.Sprint(shared) {
			return fmt.Errorf("Decode says %q, DecodeShared says %q", err, shared)
		}
		return err
	}}
}

func TestErrorsNameWhatWasWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		refused
		hex, want string
	}{
		{decodeOf("int16 short", serde.Int16), "00", "serde: int16 needs 2 bytes, got 1"},
		{decodeOf("int32 long", serde.Int32), "0000000000", "serde: int32 needs 4 bytes, got 5"},
		{decodeOf("int64 short", serde.Int64), "000000", "serde: int64 needs 8 bytes, got 3"},
		{decodeOf("int empty", serde.Int), "", "serde: int needs 8 bytes, got 0"},
		{decodeOf("float32 empty", serde.Float32), "", "serde: float32 needs 4 bytes, got 0"},
		{decodeOf("float64 short", serde.Float64), "00000000", "serde: float64 needs 8 bytes, got 4"},
		{decodeOf("bool long", serde.Bool), "0001", "serde: bool needs 1 bytes, got 2"},
		{decodeOf("bool neither", serde.Bool), "02", "serde: bool needs a byte 0 or 1, got 2"},
		{decodeOf("UUID short", serde.UUID), "00", "serde: UUID needs 36 bytes, got 1"},
		{decodeOf("UUID without dash", serde.UUID), strings.Repeat("61", 36), `serde: UUID needs '-' at position 8, got 'a'`},
		{decodeOf("UUID with other letters", serde.UUID), strings.Repeat("67", 36), `serde: UUID needs hexadecimal digits at position 0, got "gg"`},
		{decodeOf("list empty", serde.List(serde.Int32)), "", "serde: list is empty, it needs at least 5 bytes"},
		{decodeOf("list strategy", serde.List(serde.Int32)), "02", "serde: list starts with byte 2, which is neither of its formats 0 and 1"},
		{decodeOf("list count cut", serde.List(serde.String)), "010000", "serde: list needs 4 bytes for its number of entries, got 2"},
		{decodeOf("list count huge", serde.List(serde.String)), "017fffffff", "serde: list says it has 2147483647 entries, 0 bytes are left"},
		{decodeOf("list count negative", serde.List(serde.String)), "01ffffffff", "serde: list says it has -1 entries, 0 bytes are left"},
		{decodeOf("list entry null", serde.List(serde.String)), "0100000001ffffffff", "serde: list entry 0 is null, which string cannot be"},
		{decodeOf("list entry negative", serde.List(serde.String)), "0100000001fffffffe", "serde: list entry 0 says it has -2 bytes, 0 are left"},
		{decodeOf("list entry long", serde.List(serde.String)), "01000000010000000261", "serde: list entry 0 says it has 2 bytes, 1 are left"},
		{decodeOf("list entry missing", serde.List(serde.String)), "01000000020000000461626364", "serde: list ends before entry 1 of 2"},
		{decodeOf("list rest", serde.List(serde.String)), "0100000000ff", "serde: 1 bytes after the last of 0 list entries"},
		{decodeOf("list entry broken", serde.List(serde.Bool)), "01000000010000000109", "serde: list entry 0: serde: bool needs a byte 0 or 1, got 9"},
		{decodeOf("constant list nulls", serde.List(serde.Int32)), "00000000010000000000000001", "serde: list holds 1 nulls, which int32 cannot"},
		{decodeOf("constant list nulls huge", serde.List(serde.Int32)), "007fffffff", "serde: list says it has 2147483647 nulls, 0 bytes are left"},
		{decodeOf("constant list count huge", serde.List(serde.Int32)), "00000000007fffffff00000000", "serde: list says it has 2147483647 entries, 4 bytes are left"},
		{decodeOf("constant list rest", serde.List(serde.Int32)), "0000000000000000010000000000", "serde: list of 1 entries of 4 bytes each needs 4 bytes, got 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src, err := hex.DecodeString(c.hex)
			require.NoError(t, err)
			require.EqualError(t, c.err(src), c.want)
		})
	}
}

func TestUUIDReadsUpperCase(t *testing.T) {
	t.Parallel()
	v, err := serde.UUID.Decode([]byte("123E4567-E89B-12D3-A456-4266141740FF"))
	require.NoError(t, err)
	b, err := serde.UUID.Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, "123e4567-e89b-12d3-a456-4266141740ff", string(b))
}

func TestListsAreReadInEitherFormWhateverTheInnerSerde(t *testing.T) {
	t.Parallel()
	variable, _ := hex.DecodeString("0100000002" + "00000002" + "0007" + "00000002" + "0008")
	got, err := serde.List(serde.Int16).Decode(variable)
	require.NoError(t, err)
	require.Equal(t, []int16{7, 8}, got)

	constant, _ := hex.DecodeString("00000000000000000261626364")
	texts, err := serde.List(serde.String).Decode(constant)
	require.NoError(t, err)
	require.Equal(t, []string{"ab", "cd"}, texts)
}

type wrongSize struct{ serde.Serde[string] }

func (wrongSize) FixedSize() int { return 3 }

func TestAppendWithAnErrorReturnsTheBufferAsItWas(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	failing := serde.New(func(dst []byte, v string) ([]byte, error) {
		if v == "" {
			return append(dst, "half"...), boom
		}
		return append(dst, v...), nil
	}, func(src []byte) (string, error) { return string(src), nil })
	got, err := serde.List(failing).Append([]byte("before"), []string{"a", ""})
	require.ErrorIs(t, err, boom)
	require.EqualError(t, err, "serde: list entry 1: boom")
	require.Equal(t, "before", string(got))

	got, err = serde.List[string](wrongSize{serde.String}).Append([]byte("before"), []string{"abc", "ab"})
	require.EqualError(t, err, "serde: list entry 1 has 2 bytes, its serde said that all have 3")
	require.Equal(t, "before", string(got))

	got, err = serde.JSON[map[string]any]().Append([]byte("before"), map[string]any{"a": make(chan int)})
	require.Error(t, err)
	require.Equal(t, "before", string(got))
}

func TestSharedValuesPointIntoTheSourceAndCopiesDoNot(t *testing.T) {
	t.Parallel()
	src := []byte("abc")
	shared, err := serde.Shared(serde.Bytes).DecodeShared(src)
	require.NoError(t, err)
	copied, err := serde.Bytes.Decode(src)
	require.NoError(t, err)
	text, err := serde.String.Decode(src)
	require.NoError(t, err)
	src[0] = 'X'
	require.Equal(t, "Xbc", string(shared))
	require.Equal(t, "abc", string(copied))
	require.Equal(t, "abc", text)
	require.Equal(t, 3, cap(shared), "appending to a shared value must not write into the batch")

	empty, err := serde.Shared(serde.String).DecodeShared(nil)
	require.NoError(t, err)
	require.Empty(t, empty)
	none, err := serde.Shared(serde.Bytes).DecodeShared(nil)
	require.NoError(t, err)
	require.NotNil(t, none)
}

func TestDefaultsAreTheScalars(t *testing.T) {
	t.Parallel()
	s, ok := serde.Default[string]()
	require.True(t, ok)
	require.Equal(t, serde.String, s)
	i, ok := serde.Default[int]()
	require.True(t, ok)
	require.Equal(t, serde.Int, i)
	for _, ok := range []bool{
		has[[]byte](), has[int16](), has[int32](), has[int64](), has[float32](), has[float64](), has[bool](), has[[16]byte](),
	} {
		require.True(t, ok)
	}
	for _, ok := range []bool{has[customerID](), has[uint32](), has[int8](), has[any](), has[error](), has[*string](), has[[]string](), has[struct{}]()} {
		require.False(t, ok)
	}
}

func has[T any]() bool { _, ok := serde.Default[T](); return ok }

// bound is a string serde that writes the role it was bound to before the value.
type bound struct{ role string }

func (b bound) Append(dst []byte, v string) ([]byte, error) {
	if b.role == "" {
		return dst, errors.New("not bound")
	}
	return append(append(dst, b.role+":"...), v...), nil
}
func (b bound) Decode(src []byte) (string, error) {
	return strings.TrimPrefix(string(src), b.role+":"), nil
}
func (b bound) Bind(r serde.Role) (serde.Serde[string], error) {
	if r.Topic == "" {
		return nil, errors.New("no topic")
	}
	return bound{r.String()}, nil
}

func TestBindReachesTheInnerSerde(t *testing.T) {
	t.Parallel()
	s, err := serde.Bind(serde.List[string](bound{}), serde.Role{Topic: "t"})
	require.NoError(t, err)
	b, err := s.Append(nil, []string{"x"})
	require.NoError(t, err)
	require.Equal(t, "\x01\x00\x00\x00\x01\x00\x00\x00\x09t-value:x", string(b))

	plain, err := serde.Bind(serde.String, serde.Role{Topic: "t", Key: true})
	require.NoError(t, err)
	require.Equal(t, serde.String, plain)
	require.Equal(t, "t-key", serde.Role{Topic: "t", Key: true}.String())

	_, err = serde.Bind(serde.List[string](bound{}), serde.Role{})
	require.EqualError(t, err, "no topic")
}

func TestHeadersLastAndWith(t *testing.T) {
	t.Parallel()
	h := make(serde.Headers, 0, 8).With("a", []byte("1")).With("b", nil).With("a", []byte("2"))
	v, ok := h.Last("a")
	require.True(t, ok)
	require.Equal(t, "2", string(v))
	v, ok = h.Last("b")
	require.True(t, ok)
	require.Nil(t, v)
	_, ok = h.Last("c")
	require.False(t, ok)

	one := h.With("x", nil)
	two := h.With("y", nil)
	require.Equal(t, "x", one[3].Key, "two headers added to the same ones do not share an element")
	require.Equal(t, "y", two[3].Key)
	require.Len(t, h, 3)
}
