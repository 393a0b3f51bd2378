package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Restartable says whether a thread that ended with err may start anew: its error came from Kafka, and the same records may go through next time; or from a
// store that is rebuilt when it is opened again, or a disk on which there may be room again. An error of user code, of a serde, of the rest of the state
// directory would come again; so would a refusal by the cluster.
func Restartable(err error) bool {
	var damaged *state.DamagedError
	switch {
	case errors.Is(err, state.ErrDBFailed), errors.Is(err, state.ErrOtherKind):
		return false
	case errors.As(err, &damaged), errors.Is(err, state.ErrNoSpace):
		return true
	}
	var node *topology.NodeError
	var decode *topology.DecodeError
	var local *runtime.LocalError
	var panicked *topology.PanicError
	var options *optionsError
	switch {
	case err == nil, errors.Is(err, runtime.ErrTakenOver), errors.Is(err, errNoOffset), errors.As(err, &node) && !isFatal(err), errors.As(err, &decode), errors.As(err, &local), errors.As(err, &panicked), errors.As(err, &options):
		return false
	}
	for _, refused := range []error{kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.SaslAuthenticationFailed, kerr.InconsistentGroupProtocol, kerr.InvalidTopicException, kerr.MessageTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
		kerr.InvalidSessionTimeout, kerr.InvalidTransactionTimeout, kerr.UnsupportedVersion, kerr.UnsupportedForMessageFormat, kerr.InvalidReplicationFactor, kerr.InvalidPartitions,
		kerr.InvalidConfig, kerr.PolicyViolation} {
		if errors.Is(err, refused) {
			return false
		}
	}
	return true
}

func isFatal(err error) bool {
	var f *topology.FatalError
	return errors.As(err, &f)
}
