package topology_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/topology"
)

// A FixedKeyRecord changes in all but its key, and leaves the one that it was made of alone.
func TestFixedKeyRecord(t *testing.T) {
	t.Parallel()
	h := topology.Headers{{Key: "h", Value: []byte("v")}}
	r := topology.FixedKey(topology.Of("k", "v", 1))
	changed := r.WithValue(7).WithTime(2).WithHeaders(h)
	require.Equal(t, topology.Record[string, int]{Key: "k", Value: 7, Time: 2, Headers: h}, changed.Record())
	require.Equal(t, h, changed.Headers())
	require.EqualValues(t, 2, changed.Time())
	require.Equal(t, topology.Of("k", "v", 1), r.Record())
	_, ok := r.WithoutValue[int]().Value()
	require.False(t, ok)
	require.Equal(t, "k", r.WithoutValue[int]().Key())
}
