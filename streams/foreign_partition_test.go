package streams

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Answers go back to the partition that asked; only where a subscription of an older application does not say it, to that of the row's key.
func TestAnswersGoToThePartitionThatAsked(t *testing.T) {
	t.Parallel()
	asked := Record[string, answer[string]]{Key: "k", Value: answer[string]{partition: 2}}
	silent := Record[string, answer[string]]{Key: "k", Value: answer[string]{partition: -1}}
	own := toPartition(func(topic string, r Record[string, answer[string]], n int32) []int32 { return []int32{n - 1} })
	require.Equal(t, []int32{2}, own("t", asked, 8))
	require.Equal(t, []int32{7}, own("t", silent, 8))
	hashed := toPartition[string, string](nil)
	require.Equal(t, []int32{2}, hashed("t", asked, 8))
	require.Nil(t, hashed("t", silent, 8))
}
