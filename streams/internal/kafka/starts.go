package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Reset is where a partition of a topic starts that has no committed offset, standard being what the configuration says. A repartition topic starts at its
// beginning: what is in it is on its way.
func (p *Plan) Reset(topic string, standard topology.ResetKind) topology.Reset {
	for _, s := range p.Subs {
		for _, src := range s.Sources {
			reads := src.Pattern != nil && src.Pattern.MatchString(topic)
			for _, t := range src.Topics {
				full := p.Topology.FullName(p.ApplicationID, t)
				if full == topic && full != t {
					return topology.Reset{Kind: topology.ResetEarliest}
				}
				reads = reads || full == topic
			}
			if reads && src.Reset.Kind != topology.ResetDefault {
				return src.Reset
			}
		}
	}
	return topology.Reset{Kind: standard}
}

// checkStarts refuses partitions that have no committed offset and must not begin without one.
func (p *Plan) checkStarts(standard topology.ResetKind, committed map[runtime.TopicPartition]runtime.Committed) error {
	var lost []string
	for tp, at := range committed {
		if at.Offset < 0 && p.Reset(tp.Topic, standard).Kind == topology.ResetNone {
			lost = append(lost, fmt.Sprintf("%s/%d", tp.Topic, tp.Partition))
		}
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	return fmt.Errorf("%w %s, and NoReset forbids to begin without one: commit where to begin for group %s, or give the source Earliest or Latest",
		errNoOffset, strings.Join(lost, ", "), p.ApplicationID)
}

// errNoOffset would come again until somebody commits one.
var errNoOffset = errors.New("no offset is committed for")

// starts adds to known the offsets at which partitions begin that have no committed one. The client would find them out with its first fetches and keep them to itself
// until records come: the position would be unknown until then, and a partition that changes hands meanwhile would begin at a later end. A partition that begins at its
// log's start is not among them, nor one whose topic has gone.
func (c *Config) starts(ctx context.Context, cl *kgo.Client, plan *Plan, committed map[runtime.TopicPartition]runtime.Committed, known map[runtime.TopicPartition]int64) error {
	topics := map[topology.Reset][]string{}
	var open []runtime.TopicPartition
	for tp, at := range committed {
		r := plan.Reset(tp.Topic, c.Reset)
		if at.Offset >= 0 || has(known, tp) || r.Kind == topology.ResetDefault || r.Kind == topology.ResetEarliest {
			continue
		}
		open = append(open, tp)
		if !slices.Contains(topics[r], tp.Topic) {
			topics[r] = append(topics[r], tp.Topic)
		}
	}
	adm := kadm.NewClient(cl)
	for r, names := range topics {
		var offsets kadm.ListedOffsets
		var err error
		switch {
		case r.Kind == topology.ResetByDuration:
			offsets, err = adm.ListOffsetsAfterMilli(ctx, time.Now().UnixMilli()-r.Back, names...)
		case c.ExactlyOnce: // records of an open transaction are still to come
			offsets, err = adm.ListCommittedOffsets(ctx, names...)
		default:
			offsets, err = adm.ListEndOffsets(ctx, names...)
		}
		if err != nil {
			return fmt.Errorf("where topics without committed offsets start: %w", err)
		}
		for _, tp := range open {
			o, ok := offsets.Lookup(tp.Topic, tp.Partition)
			switch {
			case !ok || errors.Is(o.Err, kerr.UnknownTopicOrPartition):
			case o.Err != nil:
				return fmt.Errorf("where %s/%d starts: %w", tp.Topic, tp.Partition, o.Err)
			default:
				known[tp] = o.Offset
			}
		}
	}
	return nil
}
