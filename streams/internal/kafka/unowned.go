package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/streams/internal/runtime"
)

// Unowned says whether some input partition is nobody's: neither among own, which this instance's threads have, nor assigned to another member of the group.
// So it is while partitions move from member to member, between the thread that gave one up and the thread that is going to be told.
func (r *Reader) Unowned(ctx context.Context, c *Config, p *Plan, own map[runtime.TopicPartition]int64) (bool, error) {
	topics, err := r.adm.ListTopics(ctx)
	if err != nil {
		return false, fmt.Errorf("topics: %w", err)
	}
	counts := map[string]int32{}
	for name, t := range topics {
		counts[name] = int32(len(t.Partitions))
	}
	missing := map[runtime.TopicPartition]bool{}
	for _, names := range p.Groups(counts) {
		for _, name := range names {
			for n := range counts[name] {
				if tp := (runtime.TopicPartition{Topic: name, Partition: n}); !has(own, tp) {
					missing[tp] = true
				}
			}
		}
	}
	if len(missing) == 0 {
		return false, nil
	}
	groups, err := r.adm.DescribeGroups(ctx, c.ApplicationID)
	if err == nil {
		err = groups.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // else it has no members
		return false, fmt.Errorf("group %s: %w", c.ApplicationID, err)
	}
	for _, m := range groups[c.ApplicationID].Members {
		a, ok := m.Assigned.AsConsumer()
		if !ok || strings.HasPrefix(m.ClientID, c.ClientID+"-StreamThread-") { // this instance's own: its threads have not been told yet, or not been asked
			continue
		}
		for _, t := range a.Topics {
			for _, n := range t.Partitions {
				delete(missing, runtime.TopicPartition{Topic: t.Topic, Partition: n})
			}
		}
	}
	return len(missing) > 0, nil
}

func has[K comparable, V any](m map[K]V, k K) bool {
	_, ok := m[k]
	return ok
}
