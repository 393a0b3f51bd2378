package serde_test

import (
	"encoding/json/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

type order struct {
	ID    string            `json:"id"`
	Total int64             `json:"total"`
	Tags  map[string]string `json:"tags,omitempty"`
}

type tree struct {
	Kids []tree `json:"kids,omitempty"`
}

func TestJSONIsCompactAndTheSameForEqualValues(t *testing.T) {
	t.Parallel()
	s := serde.JSON[order]()
	v := order{"o1", 5, map[string]string{"z": "1", "a": "<2>", "m": "3"}}
	for range 20 {
		b, err := s.Append([]byte("before"), v)
		require.NoError(t, err)
		require.Equal(t, `before{"id":"o1","total":5,"tags":{"a":"<2>","m":"3","z":"1"}}`, string(b))
		back, err := s.Decode(b[6:])
		require.NoError(t, err)
		require.Equal(t, v, back)
	}
}

func TestJSONAppendsToBuffersOfAnySpareRoom(t *testing.T) {
	t.Parallel()
	s := serde.JSON[string]()
	long := strings.Repeat("x", 10_000)
	for room := range 70 {
		b, err := s.Append(append(make([]byte, 0, room+1), 'b'), long)
		require.NoError(t, err)
		require.Equal(t, `b"`+long+`"`, string(b))
	}
}

func TestJSONRefusesWhatIsAmbiguousOrTooDeep(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"kids":[`, 64) + `{}` + strings.Repeat(`]}`, 64) // 129 levels
	for _, c := range []struct{ name, src, want string }{
		{"nothing", ``, "serde: JSON for serde_test.tree: "},
		{"duplicate members", `{"kids":[],"kids":[]}`, "duplicate"},
		{"invalid UTF-8", "{\"kids\":[],\"\xff\":1}", "UTF-8"},
		{"two documents", `{}{}`, "after top-level value"},
		{"another type", `{"kids":5}`, "within"},
		{"129 levels", deep, "serde: JSON for serde_test.tree nests deeper than 128"},
		{"a million levels", strings.Repeat(`{"kids":[`, 500_000), "serde: JSON for serde_test.tree nests deeper than 128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := serde.JSON[tree]().Decode([]byte(c.src))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := serde.JSON[tree]().Decode([]byte(strings.Repeat(`{"kids":[`, 63) + `{"kids":[]}` + strings.Repeat(`]}`, 63)))
	require.NoError(t, err, "128 levels")
}

func TestJSONBracketsInStringsAreNotLevels(t *testing.T) {
	t.Parallel()
	s := serde.JSON[string]()
	v := strings.Repeat(`[{\"`, 500)
	b, err := s.Append(nil, v)
	require.NoError(t, err)
	back, err := s.Decode(b)
	require.NoError(t, err)
	require.Equal(t, v, back)
}

func TestJSONOptions(t *testing.T) {
	t.Parallel()
	_, err := serde.JSON[order]().Decode([]byte(`{"id":"a","more":1}`))
	require.NoError(t, err)
	_, err = serde.JSONWith[order](json.RejectUnknownMembers(true)).Decode([]byte(`{"id":"a","more":1}`))
	require.ErrorContains(t, err, "more")
}
