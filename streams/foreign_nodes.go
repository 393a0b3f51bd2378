package streams

import (
	"bytes"
	"fmt"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

const (
	droppedNullForeignKey = "null foreign key"
	droppedStaleAnswer    = "stale answer"
)

// awaited are the subscriptions of one task that will be answered: of each key the last one, by the hash that comes back with the answer. A row that changes again
// without one, because it points nowhere or where it did, makes that answer stale; but it is the last that comes, and a null that it brings takes back a result.
// (Kafka Streams drops it, and keeps the result.) Others say nothing: newer ones follow, or it was asked for an older version of the row. Lost at a restart, see
// startResolve.
type awaited map[string]hash

func newAwaited() awaited { return awaited{} }

// take says whether an answer is the last of its key, and whether one is awaited at all.
func (a awaited) take(key []byte, h hash) (last, waits bool) {
	of, waits := a[string(key)]
	if last = waits && of == h; last {
		delete(a, string(key))
	}
	return last, waits
}

// startSubscribe makes the node that turns a left row's changes into subscriptions. A row whose foreign key changes leaves the old one; an inner join's row that
// goes asks for a null, since it may have made a result.
func (j *foreignJoin[K, V, FK, VO, R]) startSubscribe(left *tableNode[K, V], keys serde.Serde[FK], own serde.Serde[K], values serde.Serde[V]) start[K, change[V], FK, subscription[K]] {
	return func(ctx *topology.Context, next func(Record[FK, subscription[K]]) error) (func(Record[K, change[V]]) error, error) {
		partition := ctx.Task().Partition
		answers := ctx.Shared(j, newAwaited)
		var before, after, value, key []byte
		send := func(r Record[K, change[V]], fk FK, there bool, what instruction) (err error) {
			out := Record[FK, subscription[K]]{Key: fk, NoKey: !there, Time: r.Time, Headers: r.Headers}
			out.Value = subscription[K]{what: what, key: r.Key, partition: partition}
			if r.Value.HasNew {
				if value, err = values.Append(value[:0], r.Value.New); err != nil {
					return ctx.Fail(fmt.Errorf("encode value: %w", err))
				}
				out.Value.hash = hashOf(value)
			}
			if !j.left && !r.Value.Stale && (what == subscribe || what == unsubscribeAnswer) {
				if key, err = own.Append(key[:0], r.Key); err != nil {
					return ctx.Fail(fmt.Errorf("encode key: %w", err))
				}
				answers[string(key)] = out.Value.hash
			}
			return next(out)
		}
		moved := func(a, b FK) (_ bool, err error) {
			if before, err = keys.Append(before[:0], a); err != nil {
				return false, ctx.Fail(fmt.Errorf("encode foreign key: %w", err))
			}
			if after, err = keys.Append(after[:0], b); err != nil {
				return false, ctx.Fail(fmt.Errorf("encode foreign key: %w", err))
			}
			return !bytes.Equal(before, after), nil
		}
		return func(r Record[K, change[V]]) error {
			if left.versioned && r.Value.Stale {
				ctx.Drop(droppedStale)
				return nil
			}
			var from, to FK
			var had, has, move bool
			var err error
			if r.Value.HasOld {
				from, had = j.foreignKey(r.Key, r.Value.Old)
			}
			if r.Value.HasNew {
				to, has = j.foreignKey(r.Key, r.Value.New)
			}
			if had && has {
				if move, err = moved(from, to); err != nil {
					return err
				}
			}
			if j.left {
				if !r.Value.HasOld && !r.Value.HasNew {
					return nil
				}
				if had && (!has || move) {
					if err := send(r, from, true, unsubscribe); err != nil {
						return err
					}
				}
				return send(r, to, has, subscribe)
			}
			if r.Value.HasNew && !has {
				ctx.Drop(droppedNullForeignKey)
			}
			switch {
			case !has && had:
				return send(r, from, true, unsubscribeAnswer)
			case !has:
				return nil
			case move:
				if err := send(r, from, true, unsubscribe); err != nil {
					return err
				}
				return send(r, to, true, subscribe)
			}
			return send(r, to, true, subscribeIfPresent)
		}, nil
	}
}

// received is a subscription on the right side, put into the store.
type received[FK, K any] struct {
	foreign FK
	there   bool // the foreign key
	sub     subscription[K]
}

// startReceive makes the node that keeps the subscriptions.
func (j *foreignJoin[K, V, FK, VO, R]) startReceive() start[FK, subscription[K], K, received[FK, K]] {
	return func(ctx *topology.Context, next func(Record[K, received[FK, K]]) error) (func(Record[FK, subscription[K]]) error, error) {
		subs, err := storeOf[*state.KV[combinedKey[FK, K], state.Stamped[subscription[K]]]](ctx, j.names.store)
		if err != nil {
			return nil, err
		}
		return func(r Record[FK, subscription[K]]) error {
			if r.Tombstone || r.NoKey && r.Value.what != subscribe {
				ctx.Drop(droppedNullForeignKey)
				return nil
			}
			if !r.NoKey {
				k := combinedKey[FK, K]{r.Key, r.Value.key}
				var err error
				if r.Value.what == unsubscribe || r.Value.what == unsubscribeAnswer {
					err = subs.Delete(k)
				} else {
					err = subs.Put(k, state.Stamped[subscription[K]]{Value: r.Value, Time: r.Time})
				}
				if err != nil {
					return topology.Fatal(err)
				}
			}
			return next(Record[K, received[FK, K]]{Key: r.Value.key, Value: received[FK, K]{r.Key, !r.NoKey, r.Value}, Time: r.Time, Headers: r.Headers})
		}, nil
	}
}

// startAnswer makes the node that answers a subscription with the right row of the moment.
func (j *foreignJoin[K, V, FK, VO, R]) startAnswer(right view[FK, VO]) start[K, received[FK, K], K, answer[VO]] {
	return func(ctx *topology.Context, next func(Record[K, answer[VO]]) error) (func(Record[K, received[FK, K]]) error, error) {
		rows, err := right.open(ctx)
		if err != nil {
			return nil, err
		}
		return func(r Record[K, received[FK, K]]) error {
			var row state.Stamped[VO]
			found := false
			if r.Value.there {
				var err error
				if row, found, err = rows.get(r.Value.foreign); err != nil {
					return err
				}
			}
			sub := &r.Value.sub
			if sub.what == unsubscribe || sub.what == subscribeIfPresent && !found {
				return nil
			}
			out := answer[VO]{hash: sub.hash, partition: sub.partition}
			if found && sub.what != unsubscribeAnswer {
				out.value, out.there = row.Value, true
			}
			at := r.Time
			if found {
				at = max(at, row.Time)
			}
			return next(Record[K, answer[VO]]{Key: r.Key, Value: out, Time: at, Headers: r.Headers})
		}, nil
	}
}

// startNotify makes the node that tells all subscribers of a changed right row.
func (j *foreignJoin[K, V, FK, VO, R]) startNotify(right *tableNode[FK, VO], keys combinedSerde[FK, K]) start[FK, change[VO], K, answer[VO]] {
	return func(ctx *topology.Context, next func(Record[K, answer[VO]]) error) (func(Record[FK, change[VO]]) error, error) {
		subs, err := storeOf[*state.KV[combinedKey[FK, K], state.Stamped[subscription[K]]]](ctx, j.names.store)
		if err != nil {
			return nil, err
		}
		var prefix []byte
		return func(r Record[FK, change[VO]]) (err error) {
			if right.versioned && r.Value.Stale {
				ctx.Drop(droppedStale)
				return nil
			}
			if prefix, err = keys.prefix(prefix[:0], r.Key); err != nil {
				return ctx.Fail(fmt.Errorf("encode foreign key: %w", err))
			}
			for e, err := range subs.Prefix(prefix) {
				if err != nil {
					return topology.Fatal(err)
				}
				sub := &e.Value.Value
				err := next(Record[K, answer[VO]]{Key: e.Key.key, Time: r.Time, Headers: r.Headers,
					Value: answer[VO]{hash: sub.hash, value: r.Value.New, there: r.Value.HasNew, partition: sub.partition}})
				if err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
}

// startResolve makes the node that joins an answer with the left row of the moment, if that is still the one that was asked for. A stale null takes the result back if no
// newer answer follows: it is the last that was awaited, or, when nobody knows any more, the row has no result.
func (j *foreignJoin[K, V, FK, VO, R]) startResolve(left view[K, V], own serde.Serde[K], values serde.Serde[V]) start[K, answer[VO], K, R] {
	return func(ctx *topology.Context, next func(Record[K, R]) error) (func(Record[K, answer[VO]]) error, error) {
		rows, err := left.open(ctx)
		if err != nil {
			return nil, err
		}
		join := j.open(ctx)
		answers := ctx.Shared(j, newAwaited)
		var value, key []byte
		return func(r Record[K, answer[VO]]) error {
			row, found, err := rows.get(r.Key)
			if err != nil {
				return err
			}
			var current hash
			if found {
				if value, err = values.Append(value[:0], row.Value); err != nil {
					return ctx.Fail(fmt.Errorf("encode value: %w", err))
				}
				current = hashOf(value)
			}
			last, waits := false, false
			if len(answers) > 0 {
				if key, err = own.Append(key[:0], r.Key); err != nil {
					return ctx.Fail(fmt.Errorf("encode key: %w", err))
				}
				last, waits = answers.take(key, r.Value.hash)
			}
			out := Record[K, R]{Key: r.Key, Time: r.Time, Headers: r.Headers}
			stale := current != r.Value.hash
			if stale && (r.Value.there || j.left || !last && (waits || j.pointsSomewhere(r.Key, row.Value, found))) {
				ctx.Drop(droppedStaleAnswer)
				return nil
			}
			if stale || !found || !r.Value.there && !j.left {
				out.Tombstone = true
				return next(out)
			}
			if out.Value, err = join(r.Key, row.Value, true, r.Value.value, r.Value.there); err != nil {
				null, err := nullOr(ctx, err)
				if !null {
					return err
				}
				out.Tombstone = true
			}
			return next(out)
		}, nil
	}
}

func (j *foreignJoin[K, V, FK, VO, R]) pointsSomewhere(k K, v V, there bool) bool {
	if there {
		_, there = j.foreignKey(k, v)
	}
	return there
}
