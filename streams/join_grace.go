package streams

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/tidwall/btree"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/wire"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// graceStore is the buffer of a stream-table join with grace (KIP-923).
type graceStore[K, V any] struct {
	name  string
	grace time.Duration
	key   *slot[K]
	value *slot[V]

	keys   serde.Serde[K] // resolved by write
	values serde.Serde[V]
}

// names are the stores that the join's node uses beside the table's; s may be nil.
func (s *graceStore[K, V]) names() []string {
	if s == nil {
		return nil
	}
	return []string{s.name}
}

// write adds the buffer to the topology and says whether it can be used; s may be nil.
func (s *graceStore[K, V]) write(w *writer, node string) bool {
	if s == nil {
		return true
	}
	s.keys, s.values = s.key.resolve(w.b, node, "key"), s.value.resolve(w.b, node, "value")
	if s.keys == nil || s.values == nil {
		return false
	}
	w.t.AddStore(state.Custom(s.name, func(c state.CustomContext) (*graceBuffer, error) {
		return &graceBuffer{log: c.Changelog, entries: newGraceOrder()}, nil
	}))
	return true
}

// startGrace holds records back until stream time has passed them by the grace, then gives them to join, by time, key and arrival. A record that
// is later than the grace goes at once; so does one without a key, which joins nothing.
func startGrace[K, V any](ctx *topology.Context, s *graceStore[K, V], left bool, join func(Record[K, V]) error) (func(Record[K, V]) error, error) {
	buffer, err := storeOf[*graceBuffer](ctx, s.name)
	if err != nil {
		return nil, err
	}
	topic := topology.ChangelogTopic(ctx.ApplicationID(), s.name)
	keys, err := serde.Bind(s.keys, serde.Role{Topic: topic, Key: true})
	if err != nil {
		return nil, err
	}
	values, err := serde.Bind(s.values, serde.Role{Topic: topic})
	if err != nil {
		return nil, err
	}
	g := &graceJoin[K, V]{ctx: ctx, buffer: buffer, keys: keys, values: values, grace: window.Millis(s.grace), clock: -1, left: left, join: join}
	ctx.OnAdvance(func(now Time) error {
		g.clock = max(g.clock, now)
		return g.release(g.clock.AddMillis(-g.grace))
	})
	return g.process, nil
}

// graceJoin is the part of a join's node that holds records back.
type graceJoin[K, V any] struct {
	ctx    *topology.Context
	buffer *graceBuffer
	keys   serde.Serde[K]
	values serde.Serde[V]
	grace  int64
	clock  Time // the highest time of a record that came here
	left   bool
	join   func(Record[K, V]) error

	key, value []byte
}

func (g *graceJoin[K, V]) process(r Record[K, V]) error {
	if r.Tombstone || r.NoKey && !g.left { // and moves no clock
		g.ctx.Drop(droppedNull(r.NoKey))
		return nil
	}
	g.clock = max(g.clock, r.Time)
	passed := g.clock.AddMillis(-g.grace)
	if r.NoKey || r.Time < passed {
		return g.join(r)
	}
	if err := g.hold(r); err != nil {
		return err
	}
	return g.release(passed)
}

// hold puts a record into the buffer.
func (g *graceJoin[K, V]) hold(r Record[K, V]) (err error) {
	if g.key, err = g.keys.Append(g.key[:0], r.Key); err != nil {
		return g.ctx.Fail(fmt.Errorf("encode the key for the buffer: %w", err))
	}
	if g.value, err = g.values.Append(g.value[:0], r.Value); err != nil {
		return g.ctx.Fail(fmt.Errorf("encode the value for the buffer: %w", err))
	}
	if g.value == nil {
		g.value = []byte{}
	}
	rc := g.ctx.RecordContext()
	return topology.Fatal(g.buffer.put(g.key, wire.Buffered{
		Context: wire.Context{Time: int64(r.Time), Offset: rc.Offset, Topic: rc.Topic, Partition: rc.Partition, Headers: r.Headers},
		New:     g.value,
	}))
}

