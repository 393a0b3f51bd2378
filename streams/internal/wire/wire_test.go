package wire

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// The bytes are those that Kafka Streams wrote.

func TestBufferedIsKafkas(t *testing.T) {
	t.Parallel()
	at := Context{Time: 15, Offset: 2, Topic: "in"}
	for _, c := range []struct {
		name string
		v    Buffered
		want string
	}{
		{"the first change of a new row", Buffered{Context: Context{Time: 10, Topic: "in"}, New: []byte("1"), BufferTime: 10},
			"000000000000000a" + "0000000000000000" + "00000002696e" + "00000000" + "00000000" + "ffffffff" + "ffffffff" + "0000000131" + "000000000000000a"},
		{"a later change of a new row", Buffered{Context: at, Old: []byte("2"), New: []byte("3"), BufferTime: 14},
			"000000000000000f" + "0000000000000002" + "00000002696e" + "00000000" + "00000000" + "ffffffff" + "0000000132" + "0000000133" + "000000000000000e"},
		{"the first change of a row: the old value is the prior one, and not written again", Buffered{Context: at, Prior: []byte("2"), Old: []byte("2"), New: []byte("3"), BufferTime: 15},
			"000000000000000f" + "0000000000000002" + "00000002696e" + "00000000" + "00000000" + "0000000132" + "fffffffe" + "0000000133" + "000000000000000f"},
		{"a delete, empty values", Buffered{Context: at, Prior: []byte{}, Old: []byte("2"), BufferTime: 1},
			"000000000000000f" + "0000000000000002" + "00000002696e" + "00000000" + "00000000" + "00000000" + "0000000132" + "ffffffff" + "0000000000000001"},
		{"partition and headers", Buffered{Context: Context{Time: 1, Offset: -1, Topic: "t", Partition: 3, Headers: serde.Headers{{Key: "h", Value: []byte("v")}, {Key: ""}}}, New: []byte("x")},
			"0000000000000001" + "ffffffffffffffff" + "0000000174" + "00000003" + "00000002" + "0000000168" + "0000000176" + "00000000" + "ffffffff" + "ffffffff" + "ffffffff" + "0000000178" + "0000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := c.v.Append([]byte("before"))
			require.Equal(t, "before", string(b[:6]))
			require.Equal(t, c.want, hex.EncodeToString(b[6:]))
			back, err := ParseBuffered(b[6:])
			require.NoError(t, err)
			require.Equal(t, c.v, back)
			for n := range len(b) - 6 {
				_, err := ParseBuffered(b[6 : 6+n])
				require.Error(t, err, "cut to %d bytes", n)
			}
			_, err = ParseBuffered(append(b[6:], 0))
			require.ErrorIs(t, err, errRest)
		})
	}
	v, err := ParseBuffered(fromHex(t, "00000000000000010000000000000002"+"0000000174"+"00000000"+"ffffffff"+"ffffffff"+"ffffffff"+"ffffffff"+"0000000000000003"))
	require.NoError(t, err)
	require.Equal(t, Buffered{Context: Context{Time: 1, Offset: 2, Topic: "t"}, BufferTime: 3}, v, "a context without headers")
}

// The estimate decides when a Suppress is full.
func TestContextSizeIsKafkas(t *testing.T) {
	t.Parallel()
	c := Context{Topic: "in", Headers: serde.Headers{{Key: "h", Value: []byte("val")}, {Key: "no"}}}
	require.EqualValues(t, 20+2+1+3+2, c.Size())
}

func TestGraceKeyIsKafkas(t *testing.T) {
	t.Parallel()
	b := AppendGraceKey(nil, 20, []byte("a"), 5)
	require.Equal(t, "00"+"0000000000000014"+"61"+"00000005", hex.EncodeToString(b))
	at, key, seq, err := ParseGraceKey(b)
	require.NoError(t, err)
	require.EqualValues(t, 20, at)
	require.Equal(t, "a", string(key))
	require.EqualValues(t, 5, seq)
	_, _, _, err = ParseGraceKey(b[:12])
	require.Error(t, err)
}

func TestOuterJoinsRecordsAreKafkas(t *testing.T) {
	t.Parallel()
	left, right := append(AppendOuterKey(nil, 20, true), "b"...), append(AppendOuterKey(nil, 20, false), "b"...)
	require.Equal(t, "0000000000000014"+"01"+"62", hex.EncodeToString(left))
	require.Equal(t, "0000000000000014"+"00"+"62", hex.EncodeToString(right))
	at, isLeft, key, err := ParseOuterKey(left)
	require.NoError(t, err)
	require.EqualValues(t, 20, at)
	require.True(t, isLeft)
	require.Equal(t, "b", string(key))

	one, err := AppendOuterValue(nil, true, []byte("A"))
	require.NoError(t, err)
	require.Equal(t, "01"+"00000001"+"00000002"+"01"+"41", hex.EncodeToString(one))
	three, err := AppendOuterValue(one, true, nil)
	require.NoError(t, err)
	three, err = AppendOuterValue(three, false, []byte("l35"))
	require.NoError(t, err)
	require.Equal(t, "01"+"00000003"+"00000002"+"0141"+"00000001"+"01"+"00000004"+"00"+"6c3335", hex.EncodeToString(three))
	var got []string
	require.NoError(t, OuterValues(three, func(v []byte) error {
		got = append(got, string(v))
		return nil
	}))
	require.Equal(t, []string{"A", "", "l35"}, got)
	for _, broken := range []string{"", "00" + "00000000", "01" + "00000001" + "00000000", "01" + "00000001" + "00000002" + "01", "01" + "00000000" + "01"} {
		require.Error(t, OuterValues(fromHex(t, broken), func([]byte) error { return nil }), broken)
	}
	_, err = AppendOuterValue([]byte{0, 0, 0, 0, 0}, true, nil)
	require.ErrorIs(t, err, errList)
}

func FuzzParse(f *testing.F) {
	v := Buffered{Context: Context{Time: 1, Topic: "t", Headers: serde.Headers{{Key: "h", Value: []byte("v")}}}, Prior: []byte("p"), Old: []byte("p"), New: []byte("n")}
	f.Add(v.Append(nil))
	f.Add(AppendGraceKey(nil, 20, []byte("a"), 5))
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 2, 1, 'A'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseBuffered(b); err == nil {
			again, err := ParseBuffered(v.Append(nil))
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if at, key, seq, err := ParseGraceKey(b); err == nil {
			require.Equal(t, b[1:], AppendGraceKey(nil, at, key, seq)[1:])
		}
		_ = OuterValues(b, func([]byte) error { return nil })
	})
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}
