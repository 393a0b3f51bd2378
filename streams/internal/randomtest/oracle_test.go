package randomtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The oracle of the random programs: what each verb means, computed over the whole input at once. It shares no code with the library: windows, joins and
// lateness are written down by their definitions.
//
// A stream is all its records. A table is what it holds at any moment: a function of how much of the input has come.

// rec is a record of a stream.
type rec struct {
	key   string
	noKey bool
	val   int64
	null  bool // a tombstone
	time  int64
	came  int // the input record that it comes from, by the order in which they were piped
	part  int // the partition that it is in
}

// row is a row of a table.
type row struct {
	val  int64
	time int64
	key  string // within a window: the key, and the window
	from int64
	to   int64
}

type rows map[string]row

// end is when all input has come.
const end = 1 << 30

// meaning is what a stream or a table is.
type meaning struct {
	recs []rec               // of a stream
	at   func(came int) rows // of a table, or of the stream of its changes: what it holds before the input record of that number
	// asOf is the row that a versioned table had at a time, as far as it is known before the input record of that number.
	asOf func(came int, key string, time int64) (row, bool)
}

// tableAt is a table by what it holds.
func tableAt(at func(came int) rows) meaning {
	known := map[int]rows{}
	return meaning{at: func(came int) rows {
		r, ok := known[came]
		if !ok {
			r = at(came)
			known[came] = r
		}
		return r
	}}
}

// each makes a stream of what f makes of each record.
func (m meaning) each(f func(r rec) []rec) meaning {
	var out []rec
	for _, r := range m.recs {
		out = append(out, f(r)...)
	}
	return meaning{recs: out}
}

// eachRow makes a table of what f makes of each row.
func (m meaning) eachRow(f func(key string, r row) (row, bool)) meaning {
	return tableAt(func(came int) rows {
		out := rows{}
		for k, r := range m.at(came) {
			if r, ok := f(k, r); ok {
				out[k] = r
			}
		}
		return out
	})
}

// latest is the table of each key's last value.
func latest(recs []rec) meaning {
	m := tableAt(func(came int) rows {
		out := rows{}
		for _, r := range recs {
			switch {
			case r.came >= came || r.noKey:
			case r.null:
				delete(out, r.key)
			default:
				out[r.key] = row{val: r.val, time: r.time}
			}
		}
		return out
	})
	m.asOf = func(came int, key string, time int64) (row, bool) {
		var found *rec
		for i, r := range recs {
			if r.came < came && !r.noKey && r.key == key && r.time <= time && (found == nil || r.time >= found.time) {
				found = &recs[i]
			}
		}
		if found == nil || found.null {
			return row{}, false
		}
		return row{val: found.val, time: found.time}, true
	}
	return m
}

// fold is an aggregation. The order of what is added does not matter.
type fold struct {
	name  string
	init  int64
	begun bool // it begins with init; else with the first value
	nulls bool // tombstones count
	add   func(r rec, a int64) int64
}

// over folds records; false if there are none that count.
func (f fold) over(recs []rec) (r row, ok bool) {
	r.val = f.init
	for _, x := range recs {
		switch {
		case x.noKey || x.null && !f.nulls:
			continue
		case !ok && !f.begun:
			r.val = x.val
		default:
			r.val = f.add(x, r.val)
		}
		r.time, ok = max(r.time, x.time), true
	}
	return r, ok
}

// byKey is the table of the aggregate of each key.
func byKey(recs []rec, f fold) meaning {
	return tableAt(func(came int) rows {
		groups := map[string][]rec{}
		for _, r := range recs {
			if r.came < came {
				groups[r.key] = append(groups[r.key], r)
			}
		}
		out := rows{}
		for k, g := range groups {
			if r, ok := f.over(g); ok {
				out[k] = r
			}
		}
		return out
	})
}

// span is a window.
type winspan struct{ from, to int64 }

// inWindow names a row of a windowed table.
func inWindow(key string, w winspan) string { return fmt.Sprintf("%s@%d-%d", key, w.from, w.to) }

// windowed is the table of the aggregate of each key and window. A record counts in its windows that are not closed when it comes: a window is closed when a
// record of its partition has come whose time is its end plus the grace, or one more if it contains its end.
func windowed(recs []rec, f fold, windows func(mine []rec, r rec) []winspan, closes func(w winspan) int64) meaning {
	inTime := lateness(recs, f, closes)
	return tableAt(func(came int) rows {
		keys := map[string][]rec{}
		for _, r := range recs {
			if r.came < came && !r.noKey && (f.nulls || !r.null) {
				keys[r.key] = append(keys[r.key], r)
			}
		}
		out := rows{}
		for k, mine := range keys {
			all := map[winspan]bool{}
			for _, r := range mine {
				for _, w := range windows(mine, r) {
					all[w] = true
				}
			}
			for w := range all {
				var in []rec
				for _, r := range mine {
					if slices.Contains(windows(mine, r), w) && inTime(r, w) {
						in = append(in, r)
					}
				}
				if r, ok := f.over(in); ok {
					r.key, r.from, r.to = k, w.from, w.to
					out[inWindow(k, w)] = r
				}
			}
		}
		return out
	})
}

