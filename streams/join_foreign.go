package streams

import (
	"context"
	"fmt"
	"reflect"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// JoinForeignKey is the table of the rows of t with the row of other that each points at: foreignKey makes the other table's key from a row, ok == false
// means that the row points nowhere. A change on either side makes a new row; a change of one row of other makes one for each row that points at it. The tables
// need not be partitioned alike: two internal topics carry subscriptions and answers (KIP-213), so that results come with a delay, and a result of a
// row that has changed meanwhile is left out. A row that points nowhere has no result; inserting one is counted as dropped.
//
// Keys and values have to be encoded deterministically. The time of a result is the later one of its rows'.
func (t Table[K, V]) JoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, VO) R, o ...ForeignKeyOption) Table[K, R] {
	return joinForeign(t, other, &foreignJoin[K, V, FK, VO, R]{foreignKey: foreignKey, open: func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, _ bool) (R, error) { return f(l, r), nil }
	}}, f != nil, o)
}

// LeftJoinForeignKey is JoinForeignKey with a result for every row of t: what other has is nil if the row points nowhere or at nothing.
func (t Table[K, V]) LeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(V, *VO) R, o ...ForeignKeyOption) Table[K, R] {
	return joinForeign(t, other, &foreignJoin[K, V, FK, VO, R]{left: true, foreignKey: foreignKey, open: func(*topology.Context) rowJoiner[K, V, VO, R] {
		return func(_ K, l V, _ bool, r VO, hasR bool) (R, error) { return f(l, optional(r, hasR)), nil }
	}}, f != nil, o)
}

// TryJoinForeignKey is JoinForeignKey with a function that gets the key and may fail. Null makes no row, Skip drops the change and counts it.
func (t Table[K, V]) TryJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return joinForeign(t, other, &foreignJoin[K, V, FK, VO, R]{foreignKey: foreignKey, open: func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, _ bool) (R, error) { return f(run, k, l, r) }
	}}, f != nil, o)
}

// TryLeftJoinForeignKey is LeftJoinForeignKey with a function that gets the key and may fail.
func (t Table[K, V]) TryLeftJoinForeignKey[FK, VO, R any](other Table[FK, VO], foreignKey func(K, V) (fk FK, ok bool), f func(context.Context, K, V, *VO) (R, error), o ...ForeignKeyOption) Table[K, R] {
	return joinForeign(t, other, &foreignJoin[K, V, FK, VO, R]{left: true, foreignKey: foreignKey, open: func(ctx *topology.Context) rowJoiner[K, V, VO, R] {
		run := ctx.Run()
		return func(k K, l V, _ bool, r VO, hasR bool) (R, error) { return f(run, k, l, optional(r, hasR)) }
	}}, f != nil, o)
}

// foreignJoin is a foreign-key join. Its nodes, by the way of a left row's change:
//
//	left side   subscribe --> registration topic
//	right side  receive (keeps subscriptions) --> answer; a right row's change --> notify; both --> response topic
//	left side   resolve --> result
type foreignJoin[K, V, FK, VO, R any] struct {
	left       bool
	foreignKey func(K, V) (FK, bool)
	open       func(*topology.Context) rowJoiner[K, V, VO, R]
	names      foreignNames
}

// foreignNames are the names of a foreign-key join's parts.
type foreignNames struct {
	registration, subscribe, sink, source, store, receive, answer, notify string
	response, responseSink, responseSource, resolve, result               string
}

// drawForeignNames draws the numbers in Kafka Streams' order.
func (b *Builder) drawForeignNames(given string) (n foreignNames) {
	const fk = "KTABLE-FK-JOIN-SUBSCRIPTION-"
	n.registration = b.suffixedName(given, "-subscription-registration", fk+"REGISTRATION-") + "-topic"
	n.subscribe = b.suffixedName(given, "-subscription-registration-processor", fk+"REGISTRATION-")
	n.sink = b.suffixedName(given, "-subscription-registration-sink", "KTABLE-SINK-")
	n.source = b.suffixedName(given, "-subscription-registration-source", "KTABLE-SOURCE-")
	n.store = b.suffixedName(given, "-subscription-store", fk+"STATE-STORE-")
	n.receive = b.suffixedName(given, "-subscription-receive", fk+"PROCESSOR-")
	n.answer = b.suffixedName(given, "-subscription-join-foreign", fk+"PROCESSOR-")
	n.notify = b.suffixedName(given, "-foreign-join-subscription", fk+"PROCESSOR-")
	n.response = b.suffixedName(given, "-subscription-response", fk+"RESPONSE-") + "-topic"
	n.responseSink = b.suffixedName(given, "-subscription-response-sink", "KTABLE-SINK-")
	n.responseSource = b.suffixedName(given, "-subscription-response-source", "KTABLE-SOURCE-")
	n.resolve = b.suffixedName(given, "-subscription-response-resolver", fk+"RESPONSE-RESOLVER-PROCESSOR-")
	n.result = b.suffixedName(given, "-result", "KTABLE-FK-JOIN-OUTPUT-")
	return n
}

