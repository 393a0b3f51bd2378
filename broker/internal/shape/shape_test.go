package shape

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "str", "[i32 [str@1 bytes]@2-4 []i64] i8@0-0", "[[]i32]", "i8 {3 i32 str}", "<str i32> i8"} {
		_, err := Parse(s)
		require.NoError(t, err, s)
	}
	for _, s := range []string{"[", "]", "[i32", "i32]", "i7", "str@", "str@x", "str@1-y", "[]", "[]x", "{i32}", "{x i32}", "<i32"} {
		_, err := Parse(s)
		require.Error(t, err, s)
	}
	require.Panics(t, func() { MustParse("[") })
}

// be appends big-endian numbers of 4 bytes.
func be(ns ...int) []byte {
	var b []byte
	for _, n := range ns {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return b
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tags := func(n int, size int) []byte {
		b := binary.AppendUvarint(nil, uint64(n))
		for i := range n {
			b = binary.AppendUvarint(b, uint64(i))
			b = binary.AppendUvarint(b, uint64(size))
			b = append(b, make([]byte, size)...)
		}
		return b
	}
	for _, c := range []struct {
		name, shape string
		body        []byte
		flexible    bool
		ok          bool
	}{
		{"exact", "i32 i32", be(1, 2), false, true},
		{"truncated", "i32 i32", be(1), false, false},
		{"bytes after the end", "i32", be(1, 2), false, true},
		{"null array", "[i32]", be(-1), false, true},
		{"empty array", "[i32]", be(0), false, true},
		{"array longer than the body", "[i32]", be(3, 1, 1), false, false},
		{"array of 2 billion", "[i32]", be(1<<31 - 1), false, false},
		{"array of nothing", "[i32@9]", append(be(MaxElements+1), make([]byte, MaxElements+1)...), false, false},
		{"string of 32 KiB", "str", []byte{0x7f, 0xff, 1}, false, false},
		{"null string", "str", []byte{0xff, 0xff}, false, true},
		{"null bytes", "bytes", be(-1), false, true},
		{"absent structure", "<i32> i8", []byte{0xff, 7}, false, true},
		{"structure that is there", "<i32> i8", []byte{1, 0, 0, 0, 0, 7}, false, true},
		{"truncated structure", "<i32> i8", []byte{1, 0, 0, 0}, false, false},
		{"no byte of a structure", "<i32>", nil, false, false},
		{"compact null", "str bytes [i32]", []byte{0, 0, 0, 0}, true, true},
		{"compact array of 4 billion", "[i32]", []byte{0xff, 0xff, 0xff, 0xff, 0x0f}, true, false},
		{"varint of 6 bytes", "str", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0}, true, false},
		{"64 tags", "i8", append([]byte{1}, tags(64, 1)...), true, true},
		{"65 tags", "i8", append([]byte{1}, tags(65, 1)...), true, false},
		{"4 billion tags", "i8", []byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}, true, false},
		{"tags of 4 KiB", "i8", append([]byte{1}, tags(1, MaxTagBytes)...), true, true},
		{"tags of more", "i8", append([]byte{1}, tags(1, MaxTagBytes+1)...), true, false},
		{"structure in a tag", "{0 i32}", append([]byte{1, 0, 5}, 0, 0, 0, 1, 0), true, true},
		{"4 billion tags in a tag", "{0 i32}", append([]byte{1, 0, 9}, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f), true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := MustParse(c.shape).Check(c.body, 0, c.flexible)
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrShape)
			}
		})
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	s := MustParse("[i32 [str]]")
	body := be(2, 1, 0, 2, 0)
	require.NoError(t, s.Check(body, 0, false))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = s.Check(body, 0, false) }))
}