// lateness says whether a record comes in time for a window.
func lateness(recs []rec, f fold, closes func(w winspan) int64) func(r rec, w winspan) bool {
	clocks := map[rec]int64{} // the highest time in the partition when the record comes
	clock := map[int]int64{}
	for _, r := range recs {
		if !r.noKey && (f.nulls || !r.null) {
			clock[r.part] = max(clock[r.part], r.time)
		}
		clocks[r] = max(clocks[r], clock[r.part])
	}
	return func(r rec, w winspan) bool { return clocks[r] < closes(w) }
}

// hopping windows of a size, one at each multiple of hop.
func hopping(size, hop int64) func([]rec, rec) []winspan {
	return func(_ []rec, r rec) (out []winspan) {
		for from := int64(0); from <= r.time; from += hop {
			if r.time < from+size {
				out = append(out, winspan{from, from + size})
			}
		}
		return out
	}
}

// sliding windows of a key: one that ends at each record, and one that begins right behind each record, if it holds any. None begins before 0.
func sliding(difference int64) func([]rec, rec) []winspan {
	return func(mine []rec, r rec) (out []winspan) {
		for _, x := range mine {
			from := max(0, x.time-difference)
			for _, w := range []winspan{{from, from + difference}, {x.time + 1, x.time + 1 + difference}} {
				if w.from <= r.time && r.time <= w.to && !slices.Contains(out, w) {
					out = append(out, w)
				}
			}
		}
		return out
	}
}

// sessions is the table of the aggregate of each session: of records of a key of which none is further from the next than the gap. A record that comes when
// the session that it would be in is closed is late.
func sessions(recs []rec, f fold, gap, grace int64) meaning {
	return tableAt(func(came int) rows {
		clock := map[int]int64{}
		open := map[string][][]rec{} // the sessions of each key
		for _, r := range recs {
			if r.came >= came || r.noKey || r.null && !f.nulls {
				continue
			}
			clock[r.part] = max(clock[r.part], r.time)
			mine, others := []rec{r}, [][]rec{}
			for _, s := range open[r.key] {
				if w := spanOf(s); w.from-gap <= r.time && r.time <= w.to+gap {
					mine = append(mine, s...)
				} else {
					others = append(others, s)
				}
			}
			if spanOf(mine).to+gap+grace >= clock[r.part] {
				open[r.key] = append(others, mine)
			}
		}
		out := rows{}
		for k, all := range open {
			for _, s := range all {
				w := spanOf(s)
				r, _ := f.over(s)
				out[inWindow(k, w)] = row{val: r.val, time: w.to, key: k, from: w.from, to: w.to}
			}
		}
		return out
	})
}

func spanOf(recs []rec) winspan {
	byTime := func(a, b rec) int { return cmp.Compare(a.time, b.time) }
	return winspan{slices.MinFunc(recs, byTime).time, slices.MaxFunc(recs, byTime).time}
}

// joinDef is a join of two streams: a left record meets the right ones in [time-before, time+after].
type joinDef struct {
	before, after       int64
	needLeft, needRight bool
	f                   func(l, r *int64) int64
}

// joined is all pairs that meet. A record of a side that needs no other goes alone if it meets nothing, or if nothing that came before it meets it and its window
// lies behind the time of the partition already.
func (j joinDef) joined(left, right []rec) []rec {
	type moment struct{ came, part int }
	clocks := map[moment]int64{} // the time of the partition then
	clock := map[int]int64{}
	both := slices.Concat(left, right)
	slices.SortStableFunc(both, func(a, b rec) int { return cmp.Compare(a.came, b.came) })
	for _, r := range both {
		clock[r.part] = max(clock[r.part], r.time)
		clocks[moment{r.came, r.part}] = clock[r.part]
	}
	meet := func(l, r rec) bool {
		return !l.noKey && !r.noKey && !l.null && !r.null && l.key == r.key && l.time-j.before <= r.time && r.time <= l.time+j.after
	}
	var out []rec
	for _, l := range left {
		for _, r := range right {
			if meet(l, r) {
				out = append(out, rec{key: l.key, val: j.f(&l.val, &r.val), time: max(l.time, r.time), came: max(l.came, r.came), part: l.part})
			}
		}
	}
	alone := func(x rec, others []rec, meets func(o rec) bool, reach int64, val int64) {
		met, before := false, false
		for _, o := range others {
			if meets(o) {
				met = true
				before = before || o.came <= x.came
			}
		}
		if !x.null && (!met || !before && x.time+reach < clocks[moment{x.came, x.part}]) {
			came := end - 1 // when windows close
			if x.noKey {
				came = x.came
			}
			out = append(out, rec{key: x.key, noKey: x.noKey, val: val, time: x.time, came: came, part: x.part})
		}
	}
	if !j.needRight {
		for _, l := range left {
			alone(l, right, func(r rec) bool { return meet(l, r) }, j.after, j.f(&l.val, nil))
		}
	}
	if !j.needLeft {
		for _, r := range right {
			alone(r, left, func(l rec) bool { return meet(l, r) }, j.before, j.f(nil, &r.val))
		}
	}
	slices.SortStableFunc(out, func(a, b rec) int { return cmp.Or(cmp.Compare(a.came, b.came), cmp.Compare(a.time, b.time)) })
	return out
}

