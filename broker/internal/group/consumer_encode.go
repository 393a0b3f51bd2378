package group

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Consumer groups are two more kinds of pairs, with JSON as values:
//
//	c group            epochs and topics, groupRecord
//	m group member-id  one member, memberRecord
const (
	kindConsumer = 'c'
	kindMember   = 'm'
)

const recordVersion = 1

func consumerKey(id string) []byte { return appendString([]byte{kindConsumer}, id) }

func memberKey(id, member string) []byte {
	return appendString(appendString([]byte{kindMember}, id), member)
}

type groupRecord struct {
	Version     int               `json:"v"`
	Epoch       int32             `json:"epoch"`
	TargetEpoch int32             `json:"targetEpoch"`
	Assignor    string            `json:"assignor"`
	Partitions  map[topicID]int32 `json:"partitions,omitempty"`
}

type memberRecord struct {
	Version         int        `json:"v"`
	Instance        *string    `json:"instance,omitempty"`
	Rack            *string    `json:"rack,omitempty"`
	ClientID        string     `json:"clientId"`
	ClientHost      string     `json:"clientHost"`
	Principal       string     `json:"principal,omitempty"`
	RebalanceMillis int64      `json:"rebalanceTimeoutMs"`
	Topics          []string   `json:"topics,omitempty"`
	Regex           *string    `json:"regex,omitempty"`
	Assignor        *string    `json:"assignor,omitempty"`
	Epoch           int32      `json:"epoch"`
	Previous        int32      `json:"previousEpoch"`
	Progress        progress   `json:"progress"`
	Assigned        assignment `json:"assigned,omitempty"`
	Revoking        assignment `json:"revoking,omitempty"`
	Target          assignment `json:"target,omitempty"`
}

// MarshalText makes an id a key of a JSON object.
func (id topicID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

func (id *topicID) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(id)) {
		return fmt.Errorf("topic id %q has %d digits, not %d", text, len(text), hex.EncodedLen(len(id)))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// persist writes what has changed.
func (k *consumer) persist(c *Coordinator) {
	if k.dirty {
		c.write(consumerKey(k.g.id), encodeJSON(groupRecord{recordVersion, k.epoch, k.targetEpoch, k.assignor, k.partitions}))
		k.dirty = false
	}
	for _, m := range k.members {
		if !m.dirty {
			continue
		}
		c.write(memberKey(k.g.id, m.id), encodeJSON(memberRecord{
			Version: recordVersion, Instance: m.instance, Rack: m.rack, ClientID: m.client.ID, ClientHost: m.client.Host, Principal: m.client.Principal,
			RebalanceMillis: m.rebalance.Milliseconds(), Topics: m.topics, Regex: m.regex, Assignor: m.assignor,
			Epoch: m.epoch, Previous: m.previous, Progress: m.progress, Assigned: m.assigned, Revoking: m.revoking, Target: m.target,
		}))
		m.dirty = false
	}
}

// encodeJSON is for the records above, which cannot fail to encode.
func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("group: record does not encode: %v", err))
	}
	return b
}

func decodeJSON(b []byte, v any, version *int) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	if *version != recordVersion {
		return fmt.Errorf("record version %d is not known", *version)
	}
	return nil
}

// restoredConsumer finds the consumer group of a pair or makes it.
func (g *group) restoredConsumer() *consumer {
	if g.consumer == nil {
		g.consumer = newConsumer(g)
		g.consumer.dirty = false
	}
	return g.consumer
}

func (g *group) restoreConsumer(value []byte) error {
	var r groupRecord
	if err := decodeJSON(value, &r, &r.Version); err != nil {
		return err
	}
	k := g.restoredConsumer()
	k.epoch, k.targetEpoch, k.assignor = r.Epoch, r.TargetEpoch, r.Assignor
	if r.Partitions != nil {
		k.partitions = r.Partitions
	}
	return nil
}

func (g *group) restoreMember(c *Coordinator, now time.Time, id string, value []byte) error {
	var r memberRecord
	if err := decodeJSON(value, &r, &r.Version); err != nil {
		return err
	}
	m := newConsumerMember(id)
	m.instance, m.rack, m.client = r.Instance, r.Rack, Client{ID: r.ClientID, Host: r.ClientHost, Principal: r.Principal}
	m.rebalance = time.Duration(r.RebalanceMillis) * time.Millisecond
	m.topics, m.regex, m.assignor = r.Topics, r.Regex, r.Assignor
	m.epoch, m.previous, m.progress = r.Epoch, r.Previous, r.Progress
	if r.Target != nil {
		m.target = r.Target
	}
	if r.Regex != nil {
		var err *refusal
		if m.pattern, err = compileRegex(*r.Regex); err != nil {
			return fmt.Errorf("subscription: %s", err.text)
		}
	}
	session, _ := c.cfg.ConsumerTimes(g.id)
	m.deadline = now.Add(session)
	if m.progress == unrevoked {
		m.revokeBy = now.Add(m.rebalance)
	}
	g.wake(m.deadline)
	g.wake(m.revokeBy)
	k := g.restoredConsumer()
	k.add(m)
	k.hold(m, orEmpty(r.Assigned), orEmpty(r.Revoking))
	m.dirty = false
	slices.SortFunc(k.members, func(a, b *consumerMember) int { return strings.Compare(a.id, b.id) })
	return nil
}

func orEmpty(a assignment) assignment {
	if a == nil {
		return assignment{}
	}
	return a
}
