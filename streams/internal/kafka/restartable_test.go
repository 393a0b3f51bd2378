package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// What Kafka's ways have lost is done again; what would come again is not.
func TestRestartable(t *testing.T) {
	t.Parallel()
	node := func(err error) error { return &topology.NodeError{Node: "n", Err: err} }
	for _, x := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, true},
		{context.DeadlineExceeded, true},
		{kerr.InvalidProducerEpoch, true},
		{kerr.UnknownMemberID, true},
		{kerr.FencedInstanceID, true},
		{kerr.NotLeaderForPartition, true},
		{kerr.UnknownTopicOrPartition, true}, // the watch over the topics tells which was deleted
		{runtime.ErrLost, true},
		{state.ErrNoSpace, true},
		{&state.DamagedError{Store: "s", Err: io.ErrUnexpectedEOF}, true},
		{&runtime.LocalError{Err: &state.DamagedError{Store: "s", Err: io.EOF}}, true},
		{node(&state.DamagedError{Store: "s", Err: io.EOF}), true},
		{node(topology.Fatal(kerr.InvalidProducerEpoch)), true}, // a node that sends meets what happens to the producer
		{node(errors.New("bad luck")), false},
		{&topology.DecodeError{Node: "n", Err: io.EOF}, false},
		{&topology.PanicError{Value: 1}, false},
		{&optionsError{io.EOF}, false},
		{&runtime.LocalError{Err: io.EOF}, false},
		{runtime.ErrTakenOver, false},
		{state.ErrDBFailed, false}, // another database takes its place
		{state.ErrOtherKind, false},
		{kerr.TopicAuthorizationFailed, false},
		{kerr.InconsistentGroupProtocol, false},
		{kerr.InvalidTransactionTimeout, false},
		{kerr.MessageTooLarge, false},
		{kerr.InvalidConfig, false},
		{kerr.InvalidPartitions, false},
		{kerr.UnsupportedVersion, false},
	} {
		require.Equal(t, x.want, Restartable(x.err), "%v", x.err)
		if x.err != nil {
			require.Equal(t, x.want, Restartable(fmt.Errorf("thread 1: %w", x.err)), "%v, wrapped", x.err)
		}
	}
}
