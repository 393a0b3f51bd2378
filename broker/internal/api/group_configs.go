package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/topics"
)

// The configs that a group can have for itself. Kafka's others are about share groups and streams groups.
const (
	groupSession   = "consumer.session.timeout.ms"
	groupHeartbeat = "consumer.heartbeat.interval.ms"
	groupAssign    = "consumer.assignment.interval.ms"
)

// groupConfigs are the configs of single groups, which need not exist, and are not deleted with them. The methods may be
// called from any goroutine.
type groupConfigs struct {
	db   *metadb.DB
	defs []groupDef // by name
	max  int        // groups that can have configs

	mu  sync.RWMutex
	set map[string]map[string]string // by group; the inner maps are replaced, never changed
}

// groupDef is one config of groups: a time that the broker has a default of, and bounds for.
type groupDef struct {
	name, doc             string
	value, kafka          time.Duration // the broker's default, and Kafka's
	low, high             time.Duration
	lowConfig, highConfig string // the broker's names for the bounds
}

func openGroupConfigs(db *metadb.DB, c group.Config) (*groupConfigs, error) {
	g := &groupConfigs{db: db, max: c.MaxGroups, set: map[string]map[string]string{}, defs: []groupDef{
		{groupAssign, "Accepted, not used: partitions are assigned at once.", time.Second, time.Second, 0, 15 * time.Second,
			"group.consumer.min.assignment.interval.ms", "group.consumer.max.assignment.interval.ms"},
		{groupHeartbeat, "How often a member of the consumer protocol has to be heard of.", c.ConsumerHeartbeatInterval, 5 * time.Second,
			c.MinConsumerHeartbeatInterval, c.MaxConsumerHeartbeatInterval,
			"group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms"},
		{groupSession, "After which silence a member of the consumer protocol is taken for dead.", c.ConsumerSessionTimeout, 45 * time.Second,
			c.MinConsumerSessionTimeout, c.MaxConsumerSessionTimeout,
			"group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"},
	}}
	prefix := metadb.Key(metadb.TableGroupConf)
	err := db.Scan(prefix, func(k, v []byte) error {
		var configs map[string]string
		if err := json.Unmarshal(v, &configs); err != nil {
			return fmt.Errorf("metadata row of the configs of group %q is damaged: %w", k[len(prefix):], err)
		}
		g.set[string(k[len(prefix):])] = configs
		return nil
	})
	return g, err
}

func (g *groupConfigs) def(name string) (groupDef, bool) {
	i := slices.IndexFunc(g.defs, func(d groupDef) bool { return d.name == name })
	if i < 0 {
		return groupDef{}, false
	}
	return g.defs[i], true
}

// names returns the groups that have configs, in order.
func (g *groupConfigs) names() []string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.Sorted(maps.Keys(g.set))
}

func (g *groupConfigs) of(name string) map[string]string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.set[name]
}

// times returns the session timeout and the heartbeat interval of a group.
func (g *groupConfigs) times(name string) (session, heartbeat time.Duration) {
	configs := g.of(name)
	inForce := func(config string) time.Duration { d, _ := g.def(config); return d.in(configs) }
	return inForce(groupSession), inForce(groupHeartbeat)
}

// in returns the value in force: the bounds may have changed since it was set.
func (d groupDef) in(configs map[string]string) time.Duration {
	v, ok := configs[d.name]
	if !ok {
		return d.value
	}
	ms, _ := strconv.ParseInt(v, 10, 32) // checked when it was set
	return min(max(time.Duration(ms)*time.Millisecond, d.low), d.high)
}

// check reports why the config cannot have a value.
func (d groupDef) check(value string) error {
	ms, err := strconv.ParseInt(value, 10, 32)
	v := time.Duration(ms) * time.Millisecond
	switch {
	case err != nil:
		return fmt.Errorf("invalid value %q for configuration %s: want a whole number of 32 bits", value, d.name)
	case v < d.low:
		return fmt.Errorf("%s must be greater than or equal to %s, which is %d", d.name, d.lowConfig, d.low.Milliseconds())
	case v > d.high:
		return fmt.Errorf("%s must be less than or equal to %s, which is %d", d.name, d.highConfig, d.high.Milliseconds())
	}
	return nil
}

// alter changes configs of a group, durably. With replace, configs that are not among the changes fall back to their
// defaults. The errors are those of the catalogue of topics.
func (g *groupConfigs) alter(name string, changes []topics.Change, replace, dryRun bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	configs := map[string]string{}
	if !replace {
		maps.Copy(configs, g.set[name])
	}
	for _, ch := range changes {
		d, ok := g.def(ch.Name)
		switch {
		case ch.Op == topics.OpDelete: // also of what is not there: so it is with Kafka
			delete(configs, ch.Name)
			continue
		case !ok:
			return fmt.Errorf("%w: unknown group config name: %s", topics.ErrConfig, ch.Name)
		case ch.Op != topics.OpSet:
			return fmt.Errorf("%w: %s is not a list", topics.ErrConfig, ch.Name)
		}
		value := strings.TrimSpace(ch.Value)
		if err := d.check(value); err != nil {
			return fmt.Errorf("%w: %w", topics.ErrConfig, err)
		}
		configs[ch.Name] = value
	}
	session, _ := g.def(groupSession)
	heartbeat, _ := g.def(groupHeartbeat)
	if len(changes) > 0 && session.in(configs) <= heartbeat.in(configs) {
		return fmt.Errorf("%w: %s must be greater than %s", topics.ErrConfig, groupSession, groupHeartbeat)
	}
	if g.set[name] == nil && len(configs) > 0 && len(g.set) >= g.max {
		return fmt.Errorf("%w: %d groups have configs", topics.ErrTooMany, len(g.set))
	}
	if dryRun {
		return nil
	}
	var b metadb.Batch
	key := metadb.Key(metadb.TableGroupConf, []byte(name))
	if len(configs) == 0 {
		b.Delete(key)
	} else {
		row, err := json.Marshal(configs)
		if err != nil {
			return fmt.Errorf("encode the configs of group %s: %w", name, err)
		}
		b.Set(key, row)
	}
	if err := g.db.Commit(&b); err != nil {
		return fmt.Errorf("%w: %w", topics.ErrPersistence, err)
	}
	if len(configs) == 0 {
		delete(g.set, name)
	} else {
		g.set[name] = configs
	}
	return nil
}

// describe returns all configs of a group, in order of their names.
func (g *groupConfigs) describe(name string) []topics.Value {
	configs := g.of(name)
	out := make([]topics.Value, 0, len(g.defs))
	for _, d := range g.defs {
		v := topics.Value{Def: topics.Def{Name: d.name, Type: kmsg.ConfigTypeInt, Doc: d.doc}}
		if _, ok := configs[d.name]; ok {
			in := strconv.FormatInt(d.in(configs).Milliseconds(), 10)
			v.Synonyms = append(v.Synonyms, topics.Synonym{Name: d.name, Value: in, Source: kmsg.ConfigSourceGroupConfig})
		}
		def := topics.Synonym{Name: "group." + d.name, Value: strconv.FormatInt(d.value.Milliseconds(), 10), Source: kmsg.ConfigSourceDefaultConfig}
		if d.value != d.kafka {
			def.Source = kmsg.ConfigSourceStaticBrokerConfig
		}
		v.Synonyms = append(v.Synonyms, def)
		v.Value, v.Source = v.Synonyms[0].Value, v.Synonyms[0].Source
		out = append(out, v)
	}
	return out
}
