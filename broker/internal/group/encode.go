package group

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Keys begin with what they are about; strings in them are length-prefixed
// with a uvarint and integers big-endian.
//
//	g group                              generation and members, GroupMetadataValue
//	o group topic partition              committed offset, OffsetCommitValue
//	t producer-id group topic partition  offset in an open transaction, the same
//
// Values are Kafka's own of the offsets topic: versioned, and known to tools.
const (
	kindGroup  = 'g'
	kindOffset = 'o'
	kindStaged = 't'
)

const (
	groupValueVersion  = 4
	offsetValueVersion = 4
	// expiringValueVersion is the one that has an expiry, and no leader
	// epoch: the requests that ask for one have none either.
	expiringValueVersion = 1
)

func groupKey(id string) []byte {
	return appendString([]byte{kindGroup}, id)
}

func offsetKey(id string, p partition) []byte {
	return appendPartition(appendString([]byte{kindOffset}, id), p)
}

func stagedKey(producer int64, id string, p partition) []byte {
	k := binary.BigEndian.AppendUint64([]byte{kindStaged}, uint64(producer))
	return appendPartition(appendString(k, id), p)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendPartition(b []byte, p partition) []byte {
	return binary.BigEndian.AppendUint32(appendString(b, p.topic), uint32(p.index))
}

// keyReader takes a key apart; ok turns false when it is too short.
type keyReader struct {
	b  []byte
	ok bool
}

func (r *keyReader) take(n uint64) []byte {
	if !r.ok || uint64(len(r.b)) < n {
		r.ok = false
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *keyReader) string() string {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.ok = false
		return ""
	}
	r.take(uint64(size))
	return string(r.take(n))
}

func (r *keyReader) producer() int64 {
	if b := r.take(8); r.ok {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *keyReader) partition() partition {
	topic := r.string()
	if b := r.take(4); r.ok {
		return partition{topic, int32(binary.BigEndian.Uint32(b))}
	}
	return partition{}
}

// restore takes in one pair.
func (c *Coordinator) restore(now time.Time, key, value []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("group metadata: empty key")
	}
	r := &keyReader{b: key[1:], ok: true}
	var err error
	switch key[0] {
	case kindGroup:
		id := r.string()
		if r.ok {
			err = c.restoreGroup(now, c.group(id), value)
		}
	case kindOffset:
		id, p := r.string(), r.partition()
		if r.ok {
			c.group(id).offsets[p], err = decodeOffset(value)
		}
	case kindStaged:
		producer, id, p := r.producer(), r.string(), r.partition()
		if r.ok {
			var o offset
			o, err = decodeOffset(value)
			c.group(id).restoreStaged(producer, p, o)
		}
	case kindConsumer:
		id := r.string()
		if r.ok {
			err = c.group(id).restoreConsumer(value)
		}
	case kindMember:
		id, member := r.string(), r.string()
		if r.ok {
			err = c.group(id).restoreMember(c, now, member, value)
		}
	default:
		return fmt.Errorf("group metadata: unknown kind of key %q: written by a newer version?", key)
	}
	if !r.ok || len(r.b) > 0 {
		return fmt.Errorf("group metadata: malformed key %q", key)
	}
	if err != nil {
		return fmt.Errorf("group metadata: value of key %q: %w", key, err)
	}
	return nil
}

// group finds a group or makes it.
func (c *Coordinator) group(id string) *group {
	if g := c.groups[id]; g != nil {
		return g
	}
	return c.newGroup(id)
}

func (g *group) restoreStaged(producer int64, p partition, o offset) {
	if g.staged == nil {
		g.staged = make(map[int64]map[partition]offset)
	}
	if g.staged[producer] == nil {
		g.staged[producer] = make(map[partition]offset)
	}
	g.staged[producer][p] = o
}

func encodeOffset(o offset) []byte {
	v := kmsg.NewOffsetCommitValue()
	v.Version = offsetValueVersion
	if o.expires >= 0 {
		v.Version = expiringValueVersion
		v.ExpireTimestamp = o.expires
	}
	v.Offset, v.LeaderEpoch, v.Metadata, v.CommitTimestamp, v.TopicID = o.at, o.epoch, o.metadata, o.committed, o.topicID
	return v.AppendTo(nil)
}

func decodeOffset(value []byte) (offset, error) {
	v := kmsg.NewOffsetCommitValue()
	if err := v.ReadFrom(value); err != nil {
		return offset{}, err
	}
	o := offset{at: v.Offset, epoch: v.LeaderEpoch, metadata: v.Metadata, committed: v.CommitTimestamp, expires: -1, topicID: v.TopicID}
	switch v.Version {
	case offsetValueVersion:
	case expiringValueVersion:
		o.epoch, o.expires = -1, v.ExpireTimestamp
	default:
		return offset{}, fmt.Errorf("offset version %d is not known", v.Version)
	}
	return o, nil
}

// persist writes the generation that has just become complete.
func (k *classic) persist(c *Coordinator) {
	v := kmsg.NewGroupMetadataValue()
	v.Version = groupValueVersion
	v.ProtocolType = k.protocolType
	v.Generation = k.generation
	v.CurrentStateTimestamp = k.since.UnixMilli()
	if k.state != empty {
		v.Protocol = kmsg.StringPtr(k.protocol)
		v.Leader = kmsg.StringPtr(k.leader)
	}
	for _, m := range k.members {
		vm := kmsg.NewGroupMetadataValueMember()
		vm.MemberID, vm.InstanceID = m.id, m.instance
		vm.ClientID, vm.ClientHost = m.client.ID, m.client.Host
		vm.RebalanceTimeoutMillis = int32(m.rebalance.Milliseconds())
		vm.SessionTimeoutMillis = int32(m.session.Milliseconds())
		vm.Subscription, _ = m.metadata(k.protocol)
		vm.Assignment = m.assignment
		v.Members = append(v.Members, vm)
	}
	c.write(groupKey(k.g.id), v.AppendTo(nil))
}

func (c *Coordinator) restoreGroup(now time.Time, g *group, value []byte) error {
	v := kmsg.NewGroupMetadataValue()
	if err := v.ReadFrom(value); err != nil {
		return err
	}
	if v.Version != groupValueVersion {
		return fmt.Errorf("group version %d is not known", v.Version)
	}
	k := newClassic(g, time.UnixMilli(v.CurrentStateTimestamp))
	g.classic = k
	k.protocolType, k.generation = v.ProtocolType, v.Generation
	if v.Protocol != nil {
		k.protocol = *v.Protocol
	}
	for _, vm := range v.Members {
		m := &member{
			id:        vm.MemberID,
			instance:  vm.InstanceID,
			client:    Client{ID: vm.ClientID, Host: vm.ClientHost},
			rebalance: time.Duration(vm.RebalanceTimeoutMillis) * time.Millisecond,
			session:   time.Duration(vm.SessionTimeoutMillis) * time.Millisecond,
			protocols: cloneProtocols([]kmsg.JoinGroupRequestProtocol{{Name: k.protocol, Metadata: vm.Subscription}}),
		}
		m.assignment = append(m.assignment, vm.Assignment...)
		k.add(m)
		k.touch(now, m)
		k.state = stable
	}
	if v.Leader != nil {
		k.leader = *v.Leader
	}
	return nil
}
