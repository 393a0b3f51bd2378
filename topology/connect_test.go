package topology_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/topology"
)

// TestConnectNothing checks that a node without edges, or with one that is nil, panics with its name: there is no topology yet that could report it.
func TestConnectNothing(t *testing.T) {
	t.Parallel()
	spec := topology.NodeSpec{Name: "upper"}
	want := "topology: node upper is connected to no edge: give it those of sources or of other nodes"
	require.PanicsWithValue(t, want, func() { topology.Connect[string, string, string, string](spec, nil) })
	require.PanicsWithValue(t, want, func() { topology.Connect[string, string, string, string](spec, nil, nil) })
	require.PanicsWithValue(t, want, func() { topology.ConnectProcessor[string, string, string, string](spec, nil) })
	require.PanicsWithValue(t, want, func() { topology.ConnectFixedKey[string, string, string](spec, nil) })
	require.PanicsWithValue(t, want, func() { topology.ConnectRouter[string, string, string, string](spec, nil) })
}
