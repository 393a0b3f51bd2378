package serde_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
)

// A topic without keys has none: what is there is a mistake, in both directions.
func TestVoid(t *testing.T) {
	t.Parallel()
	b, err := serde.Void.Append([]byte("x"), struct{}{})
	require.ErrorContains(t, err, "leave the key or value out")
	require.Equal(t, []byte("x"), b)
	_, err = serde.Void.Decode([]byte("four"))
	require.ErrorContains(t, err, "here are 4 bytes")
	_, err = serde.Void.Decode(nil)
	require.Error(t, err)
}
