package streams

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// TestChangeSerde checks the bytes of changes, as Kafka Streams has them in its internal topics.
func TestChangeSerde(t *testing.T) {
	t.Parallel()
	s := changeSerde[string]{v: serde.String}
	long := strings.Repeat("n", 100) // its length takes two bytes
	cases := []struct {
		name string
		c    change[string]
		want string
	}{
		{"a row that comes", change[string]{New: "new", HasNew: true}, "6e6577" + "01"},
		{"a row that goes", change[string]{Old: "old", HasOld: true}, "6f6c64" + "00"},
		{"both", change[string]{New: "new", HasNew: true, Old: "old", HasOld: true}, "06" + "6e6577" + "6f6c64" + "02"},
		{"empty rows", change[string]{HasNew: true, HasOld: true}, "00" + "02"},
		{"a long row", change[string]{New: long, HasNew: true, Old: "o", HasOld: true}, "c801" + hex.EncodeToString([]byte(long)) + "6f" + "02"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := s.Append([]byte("prefix"), c.c)
			require.NoError(t, err)
			require.Equal(t, "prefix", string(b[:6]))
			require.Equal(t, c.want, hex.EncodeToString(b[6:]))
			back, err := s.Decode(b[6:])
			require.NoError(t, err)
			require.Equal(t, c.c, back)
		})
	}
	_, err := s.Append(nil, change[string]{})
	require.ErrorIs(t, err, errNoChange)
	for name, b := range map[string]string{"old": "6f6c64" + "01" + "03", "new": "6e6577" + "00" + "04", "both": "026e6f" + "01" + "05"} {
		raw, err := hex.DecodeString(b)
		require.NoError(t, err)
		_, err = s.Decode(raw)
		require.NoError(t, err, "%s, with the flag of older versions", name)
	}
}

func FuzzChangeSerde(f *testing.F) {
	f.Add([]byte{6, 'n', 'e', 'w', 'o', 'l', 'd', 2})
	f.Add([]byte{5})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2})
	s := changeSerde[[]byte]{v: serde.Bytes}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := s.Decode(b)
		if err != nil {
			return
		}
		again, err := s.Append(nil, c)
		require.NoError(t, err)
		back, err := s.Decode(again)
		require.NoError(t, err)
		require.Equal(t, c, back)
	})
}
