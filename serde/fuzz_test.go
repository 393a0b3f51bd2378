package serde_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// anySerde is a serde with its type left out: what may be said of any input.
type anySerde struct {
	name  string
	check func(t *testing.T, src []byte)
}

// fuzzed checks that Decode and DecodeShared agree, and that what was read is written and read as the same again. exact says that the
// bytes are the same too: one value has one form.
func fuzzed[T any](name string, s serde.Serde[T], exact bool) anySerde {
	return anySerde{name, func(t *testing.T, src []byte) {
		before := string(src)
		v, err := s.Decode(src)
		_, err2 := serde.Shared(s).DecodeShared(src)
		require.Equal(t, err == nil, err2 == nil, name)
		require.Equal(t, before, string(src), "%s: Decode does not write to its input", name)
		if err != nil {
			return
		}
		b, err := s.Append([]byte("x"), v)
		require.NoError(t, err, name)
		if exact {
			require.Equal(t, before, string(b[1:]), name)
		}
		again, err := s.Decode(b[1:])
		require.NoError(t, err, name)
		b2, err := s.Append([]byte("x"), again)
		require.NoError(t, err, name)
		require.Equal(t, string(b), string(b2), name)
	}}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"", "00", "01", "ff", "0000", "3fc00000", "7fc00001", "7ff8000000000001", "ffffffffffffffff",
		"0100000003000000016100000000000000036263", "00000000000000000200010002", "00000000010000000000000001",
		"017fffffff", "007fffffff", "0100000001ffffffff", "01000000010000000101",
		hex.EncodeToString([]byte("123e4567-e89b-12d3-a456-4266141740ff")), hex.EncodeToString([]byte("123E4567-E89B-12D3-A456-4266141740FF")),
		hex.EncodeToString([]byte(`{"id":"a","total":5,"tags":{"b":"c"}}`)), hex.EncodeToString([]byte(`{"kids":[{},{"kids":[]}]}`)),
		hex.EncodeToString([]byte(`"\ud800"`)), hex.EncodeToString([]byte(` null `)),
	} {
		b, err := hex.DecodeString(s)
		require.NoError(f, err)
		f.Add(b)
	}
	all := []anySerde{
		fuzzed("String", serde.String, true), fuzzed("Bytes", serde.Bytes, true),
		fuzzed("Int16", serde.Int16, true), fuzzed("Int32", serde.Int32, true), fuzzed("Int64", serde.Int64, true), fuzzed("Int", serde.Int, true),
		fuzzed("Float64", serde.Float64, true), fuzzed("Float32", serde.Float32, true), fuzzed("Bool", serde.Bool, true),
		fuzzed("UUID", serde.UUID, false),
		fuzzed("List of string", serde.List(serde.String), false), // a list of entries of one size has two forms
		fuzzed("List of int32", serde.List(serde.Int32), false),
		fuzzed("List of lists", serde.List(serde.List(serde.Int16)), false),
		fuzzed("JSON", serde.JSON[order](), false), fuzzed("JSON of any", serde.JSON[any](), false), fuzzed("JSON tree", serde.JSON[tree](), false),
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, s := range all {
			s.check(t, src)
		}
	})
}
