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
	"github.com/twmb/franz-go/pkg/kmsg"

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

	ids map[string]kadm.TopicID // of the topics that have to stay, once they are known
}

// Prepare checks the topics that a topology reads, and creates or checks its internal topics. Every instance does so before it joins the group: a topic
// that appears later would cost a rebalance and a stall.
func Prepare(ctx context.Context, c *Config, t *topology.Topology, internals []topology.InternalTopic, replication int16) (*Plan, error) {
	// Metadata are asked for under the client's context, not the caller's: a broker that accepts and never answers would hold up a stop.
	cl, err := c.open(c.common(c.ClientID+"-admin"), kgo.DisableIdempotentWrite(), kgo.WithContext(ctx))
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
	if c.ExactlyOnce {
		if err := transactions(ctx, adm); err != nil {
			return nil, err
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
	if err := checkPolicies(ctx, adm, internals, p.Existing); err != nil {
		return nil, err
	}
	if len(p.Created) > 0 {
		if err := known(ctx, adm, p.Created); err != nil {
			return nil, err
		}
	}
	p.ids = map[string]kadm.TopicID{}
	for _, s := range p.Subs {
		for _, src := range s.Sources {
			for _, topic := range src.Topics {
				name := t.FullName(c.ApplicationID, topic)
				p.ids[name] = topics[name].ID
			}
		}
	}
	for _, internal := range t.InternalTopics(c.ApplicationID) {
		p.ids[internal.Name] = topics[internal.Name].ID
	}
	return p, nil
}

// Watch looks at the topics again and again, until ctx is done or one was deleted: nothing else tells.
func (p *Plan) Watch(ctx context.Context, c *Config) error {
	cl, err := c.open(c.common(c.ClientID+"-topics"), kgo.DisableIdempotentWrite())
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	names := slices.Sorted(maps.Keys(p.ids))
	missing := map[string]int{}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		m, err := adm.Metadata(ctx, names...)
		if err != nil {
			continue // the broker is away
		}
		for _, name := range names {
			t, ok := m.Topics[name]
			switch was := p.ids[name]; {
			case !ok || errors.Is(t.Err, kerr.UnknownTopicOrPartition):
				if missing[name]++; missing[name] > 1 {
					return &runtime.LocalError{Err: fmt.Errorf("topic %s was deleted while the application ran: %s", name, p.remedy(name))}
				}
			case t.Err != nil:
			case was != (kadm.TopicID{}) && t.ID != was:
				return &runtime.LocalError{Err: fmt.Errorf("topic %s was deleted and made anew while the application ran: %s", name, p.remedy(name))}
			default:
				p.ids[name], missing[name] = t.ID, 0
			}
		}
	}
}

const watchInterval = 2 * time.Second

func (p *Plan) remedy(topic string) string {
	if slices.Contains(p.Created, topic) || slices.Contains(p.Existing, topic) {
		return "start it again, and it makes the topic anew; what was in it is lost"
	}
	return "create it, then start again"
}

// transactions says whether the broker can do what exactly-once needs: TxnOffsetCommit with the group's generation (KIP-447).
func transactions(ctx context.Context, adm *kadm.Client) error {
	versions, err := adm.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("api versions: %w", err)
	}
	for _, v := range versions {
		if v.Err != nil {
			continue
		}
		if most, ok := v.KeyMaxVersion(int16(kmsg.TxnOffsetCommit)); !ok || most < 3 {
			return &runtime.LocalError{Err: fmt.Errorf("Config.Guarantee is exactly_once_v2, but broker %d (%s) is too old for it: use Apache Kafka 2.5 or newer, or streams.AtLeastOnce",
				v.NodeID, v.VersionGuess())}
		}
	}
	return nil
}

// checkPolicies refuses an internal topic that is cleaned up otherwise than it has to be: by that, state or records on their way would be lost.
func checkPolicies(ctx context.Context, adm *kadm.Client, topics []topology.InternalTopic, existing []string) error {
	if len(existing) == 0 {
		return nil
	}
	configs, err := adm.DescribeTopicConfigs(ctx, existing...)
	if err != nil {
		return fmt.Errorf("configuration of internal topics: %w", err)
	}
	for _, want := range topics {
		c, err := configs.On(want.Name, nil)
		if err != nil || c.Err != nil { // just created, or not for us to see
			continue
		}
		for _, kv := range c.Configs {
			wanted := want.Config["cleanup.policy"]
			if kv.Key != "cleanup.policy" || safePolicy(wanted, kv.MaybeValue()) {
				continue
			}
			return &runtime.LocalError{Err: fmt.Errorf("internal topic %s has cleanup.policy=%s, but needs %s, or it loses what the application relies on: set it back with kafka-configs, or stop all "+
				"instances, reset the application and start again", want.Name, kv.MaybeValue(), wanted)}
		}
	}
	return nil
}

// safePolicy says that a policy removes no more than the one that is wanted.
func safePolicy(wanted, found string) bool {
	for p := range strings.SplitSeq(found, ",") {
		if p = strings.TrimSpace(p); p != "" && !strings.Contains(wanted, p) {
			return false
		}
	}
	return true
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
	resp, err := adm.CreateTopic(ctx, n, replication, configs, want.Name)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	if resp.ErrMessage != "" { // which of the configurations it is, say
		err = fmt.Errorf("%s: %w", resp.ErrMessage, err)
	}
	return fmt.Errorf("create internal topic %s with %s partitions: %w", want.Name, strconv.Itoa(int(n)), err)
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