// joinForeign plans a foreign-key join: one node for everything up to the resolved rows, one for the result table.
func joinForeign[K, V, FK, VO, R any](t Table[K, V], other Table[FK, VO], j *foreignJoin[K, V, FK, VO, R], given bool, o []ForeignKeyOption) Table[K, R] {
	b := t.b
	b.made()
	if b != other.b {
		return missing[K, R](b, fmt.Errorf("foreign-key join of %s: the other table belongs to another Builder: make both with one", t.t.plan.name))
	}
	var c nodeConfig
	for _, opt := range o {
		opt.foreignKey(&c)
	}
	left, right := t.t, other.t
	left.sendOlds(true)
	right.sendOlds(true)
	leftRows, rightRows := left.view(), right.view()
	j.names = b.drawForeignNames(c.name)
	store := b.storeName(&c.store, "KTABLE-FK-JOIN-OUTPUT-")
	b.check(j.names.result, &c)
	b.require(given && j.foreignKey != nil, j.names.result)
	byForeign := partitionByKey[FK, subscription[K]](b, j.names.sink, c.fkOther)
	byOwn := partitionByKey[K, answer[VO]](b, j.names.responseSink, c.fkOwn)
	n := &planNode{name: j.names.resolve}
	n.reads = func() []string { return append([]string{j.names.response}, left.plan.topics()...) }
	n.write = func(w *writer, in []any) any {
		k, v := t.key.resolve(w.b, j.names.subscribe, "key"), t.value.resolve(w.b, j.names.subscribe, "value")
		fk, fv := other.key.resolve(w.b, j.names.sink, "key"), other.value.resolve(w.b, j.names.responseSink, "value")
		if k == nil || v == nil || fk == nil || fv == nil || !w.claim(j.names.registration) {
			return nil
		}
		keys := combinedSerde[FK, K]{fk, k}
		w.t.AddRepartitionTopic(topology.RepartitionTopic{Name: j.names.registration})
		w.t.AddRepartitionTopic(topology.RepartitionTopic{Name: j.names.response})
		w.t.Copartition(append([]string{j.names.registration}, right.plan.topics()...)...)
		w.t.Copartition(append([]string{j.names.response}, left.plan.topics()...)...)
		kept := []state.Option{state.LogHeaders()}
		if w.b.config.inMemory {
			kept = append(kept, state.InMemory())
		}
		w.t.AddStore(state.TimestampedKeyValue(j.names.store, serde.Serde[combinedKey[FK, K]](keys), serde.Serde[subscription[K]](subscriptionSerde[K]{k}), kept...))

		subscriptions := topology.Connect(topology.NodeSpec{Name: j.names.subscribe}, j.startSubscribe(left, fk, k, v), in[0].(*topology.Edge[K, change[V]]))
		subscriptions.AddSink(topology.SinkSpec[FK, subscription[K]]{Name: j.names.sink, Topic: j.names.registration, Key: fk, Value: subscriptionSerde[K]{k}, Partitioner: byForeign})
		arrived := w.t.AddSource(topology.SourceSpec[FK, subscription[K]]{Name: j.names.source, Topics: []string{j.names.registration}, Key: fk, Value: subscriptionSerde[K]{k}})
		received := topology.Connect(topology.NodeSpec{Name: j.names.receive, Stores: []string{j.names.store}}, j.startReceive(), arrived)
		answered := topology.Connect(topology.NodeSpec{Name: j.names.answer, Stores: rightRows.stores}, j.startAnswer(rightRows), received)
		notified := topology.Connect(topology.NodeSpec{Name: j.names.notify, Stores: []string{j.names.store}}, j.startNotify(right, keys), in[1].(*topology.Edge[FK, change[VO]]))
		answered.AddSink(topology.SinkSpec[K, answer[VO]]{Name: j.names.responseSink, Topic: j.names.response, Key: k, Value: answerSerde[VO]{fv}, Partitioner: toPartition(byOwn)}, notified)
		responses := w.t.AddSource(topology.SourceSpec[K, answer[VO]]{Name: j.names.responseSource, Topics: []string{j.names.response}, Key: k, Value: answerSerde[VO]{fv}})
		return topology.Connect(topology.NodeSpec{Name: j.names.resolve, Stores: leftRows.stores}, j.startResolve(leftRows, k, v), responses)
	}
	b.plan(n, left.plan, right.plan)
	out := newTable(b, j.names.result, "JoinForeignKey", store, &c, n, t.key.carried(), &slot[R]{}, "")
	out.end = t.end
	return out
}

// toPartition sends an answer to the partition of the row that asked, or, if the asker did not say, to that of its key.
func toPartition[K, V any](byKey topology.Partitioner[K, answer[V]]) topology.Partitioner[K, answer[V]] {
	one := make([]int32, 1)
	return func(topic string, r Record[K, answer[V]], n int32) []int32 {
		if r.Value.partition < 0 {
			if byKey == nil {
				return nil
			}
			return byKey(topic, r, n)
		}
		one[0] = r.Value.partition
		return one
	}
}

// partitionByKey is a partitioner of PartitionedBy, which sees no values, with its type checked.
func partitionByKey[K, V any](b *Builder, node string, f any) topology.Partitioner[K, V] {
	if f == nil || reflect.ValueOf(f).IsNil() {
		return nil
	}
	byKey, ok := f.(topology.Partitioner[K, any])
	if !ok {
		b.fail(fmt.Errorf("node %s: the function given to PartitionedBy is a %T, but the keys need a %v", node, f, reflect.TypeFor[topology.Partitioner[K, any]]()))
		return nil
	}
	return func(topic string, r Record[K, V], n int32) []int32 {
		return byKey(topic, Record[K, any]{Key: r.Key, NoKey: r.NoKey, Time: r.Time, Headers: r.Headers, Tombstone: true}, n)
	}
}
