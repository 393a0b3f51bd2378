package topics

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Check reports why a topic cannot have this config.
func Check(name, value string) error {
	d, ok := Lookup(name)
	if !ok {
		return fmt.Errorf("%w: unknown topic config name: %s", ErrConfig, name)
	}
	if err := d.Validate(value); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// apply makes one change in configs; old is the effective value that Append and Subtract start from.
func apply(configs map[string]string, d Def, old string, ch Change) error {
	switch ch.Op {
	case OpDelete:
		delete(configs, ch.Name)
		return nil
	case OpSet:
	case OpAppend, OpSubtract:
		if d.Type != kmsg.ConfigTypeList {
			return fmt.Errorf("%w: %s is not a list", ErrConfig, ch.Name)
		}
		list := SplitList(old)
		for _, v := range SplitList(ch.Value) {
			has := slices.Contains(list, v)
			switch {
			case ch.Op == OpAppend && !has:
				list = append(list, v)
			case ch.Op == OpSubtract && has:
				list = slices.DeleteFunc(list, func(s string) bool { return s == v })
			}
		}
		ch.Value = strings.Join(list, ",")
	default:
		return fmt.Errorf("%w: unknown operation %d", ErrConfig, ch.Op)
	}
	if err := d.Validate(ch.Value); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	configs[ch.Name] = ch.Value
	return nil
}

// Synonym is one place a config's value can come from, in order of precedence.
type Synonym struct {
	Name, Value string
	Source      kmsg.ConfigSource
}

// Value is a config as DescribeConfigs shows it.
type Value struct {
	Def
	Value    string
	Source   kmsg.ConfigSource
	Synonyms []Synonym
}

// Describe returns the topic's configs, all of them in order of their names.
func (c *Catalog) Describe(t *Topic) []Value {
	s := c.Snapshot()
	out := make([]Value, 0, len(defs))
	for _, d := range defs {
		_, syn := c.value(s, t, d.Name)
		out = append(out, Value{Def: d, Value: syn[0].Value, Source: syn[0].Source, Synonyms: syn})
	}
	return out
}

// value returns the effective value of a topic config and where it can come from, the default last.
func (c *Catalog) value(s *Snapshot, t *Topic, name string) (string, []Synonym) {
	d, _ := Lookup(name)
	var syn []Synonym
	if t != nil {
		if v, ok := t.Configs[name]; ok {
			syn = append(syn, Synonym{name, v, kmsg.ConfigSourceDynamicTopicConfig})
		}
	}
	syn = append(syn, c.brokerSynonyms(s, d.Broker)...)
	def := Synonym{d.Broker, d.Default, kmsg.ConfigSourceDefaultConfig}
	if d.Broker == "" {
		def.Name = name
	}
	syn = append(syn, def)
	return syn[0].Value, syn
}

func (c *Catalog) brokerSynonyms(s *Snapshot, name string) []Synonym {
	var syn []Synonym
	if name == "" {
		return nil
	}
	if v, ok := s.broker[name]; ok {
		syn = append(syn, Synonym{name, v, kmsg.ConfigSourceDynamicBrokerConfig})
	}
	if v, ok := c.static[name]; ok {
		syn = append(syn, Synonym{name, v, kmsg.ConfigSourceStaticBrokerConfig})
	}
	return syn
}

// brokerDef returns a broker config: one that gives a topic config its default.
func brokerDef(name string) (Def, bool) {
	for _, d := range defs {
		if d.Broker == name && name != "" {
			d.Name = name
			return d, true
		}
	}
	return Def{}, false
}

// CheckBroker reports why the broker cannot have this config as a default for its topics. ok is false if the config has
// nothing to do with topics.
func CheckBroker(name, value string) (ok bool, err error) {
	d, ok := brokerDef(name)
	if !ok {
		return false, nil
	}
	if err := d.Validate(value); err != nil {
		return true, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return true, nil
}

// DescribeBroker returns the broker's configs, extra ones included: read-only, by name.
func (c *Catalog) DescribeBroker(extra map[string]string) []Value {
	s := c.Snapshot()
	seen := map[string]bool{}
	var out []Value
	for _, d := range defs {
		if d.Broker == "" || seen[d.Broker] {
			continue
		}
		seen[d.Broker] = true
		d.Name = d.Broker
		syn := append(c.brokerSynonyms(s, d.Broker), Synonym{d.Broker, d.Default, kmsg.ConfigSourceDefaultConfig})
		out = append(out, Value{Def: d, Value: syn[0].Value, Source: syn[0].Source, Synonyms: syn})
	}
	for name, v := range extra {
		if !seen[name] {
			d := Def{Name: name, Type: typeOf(v), Default: v}
			syn := []Synonym{{name, v, kmsg.ConfigSourceStaticBrokerConfig}}
			out = append(out, Value{Def: d, Value: v, Source: kmsg.ConfigSourceStaticBrokerConfig, Synonyms: syn})
		}
	}
	slices.SortFunc(out, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// typeOf tells what a value looks like.
func typeOf(v string) kmsg.ConfigType {
	if _, err := strconv.ParseInt(v, 10, 32); err == nil {
		return kmsg.ConfigTypeInt
	}
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return kmsg.ConfigTypeLong
	}
	if v == "true" || v == "false" {
		return kmsg.ConfigTypeBoolean
	}
	return kmsg.ConfigTypeString
}

// throttles slow down how replicas are moved. There are none, and so none of these is ever set; Kafka's tool for
// reassignments takes them away whether they are set or not.
var throttles = []string{"leader.replication.throttled.rate", "follower.replication.throttled.rate", "replica.alter.log.dirs.io.max.bytes.per.second"}

// DescribeBrokerDefaults returns what is set for all brokers of the cluster: what was altered while the broker ran.
func (c *Catalog) DescribeBrokerDefaults() []Value {
	var out []Value
	for _, v := range c.DescribeBroker(nil) {
		if v.Source != kmsg.ConfigSourceDynamicBrokerConfig {
			continue
		}
		v.Source = kmsg.ConfigSourceDynamicDefaultBrokerConfig
		v.Synonyms = []Synonym{{v.Name, v.Value, v.Source}}
		out = append(out, v)
	}
	return out
}

// AlterBroker changes the broker's defaults for topics, durably, for every topic that does not set the config itself.
func (c *Catalog) AlterBroker(changes []Change, replace, dryRun bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Snapshot()
	configs := map[string]string{}
	if !replace {
		maps.Copy(configs, s.broker)
	}
	for _, ch := range changes {
		d, ok := brokerDef(ch.Name)
		if !ok && ch.Op == OpDelete && slices.Contains(throttles, ch.Name) {
			continue
		}
		if !ok {
			return fmt.Errorf("%w: %s cannot be changed while the broker runs", ErrConfig, ch.Name)
		}
		old := d.Default
		if syn := c.brokerSynonyms(s, ch.Name); len(syn) > 0 {
			old = syn[0].Value
		}
		if err := apply(configs, d, old, ch); err != nil {
			return err
		}
	}
	if dryRun {
		return nil
	}
	var b metadb.Batch
	b.DeletePrefix(metadb.Key(metadb.TableBrokerConf))
	for k, v := range configs {
		b.Set(metadb.Key(metadb.TableBrokerConf, []byte(k)), []byte(v))
	}
	if err := c.commit(&b); err != nil {
		return err
	}
	c.publish(slices.Clone(s.sorted), configs)
	return nil
}

// Default returns the value that a topic without configs of its own has.
func (c *Catalog) Default(name string) string {
	v, _ := c.value(c.Snapshot(), nil, name)
	return v
}