// release joins the records whose time is not after passed. They see the record context that they came with.
func (g *graceJoin[K, V]) release(passed Time) error {
	for {
		e, ok := g.buffer.first()
		if !ok || Time(e.at()) > passed {
			return nil
		}
		if err := g.joinHeld(e); err != nil {
			return err
		}
		if err := g.buffer.remove(e); err != nil {
			return topology.Fatal(err)
		}
	}
}

func (g *graceJoin[K, V]) joinHeld(e graceEntry) error {
	at, key, _, err := wire.ParseGraceKey(e.key)
	if err != nil {
		return topology.Fatal(err)
	}
	v, err := wire.ParseBuffered(e.value)
	if err != nil {
		return topology.Fatal(err)
	}
	r := Record[K, V]{Time: Time(at), Headers: v.Headers}
	if r.Key, err = g.keys.Decode(key); err != nil {
		return g.ctx.Fail(fmt.Errorf("decode a key of the buffer: %w", err))
	}
	if r.Value, err = g.values.Decode(v.New); err != nil {
		return g.ctx.Fail(fmt.Errorf("decode a value of the buffer: %w", err))
	}
	rc := g.ctx.RecordContext()
	saved := *rc
	defer func() { *rc = saved }()
	*rc = state.RecordContext{Topic: v.Topic, Partition: v.Partition, Offset: v.Offset, Time: r.Time, Headers: v.Headers}
	return g.join(r)
}

// graceBuffer is the buffer's content, as its changelog has it, in the order of its keys. It lives in memory: it holds what came within the grace.
type graceBuffer struct {
	log     state.Changelog // nil: not logged
	entries *btree.BTreeG[graceEntry]
	seq     uint32 // of the last record that was put
}

// graceEntry is a row of the buffer's changelog.
type graceEntry struct{ key, value []byte }

func (e graceEntry) at() int64 { return int64(binary.BigEndian.Uint64(e.key[1:])) }

func newGraceOrder() *btree.BTreeG[graceEntry] {
	return btree.NewBTreeGOptions(func(a, b graceEntry) bool { return bytes.Compare(a.key, b.key) < 0 }, btree.Options{NoLocks: true})
}

func (b *graceBuffer) put(key []byte, v wire.Buffered) error {
	b.seq++
	e := graceEntry{key: wire.AppendGraceKey(nil, v.Time, key, b.seq), value: v.Append(nil)}
	b.entries.Set(e)
	if b.log == nil {
		return nil
	}
	return b.log.Log(state.LogRecord{Key: e.key, Value: e.value, NoTime: true})
}

func (b *graceBuffer) first() (graceEntry, bool) { return b.entries.Min() }

func (b *graceBuffer) remove(e graceEntry) error {
	b.entries.Delete(e)
	if b.log == nil {
		return nil
	}
	return b.log.Log(state.LogRecord{Key: e.key, Tombstone: true, NoTime: true})
}

// Flush has nothing to do: what is put is logged at once.
func (b *graceBuffer) Flush() error { return nil }

// Restore implements state.CustomStore.
func (b *graceBuffer) Restore(rs []state.Restored) error {
	for _, r := range rs {
		_, _, seq, err := wire.ParseGraceKey(r.Key)
		if err != nil {
			return err
		}
		b.seq = max(b.seq, seq)
		e := graceEntry{key: bytes.Clone(r.Key)}
		if r.Value == nil {
			b.entries.Delete(e)
			continue
		}
		if _, err := wire.ParseBuffered(r.Value); err != nil {
			return err
		}
		e.value = bytes.Clone(r.Value)
		b.entries.Set(e)
	}
	return nil
}

// Reset empties the buffer.
func (b *graceBuffer) Reset() error {
	b.entries, b.seq = newGraceOrder(), 0
	return nil
}

// Dump has no listing, as Kafka's test driver has none.
func (b *graceBuffer) Dump() iter.Seq[[]any] { return nil }

// Close implements state.CustomStore.
func (b *graceBuffer) Close() error { return nil }
