package streams

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/tidwall/btree"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/wire"
)

// suppressBuffer is the content of a Suppress: of each key one entry, in the order of the times from which they wait. It lives in memory, as bytes: typed
// values may point into the batch that they were fetched with. Its changelog gets, at a commit, what has changed since the last one.
type suppressBuffer struct {
	log   state.Changelog // nil: not logged
	byKey map[string]*suppressed
	order *btree.BTreeG[*suppressed]
	bytes int64 // by Kafka's estimate

	dirty   []string // keys, in order of first change
	isDirty map[string]bool
	raw     []byte
}

// suppressed is the change that waits for a key.
type suppressed struct {
	at      Time // from when it waits: the time of its first change, or the end of its window
	key     []byte
	prior   nullable // the value before the first change
	old     nullable // the value before the last change
	new     nullable
	context wire.Context
	size    int64
}

// nullable is a value's bytes; it may not be there. Absence travels beside the bytes so that their memory can be used again.
type nullable struct {
	b     []byte
	there bool
}

func (v *nullable) set(o nullable) { v.b, v.there = append(v.b[:0], o.b...), o.there }

// bytes are nil for what is not there.
func (v *nullable) bytes() []byte {
	switch {
	case !v.there:
		return nil
	case v.b == nil:
		return []byte{}
	}
	return v.b
}

func newSuppressBuffer(c state.CustomContext) (*suppressBuffer, error) {
	b := &suppressBuffer{log: c.Changelog}
	return b, b.Reset()
}

// Reset empties the buffer.
func (b *suppressBuffer) Reset() error {
	b.byKey, b.isDirty, b.dirty, b.bytes = map[string]*suppressed{}, map[string]bool{}, nil, 0
	b.order = btree.NewBTreeGOptions(func(x, y *suppressed) bool {
		if x.at != y.at {
			return x.at < y.at
		}
		return bytes.Compare(x.key, y.key) < 0
	}, btree.Options{NoLocks: true})
	return nil
}

func (b *suppressBuffer) len() int { return len(b.byKey) }

// find is a key's entry, nil if there is none.
func (b *suppressBuffer) find(key []byte) *suppressed { return b.byKey[string(key)] }

// first is the entry that has waited longest, nil if there is none.
func (b *suppressBuffer) first() *suppressed {
	e, _ := b.order.Min()
	return e
}

// put puts a change. A key that is there already keeps its place. The bytes are copied.
func (b *suppressBuffer) put(at Time, key []byte, old, new nullable, c wire.Context) {
	e := b.find(key)
	if e == nil {
		e = &suppressed{at: at, key: bytes.Clone(key)}
		e.prior.set(old)
		b.byKey[string(e.key)] = e
		b.order.Set(e)
	}
	e.old.set(old)
	e.new.set(new)
	e.context = c
	b.account(e)
	b.touch(string(e.key))
}

// account counts an entry by Kafka's estimate.
func (b *suppressBuffer) account(e *suppressed) {
	b.bytes -= e.size
	e.size = 8 + int64(len(e.key)+len(e.prior.b)+len(e.new.b)) + e.context.Size()
	if e.old.there != e.prior.there || !bytes.Equal(e.old.b, e.prior.b) {
		e.size += int64(len(e.old.b))
	}
	b.bytes += e.size
}

// remove takes an entry out.
func (b *suppressBuffer) remove(e *suppressed) {
	b.drop(e)
	b.touch(string(e.key))
}

func (b *suppressBuffer) drop(e *suppressed) {
	b.bytes -= e.size
	b.order.Delete(e)
	delete(b.byKey, string(e.key))
}

// touch notes that a key has to be logged.
func (b *suppressBuffer) touch(key string) {
	if b.log != nil && !b.isDirty[key] {
		b.isDirty[key] = true
		b.dirty = append(b.dirty, key)
	}
}

// formatVersion is the header of a logged entry: Kafka's third version.
var formatVersion = serde.Headers{{Key: "v", Value: []byte{3}}}

// Flush logs what has changed since the last flush: entries, and tombstones for those that are gone.
func (b *suppressBuffer) Flush() error {
	for _, key := range b.dirty {
		r := state.LogRecord{Key: []byte(key), NoTime: true}
		if e := b.byKey[key]; e != nil {
			v := wire.Buffered{Context: e.context, Prior: e.prior.bytes(), Old: e.old.bytes(), New: e.new.bytes(), BufferTime: int64(e.at)}
			b.raw = v.Append(b.raw[:0])
			r.Value, r.Headers = b.raw, formatVersion
		} else {
			r.Tombstone = true
		}
		if err := b.log.Log(r); err != nil {
			return err
		}
	}
	clear(b.isDirty)
	b.dirty = b.dirty[:0]
	return nil
}

// Restore implements state.CustomStore.
func (b *suppressBuffer) Restore(rs []state.Restored) error {
	for _, r := range rs {
		if e := b.find(r.Key); e != nil {
			b.drop(e)
		}
		if r.Value == nil {
			continue
		}
		if err := checkVersion(r.Headers); err != nil {
			return err
		}
		v, err := wire.ParseBuffered(r.Value)
		if err != nil {
			return err
		}
		e := &suppressed{at: Time(v.BufferTime), key: bytes.Clone(r.Key), prior: restored(v.Prior), old: restored(v.Old), new: restored(v.New), context: v.Context}
		b.byKey[string(e.key)] = e
		b.order.Set(e)
		b.account(e)
	}
	return nil
}

func restored(b []byte) nullable { return nullable{bytes.Clone(b), b != nil} }

func checkVersion(h serde.Headers) error {
	for i := range h {
		if h[i].Key == "v" {
			if bytes.Equal(h[i].Value, formatVersion[0].Value) {
				return nil
			}
			return fmt.Errorf("the changelog of a Suppress has entries of version %x, this program knows 03: let Kafka Streams 2.4 or later write it anew, or reset the application", h[i].Value)
		}
	}
	return fmt.Errorf("the changelog of a Suppress has entries without a version: let Kafka Streams 2.4 or later write it anew, or reset the application")
}

// Dump has no listing, as Kafka's test driver has none.
func (b *suppressBuffer) Dump() iter.Seq[[]any] { return nil }

// Close implements state.CustomStore.
func (b *suppressBuffer) Close() error { return nil }
