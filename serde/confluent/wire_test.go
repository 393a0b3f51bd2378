package confluent_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde/confluent"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	guid := [16]byte{0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff}
	for _, c := range []struct {
		name string
		got  []byte
		hex  string
	}{
		{"a number is big-endian", confluent.AppendID(nil, 258), "0000000102"},
		{"the greatest number", confluent.AppendID(nil, 1<<31-1), "007fffffff"},
		{"a GUID", confluent.AppendGUID(nil, guid), "01890102030405060708090a0b0c0d0eff"},
		{"the first message is one byte", confluent.AppendIndexes(nil, 0), "00"},
		{"the second message", confluent.AppendIndexes(nil, 1), "0202"},
		{"a nested message", confluent.AppendIndexes(nil, 1, 0, 64), "0602008001"},
		{"the first message of the first", confluent.AppendIndexes(nil, 0, 0), "040000"},
	} {
		require.Equal(t, c.hex, hex.EncodeToString(c.got), c.name)
	}
	id, rest, err := confluent.ParseID(append(confluent.AppendID(nil, 258), "rest"...))
	require.NoError(t, err)
	require.EqualValues(t, 258, id)
	require.Equal(t, "rest", string(rest))
	g, rest, err := confluent.ParseGUID(append(confluent.AppendGUID(nil, guid), "rest"...))
	require.NoError(t, err)
	require.Equal(t, guid, g)
	require.Equal(t, "rest", string(rest))
	for _, want := range [][]int{{0}, {1}, {1, 0, 64}, {0, 0}} {
		path, rest, err := confluent.ParseIndexes(append(confluent.AppendIndexes(nil, want...), "rest"...))
		require.NoError(t, err)
		require.Equal(t, want, path)
		require.Equal(t, "rest", string(rest))
	}
	path, _, err := confluent.ParseIndexes([]byte{2, 0})
	require.NoError(t, err)
	require.Equal(t, []int{0}, path, "the long form of the first message")
}

func TestErrorsNameWhatWasWrong(t *testing.T) {
	t.Parallel()
	_, _, err := confluent.ParseID([]byte{0, 0, 0, 1})
	require.EqualError(t, err, "confluent: the head with a schema's number needs 5 bytes, got 4")
	_, _, err = confluent.ParseID([]byte(`{"a":1}`))
	require.ErrorContains(t, err, "starts with byte 0, got 123: was the record written with a serializer that knows a schema registry?")
	_, _, err = confluent.ParseGUID([]byte{1})
	require.EqualError(t, err, "confluent: a header with a schema's GUID needs 17 bytes, got 1")
	_, _, err = confluent.ParseGUID(make([]byte, 17))
	require.EqualError(t, err, "confluent: a header with a schema's GUID starts with byte 1, got 0")
	for src, want := range map[string]string{
		"":             "confluent: number of message indexes is cut or too long",
		"\x01":         "confluent: number of message indexes is -1, it can be 0 to 128",
		"\x80\x80\x40": "confluent: number of message indexes is 524288, it can be 0 to 128",
		"\x04\x02":     "confluent: message index is cut or too long",
		"\x02\x01":     "confluent: message index is -1, it can be 0 to 2147483647",
	} {
		_, _, err := confluent.ParseIndexes([]byte(src))
		require.EqualError(t, err, want)
	}
}

func ExampleAppendID() {
	b := append(confluent.AppendID(nil, 7), "payload"...)
	id, payload, err := confluent.ParseID(b)
	fmt.Println(id, string(payload), err)
	// Output: 7 payload <nil>
}

func ExampleAppendIndexes() {
	fmt.Println(confluent.AppendIndexes(nil, 0), confluent.AppendIndexes(nil, 2, 1))
	// Output: [0] [4 4 2]
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "\x00\x00\x00\x00\x01x", "\x01aaaabbbbccccdddd", "\x00", "\x04\x04\x02rest", "\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if id, rest, err := confluent.ParseID(src); err == nil {
			require.Equal(t, src, append(confluent.AppendID(nil, id), rest...))
		}
		if guid, rest, err := confluent.ParseGUID(src); err == nil {
			require.Equal(t, src, append(confluent.AppendGUID(nil, guid), rest...))
		}
		if path, rest, err := confluent.ParseIndexes(src); err == nil {
			again, rest2, err := confluent.ParseIndexes(append(confluent.AppendIndexes(nil, path...), rest...))
			require.NoError(t, err)
			require.Equal(t, path, again)
			require.Equal(t, string(rest), string(rest2))
		}
	})
}
