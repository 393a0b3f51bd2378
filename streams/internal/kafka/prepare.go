package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/streams/internal/assignor"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
)

// Plan is what the cluster makes of a topology.
type Plan struct {
	Topology          *topology.Topology
	ApplicationID     string
	Subs              []topology.Subtopology
	Created, Existing []string // internal topics
	GlobalPartitions  map[string]int32
}

// Prepare checks the topics that a topology reads, and creates or checks its internal topics. Every instance does so before it joins the group: a topic
// that appears later would cost a rebalance and a stall.
func Prepare(ctx context.Context, c *Config, t *topology.Topology, internals []topology.InternalTopic, replication int16) (*Plan, error) {
	// Metadata are asked for under the client's context, not the caller's: a broker that accepts and never answers would hold up a stop.
	cl, err := kgo.NewClient(append(c.common(c.ClientID+"-admin"), append(c.Options, kgo.DisableIdempotentWrite(), kgo.WithContext(ctx))...)...)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	p := &Plan{Topology: t, ApplicationID: c.ApplicationID, Subs: t.Subtopologies(), GlobalPartitions: map[string]int32{}}
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		cause := ""
		if !errors.Is(err, context.DeadlineExceeded) {
			cause = fmt.Sprintf(" (%v)", err)
		}
		return nil, &noBroker{fmt.Sprintf("no broker answers at %s: is it running, and is Config.BootstrapServers right?%s", strings.Join(c.Seeds, ", "), cause), err}
	}
	external := map[string]int32{}
	for name, d := range topics {
		if d.Err == nil {
			external[name] = int32(len(d.Partitions))
		}
	}
	for _, internal := range internals {
		delete(external, internal.Name)
	}
	counts, err := t.CountPartitions(external)
	if err != nil {
		return nil, &runtime.LocalError{Err: err}
	}
	for _, s := range p.Subs {
		for _, src := range s.Sources {
			for _, topic := range src.Topics {
				if s.Global {
					p.GlobalPartitions[topic] = external[topic]
				}
			}
		}
	}
	for _, want := range internals {
		n := partitions(counts, want)
		if d, ok := topics[want.Name]; ok && d.Err == nil {
			if int32(len(d.Partitions)) != n {
				return nil, &runtime.LocalError{Err: fmt.Errorf("internal topic %s has %d partitions, but the topology needs %d: the partitions of its input have changed; "+
					"stop all instances, reset the application and start again", want.Name, len(d.Partitions), n)}
			}
			p.Existing = append(p.Existing, want.Name)
			continue
		}
		if err := create(ctx, adm, want, n, replication); err != nil {
			return nil, err
		}
		p.Created = append(p.Created, want.Name)
	}
	if len(p.Created) > 0 {
		if err := known(ctx, adm, p.Created); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// noBroker is the error of a first request: its text is for a person, its cause for Restartable.
type noBroker struct {
	text  string
	cause error
}

func (e *noBroker) Error() string { return e.text }
func (e *noBroker) Unwrap() error { return e.cause }

// partitions is the number of partitions of an internal topic.
func partitions(counts topology.PartitionCounts, want topology.InternalTopic) int32 {
	if want.Kind == topology.RepartitionKind {
		return counts.Repartition[want.Topic]
	}
	return counts.Tasks[want.Subtopology]
}

// create creates one internal topic. One that another instance has just created is as good.
func create(ctx context.Context, adm *kadm.Client, want topology.InternalTopic, n int32, replication int16) error {
	if replication == 0 {
		replication = -1
	}
	configs := map[string]*string{}
	for k, v := range want.Config {
		configs[k] = kadm.StringPtr(v)
	}
	_, err := adm.CreateTopic(ctx, n, replication, configs, want.Name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create internal topic %s with %s partitions: %w", want.Name, strconv.Itoa(int(n)), err)
	}
	return nil
}

// known waits until metadata tell of the topics.
func known(ctx context.Context, adm *kadm.Client, topics []string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		ds, err := adm.ListTopics(ctx, topics...)
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		missing := slices.DeleteFunc(slices.Clone(topics), func(t string) bool { return ds.Has(t) && ds[t].Err == nil && len(ds[t].Partitions) > 0 })
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("topics %s do not appear: %w", strings.Join(missing, ", "), ctx.Err())
		}
	}
}

// Groups are the sub-topologies with tasks and the full names of the topics they read.
func (p *Plan) Groups(topics map[string]int32) assignor.Groups {
	g := assignor.Groups{}
	for _, s := range p.Subs {
		if s.Global {
			continue
		}
		for _, src := range s.Sources {
			for _, t := range src.Topics {
				g[s.ID] = append(g[s.ID], p.Topology.FullName(p.ApplicationID, t))
			}
			if src.Pattern != nil {
				for t := range topics {
					if src.Pattern.MatchString(t) && !slices.Contains(g[s.ID], t) {
						g[s.ID] = append(g[s.ID], t)
					}
				}
			}
		}
	}
	return g
}

// Subtopology is the one that reads a topic.
func (p *Plan) Subtopology(topic string) (topology.SubtopologyID, bool) {
	for id, ts := range p.Groups(map[string]int32{topic: 1}) {
		if slices.Contains(ts, topic) {
			return id, true
		}
	}
	return 0, false
}

// Subscription is what a consumer subscribes to: topics by name, and patterns joined into one.
func (p *Plan) Subscription() (topics []string, pattern string) {
	seen := map[string]bool{}
	var patterns []string
	for _, s := range p.Subs {
		if s.Global {
			continue
		}
		for _, src := range s.Sources {
			for _, t := range src.Topics {
				seen[p.Topology.FullName(p.ApplicationID, t)] = true
			}
			if src.Pattern != nil {
				patterns = append(patterns, "(?:"+src.Pattern.String()+")")
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), strings.Join(patterns, "|")
}

// Resets are where the sources with an option of their own start.
func (p *Plan) Resets(now time.Time) map[string]kgo.Offset {
	out := map[string]kgo.Offset{}
	for _, s := range p.Subs {
		for _, src := range s.Sources {
			if o, ok := ResetOffset(src.Reset, now); ok {
				for _, t := range src.Topics {
					out[p.Topology.FullName(p.ApplicationID, t)] = o
				}
			}
		}
	}
	return out
}

// ResetOffset is kgo's form of a reset; false for the default.
func ResetOffset(r topology.Reset, now time.Time) (kgo.Offset, bool) {
	switch r.Kind {
	case topology.ResetEarliest:
		return kgo.NewOffset().AtStart(), true
	case topology.ResetLatest:
		return kgo.NewOffset().AtEnd(), true
	case topology.ResetByDuration:
		return kgo.NewOffset().AfterMilli(now.UnixMilli() - r.Back), true
	}
	return kgo.Offset{}, false
}