// looked joins each record with what find has for it.
func looked(recs []rec, left bool, find func(r rec) (int64, bool), f func(l, r *int64) int64) (out []rec) {
	for _, r := range recs {
		if r.null || r.noKey && !left {
			continue
		}
		var other *int64
		if v, ok := find(r); ok {
			other = &v
		} else if !left {
			continue
		}
		r.val = f(&r.val, other)
		out = append(out, r)
	}
	return out
}

// released is what a join with a grace joins, when it does: a record waits until one of its partition makes the time pass it by the grace, which may be itself. What
// is joined later sees what has come meanwhile.
func released(recs []rec, grace int64) []rec {
	out := slices.Clone(recs)
	for i, r := range recs {
		out[i].came = end - 1
		clock := int64(-1)
		for j, x := range recs {
			if x.part != r.part {
				continue
			}
			if clock = max(clock, x.time); j >= i && clock-grace >= r.time && (!x.null && !x.noKey && x.time >= clock-grace || j == i) {
				out[i].came = x.came
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b rec) int { return cmp.Or(cmp.Compare(a.came, b.came), cmp.Compare(a.time, b.time)) })
	return out
}

// rowsJoined is a join of two tables, by the key that foreign makes of a left row.
func rowsJoined(left, right meaning, needLeft, needRight bool, foreign func(key string, val int64) (string, bool), f func(l, r *int64) int64) meaning {
	return tableAt(func(came int) rows {
		out, rs := rows{}, right.at(came)
		for k, l := range left.at(came) {
			fk, ok := foreign(k, l.val)
			r, found := rs[fk]
			if ok && found {
				out[k] = row{val: f(&l.val, &r.val)}
			} else if !needRight {
				out[k] = row{val: f(&l.val, nil)}
			}
		}
		if !needLeft {
			for k, r := range rs {
				if _, ok := left.at(came)[k]; !ok {
					out[k] = row{val: f(nil, &r.val)}
				}
			}
		}
		return out
	})
}

// regrouped is a table's rows by another key, aggregated.
func regrouped(t meaning, pair func(key string, val int64) (string, int64, bool), f fold) meaning {
	return tableAt(func(came int) rows {
		groups := map[string][]rec{}
		for k, r := range t.at(came) {
			if k2, v2, ok := pair(k, r.val); ok {
				groups[k2] = append(groups[k2], rec{key: k2, val: v2})
			}
		}
		out := rows{}
		for k, g := range groups {
			r, _ := f.over(g)
			out[k] = row{val: r.val}
		}
		return out
	})
}

// murmur2 is the hash by which Kafka's producers choose a partition.
func murmur2(key string) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// partitionOf is the partition of a key; records without one are piped into the first.
func partitionOf(key string, noKey bool, n int) int {
	if noKey {
		return 0
	}
	return int(murmur2(key) & 0x7fffffff % uint32(n))
}

// The printed forms in which an answer and an outcome are compared.

func (r rec) print(timed bool) string {
	key, val := r.key, fmt.Sprint(r.val)
	if r.noKey {
		key = "null"
	}
	if r.null {
		val = "null"
	}
	if !timed {
		return key + "=" + val
	}
	return fmt.Sprintf("%s=%s@%d", key, val, r.time)
}

// printRecs prints a stream: in the order of each key if that is certain, else sorted.
func printRecs(recs []rec, timed, ordered bool) string {
	lines := map[string][]string{}
	for _, r := range recs {
		if !isCloser(r.key) {
			k := r.key
			if r.noKey {
				k = ""
			}
			lines[k] = append(lines[k], r.print(timed))
		}
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(lines)) {
		if !ordered || k == "" {
			slices.Sort(lines[k])
		}
		out = append(out, lines[k]...)
	}
	return strings.Join(out, " ")
}

// printRows prints a table.
func printRows(rs rows, timed bool) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(rs)) {
		if !isCloser(k) {
			out = append(out, rec{key: k, val: rs[k].val, time: rs[k].time}.print(timed))
		}
	}
	return strings.Join(out, " ")
}
