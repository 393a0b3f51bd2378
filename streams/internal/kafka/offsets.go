package kafka

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// byTopic are offsets as requests have them.
func byTopic(offsets []runtime.Offset) iter.Seq2[string, []runtime.Offset] {
	return func(yield func(string, []runtime.Offset) bool) {
		os := slices.SortedStableFunc(slices.Values(offsets), func(a, b runtime.Offset) int { return strings.Compare(a.Topic, b.Topic) })
		for len(os) > 0 {
			n := 1
			for n < len(os) && os[n].Topic == os[0].Topic {
				n++
			}
			if !yield(os[0].Topic, os[:n]) {
				return
			}
			os = os[n:]
		}
	}
}

// partitionError is the error of a partition in an answer, nil if it has none.
func partitionError(topic string, partition int32, code int16) error {
	if err := kerr.ErrorForCode(code); err != nil {
		return fmt.Errorf("%s/%d: %w", topic, partition, err)
	}
	return nil
}
