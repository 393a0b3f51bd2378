package conformance_test

import (
	"context"

	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

func (s streamOf[K, V]) join(o *operation, other any) streamHandle {
	switch t := other.(type) {
	case streamOf[K, string]:
		return joinStreams(s, t, o)
	case streamOf[K, int64]:
		return joinStreams(s, t, o)
	case tableOf[K, string]:
		return joinStreamTable(s, t, o)
	case tableOf[K, int64]:
		return joinStreamTable(s, t, o)
	case globalOf[string]:
		return joinStreamGlobal(s, t, o)
	case globalOf[int64]:
		return joinStreamGlobal(s, t, o)
	}
	refuse("%s of a %T with a %T", o.Op, s, other)
	return nil
}

func joinStreams[K, V, VO any](s streamOf[K, V], t streamOf[K, VO], o *operation) streamHandle {
	if o.Window == nil {
		refuse("%s of two streams without a window", o.Op)
	}
	w := window.Join{Before: millis(o.Window.Before), After: millis(o.Window.After), Grace: millis(o.Window.Grace)}
	opts := streamJoinOptions(o)
	result := func(r streams.Stream[K, string]) streamHandle { return streamOf[K, string]{r, s.key} }
	readsKey := joinerReadsKey(o.Fn)
	switch {
	case o.Op == "join" && readsKey:
		return result(s.s.TryJoinStream(t.s, w, func(_ context.Context, k K, l V, r VO) (string, error) {
			return joinedWithKey(textOfKey(k), textOf(l), textOf(r)), nil
		}, opts...))
	case o.Op == "join":
		return result(s.s.JoinStream(t.s, w, func(l V, r VO) string { return joined(textOf(l), textOf(r)) }, opts...))
	case o.Op == "leftJoin" && readsKey:
		return result(s.s.TryLeftJoinStream(t.s, w, func(_ context.Context, k K, l V, r *VO) (string, error) {
			return joinedWithKey(textOfKey(k), textOf(l), textOrNull(r)), nil
		}, opts...))
	case o.Op == "leftJoin":
		return result(s.s.LeftJoinStream(t.s, w, func(l V, r *VO) string { return joined(textOf(l), textOrNull(r)) }, opts...))
	case readsKey:
		return result(s.s.TryOuterJoinStream(t.s, w, func(_ context.Context, k K, l *V, r *VO) (string, error) {
			return joinedWithKey(textOfKey(k), textOrNull(l), textOrNull(r)), nil
		}, opts...))
	}
	return result(s.s.OuterJoinStream(t.s, w, func(l *V, r *VO) string { return joined(textOrNull(l), textOrNull(r)) }, opts...))
}

func joinStreamTable[K, V, VT any](s streamOf[K, V], t tableOf[K, VT], o *operation) streamHandle {
	opts := joinOptions(o)
	result := func(r streams.Stream[K, string]) streamHandle { return streamOf[K, string]{r, s.key} }
	readsKey := joinerReadsKey(o.Fn)
	switch {
	case o.Op == "join" && readsKey:
		return result(s.s.TryJoin(t.t, func(_ context.Context, r streams.Record[K, V], v VT) (string, error) {
			return joinedWithKey(keyOrEmpty(r), textOf(r.Value), textOf(v)), nil
		}, opts...))
	case o.Op == "join":
		return result(s.s.Join(t.t, func(l V, r VT) string { return joined(textOf(l), textOf(r)) }, opts...))
	case o.Op == "leftJoin" && readsKey:
		return result(s.s.TryLeftJoin(t.t, func(_ context.Context, r streams.Record[K, V], v *VT) (string, error) {
			return joinedWithKey(keyOrEmpty(r), textOf(r.Value), textOrNull(v)), nil
		}, opts...))
	case o.Op == "leftJoin":
		return result(s.s.LeftJoin(t.t, func(l V, r *VT) string { return joined(textOf(l), textOrNull(r)) }, opts...))
	}
	refuse("outerJoin of a stream and a table")
	return nil
}

// keyOrEmpty is a record's key as text, a null key as "".
func keyOrEmpty[K, V any](r streams.Record[K, V]) string {
	if r.NoKey {
		return ""
	}
	return textOfKey(r.Key)
}

func joinStreamGlobal[K, V, VG any](s streamOf[K, V], g globalOf[VG], o *operation) streamHandle {
	opts := joinOptions(o)
	result := func(r streams.Stream[K, string]) streamHandle { return streamOf[K, string]{r, s.key} }
	key, readsKey := newKeyFunction[K, V](o.KeyFn), joinerReadsKey(o.Fn)
	plain := !readsKey && !key.nulls && !key.onlyKey
	switch {
	case o.Op == "join" && plain:
		return result(s.s.JoinGlobal(g.g, func(k K, v V) string { r, _ := key.of(k, v); return r },
			func(l V, r VG) string { return joined(textOf(l), textOf(r)) }, opts...))
	case o.Op == "leftJoin" && plain:
		return result(s.s.LeftJoinGlobal(g.g, func(k K, v V) string { r, _ := key.of(k, v); return r },
			func(l V, r *VG) string { return joined(textOf(l), textOrNull(r)) }, opts...))
	case o.Op == "join":
		return result(s.s.TryJoinGlobal(g.g, tryKey(key), func(_ context.Context, r streams.Record[K, V], _ string, v VG) (string, error) {
			return globalText(readsKey, r, textOf(v)), nil
		}, opts...))
	case o.Op == "leftJoin":
		return result(s.s.TryLeftJoinGlobal(g.g, tryKey(key), func(_ context.Context, r streams.Record[K, V], _ string, v *VG) (string, error) {
			return globalText(readsKey, r, textOrNull(v)), nil
		}, opts...))
	}
	refuse("outerJoin of a stream and a global table")
	return nil
}

// globalText is what a join with a global table makes: a joiner that reads the key gets the stream's own.
func globalText[K, V any](readsKey bool, r streams.Record[K, V], right string) string {
	if readsKey {
		return joinedWithKey(keyOrEmpty(r), textOf(r.Value), right)
	}
	return joined(textOf(r.Value), right)
}

// --- joins of tables --------------------------------------------------------------------------------------------------

func (t tableOf[K, V]) join(o *operation, other tableHandle) tableHandle {
	switch u := other.(type) {
	case tableOf[K, string]:
		return joinTables(t, u, o)
	case tableOf[K, int64]:
		return joinTables(t, u, o)
	}
	refuse("%s of a %T with a %T", o.Op, t, other)
	return nil
}

func joinTables[K, V, VO any](t tableOf[K, V], u tableOf[K, VO], o *operation) tableHandle {
	if joinerReadsKey(o.Fn) {
		refuse("a joiner of tables that reads the key")
	}
	opts := storeOptions(o)
	result := func(r streams.Table[K, string]) tableHandle { return tableOf[K, string]{r, t.key} }
	switch o.Op {
	case "join":
		return result(t.t.Join(u.t, func(l V, r VO) string { return joined(textOf(l), textOf(r)) }, opts...))
	case "leftJoin":
		return result(t.t.LeftJoin(u.t, func(l V, r *VO) string { return joined(textOf(l), textOrNull(r)) }, opts...))
	}
	return result(t.t.OuterJoin(u.t, func(l *V, r *VO) string { return joined(textOrNull(l), textOrNull(r)) }, opts...))
}

func (t tableOf[K, V]) joinForeignKey(o *operation, other tableHandle) tableHandle {
	switch u := other.(type) {
	case tableOf[string, string]:
		return joinForeign(t, u, o)
	case tableOf[string, int64]:
		return joinForeign(t, u, o)
	}
	refuse("%s of a %T with a %T", o.Op, t, other)
	return nil
}

func joinForeign[K, V, VO any](t tableOf[K, V], u tableOf[string, VO], o *operation) tableHandle {
	if joinerReadsKey(o.Fn) {
		refuse("a joiner of tables that reads the key")
	}
	var opts []streams.ForeignKeyOption
	if o.Name != nil {
		opts = append(opts, streams.Named(*o.Name))
	}
	for _, m := range materializedOptions(o.Materialized) {
		opts = append(opts, m)
	}
	foreign := newKeyFunction[K, V](o.Extractor).of
	result := func(r streams.Table[K, string]) tableHandle { return tableOf[K, string]{r, t.key} }
	if o.Op == "fkJoin" {
		return result(t.t.JoinForeignKey(u.t, foreign, func(l V, r VO) string { return joined(textOf(l), textOf(r)) }, opts...))
	}
	return result(t.t.LeftJoinForeignKey(u.t, foreign, func(l V, r *VO) string { return joined(textOf(l), textOrNull(r)) }, opts...))
}
