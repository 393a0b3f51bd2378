package oracle

import (
	"fmt"
	"slices"
)

// result is all that a node makes: the records of a stream, by ascending time of arrival where they are ordered, or the rows of a table.
type result struct {
	events []event
	rows   map[string]int64
}

// batch computes what each node makes of the whole input, with loops over all of it.
func (p *program) batch(input []event) []result {
	out := make([]result, len(p.nodes))
	for i := range p.nodes {
		n := &p.nodes[i]
		var in []result
		for _, j := range n.in {
			in = append(in, out[j])
		}
		switch {
		case len(in) == 0:
			out[i] = read(n.kind, topicOf(i), input)
		case n.kind == stream:
			out[i].events = n.batchStream(in)
		default:
			out[i].rows = n.batchTable(in)
		}
	}
	return out
}

func read(k kind, topic string, input []event) (r result) {
	for _, e := range input {
		if e.topic == topic {
			r.events = append(r.events, e)
		}
	}
	if k != stream {
		r.rows = latest(r.events)
	}
	return r
}

// latest is the table of a stream.
func latest(events []event) map[string]int64 {
	rows := map[string]int64{}
	for _, e := range events {
		switch {
		case e.noKey:
		case e.absent:
			delete(rows, e.key)
		default:
			rows[e.key] = e.value
		}
	}
	return rows
}

func (n *node) batchStream(in []result) (out []event) {
	if n.verb == "merge" {
		return append(slices.Clone(in[0].events), in[1].events...)
	}
	for _, e := range in[0].events {
		out = append(out, n.each(e, in)...)
	}
	return out
}

// each is what becomes of one record.
func (n *node) each(e event, in []result) (out []event) {
	keep := func(ok bool) []event {
		if ok {
			return []event{e}
		}
		return nil
	}
	with := func(v int64) []event {
		e.value = v
		return []event{e}
	}
	keyed := func(k string) []event {
		e.key, e.noKey = k, false
		return []event{e}
	}
	switch n.verb { // with tombstones
	case "filter":
		return keep(e.absent || n.wants(e.value))
	case "filterNot":
		return keep(e.absent || !n.wants(e.value))
	case "mapValues":
		if e.absent {
			return keep(true)
		}
		return with(n.mapped(e.value))
	case "mapKey":
		return keyed("x" + e.key)
	case "rest":
		return keep(e.absent || !n.wants(e.value))
	case "repartition":
		return keep(!e.noKey)
	}
	if e.absent {
		return nil
	}
	switch n.verb {
	case "branch":
		return keep(n.wants(e.value))
	case "flatMapValues":
		for _, v := range n.several(e.value) {
			out = append(out, with(v)...)
		}
		return out
	case "selectKey":
		return keyed(n.keyOf(e.value))
	case "joinGlobal", "leftJoinGlobal":
		return n.meet(e, in[1].rows, n.globalKey(e.key, e.value))
	}
	if e.noKey {
		return nil
	}
	switch n.verb {
	case "join", "leftJoin":
		return n.meet(e, in[1].rows, e.key)
	case "joinStream":
		for _, o := range in[1].events {
			if !o.noKey && !o.absent && o.key == e.key && o.at >= e.at-n.win.size && o.at <= e.at+n.win.advance {
				out = append(out, event{key: e.key, value: pair(e.value, o.value), at: max(e.at, o.at)})
			}
		}
		return out
	}
	panic(n.verb)
}

// meet joins a record with a row.
func (n *node) meet(e event, rows map[string]int64, key string) []event {
	v, ok := rows[key]
	switch {
	case ok:
		e.value = pair(e.value, v)
	case n.verb == "leftJoin" || n.verb == "leftJoinGlobal":
		e.value = half(e.value, nil)
	default:
		return nil
	}
	return []event{e}
}

func (n *node) batchTable(in []result) map[string]int64 {
	rows := map[string]int64{}
	switch n.verb {
	case "toTable":
		return latest(in[0].events)
	case "aggregate", "groupBy":
		n.group(rows, in[0].events)
	case "window":
		n.groupWindows(rows, in[0].events)
	case "cogroup":
		for key, es := range perKey(weighted(in)) {
			for _, e := range es {
				rows[key] = sum(rows[key], e.value)
			}
		}
	case "cogroupWindow":
		w := *n
		w.fold = "sum"
		w.groupWindows(rows, weighted(in))
	case "tableFilter":
		for k, v := range in[0].rows {
			if n.wants(v) {
				rows[k] = v
			}
		}
	case "tableMap":
		for k, v := range in[0].rows {
			rows[k] = n.mapped(v)
		}
	case "roundTrip":
		for k, v := range in[0].rows {
			rows[k] = v + 1
		}
	case "tableGroup":
		for _, v := range in[0].rows {
			switch g, w := n.row(v); n.fold {
			case "count":
				rows[g]++
			case "sum":
				rows[g] += w
			case "add":
				rows[g] += w * w
			}
		}
	case "tableJoin", "tableLeftJoin", "tableOuterJoin":
		n.joinRows(rows, in[0].rows, in[1].rows)
	case "foreignJoin", "foreignLeftJoin":
		for k, l := range in[0].rows {
			key, ok := n.points(l)
			r, there := in[1].rows[key]
			switch {
			case ok && there:
				rows[k] = pair(l, r)
			case n.verb == "foreignLeftJoin":
				rows[k] = half(l, nil)
			}
		}
	default:
		panic(n.verb)
	}
	return rows
}

func (n *node) joinRows(rows, ls, rs map[string]int64) {
	for k, l := range ls {
		r, ok := rs[k]
		switch {
		case ok:
			rows[k] = pair(l, r)
		case n.verb != "tableJoin":
			rows[k] = half(l, nil)
		}
	}
	if n.verb == "tableOuterJoin" {
		for k, r := range rs {
			if _, ok := ls[k]; !ok {
				rows[k] = either(nil, &r)
			}
		}
	}
}

// perKey are the records that have a key and a value.
func perKey(events []event) map[string][]event {
	m := map[string][]event{}
	for _, e := range events {
		if !e.noKey && !e.absent {
			m[e.key] = append(m[e.key], e)
		}
	}
	return m
}

func (n *node) group(rows map[string]int64, events []event) {
	if n.verb == "groupBy" {
		var by []event
		for _, e := range events {
			e.key, e.noKey = n.keyOf(e.value), false
			by = append(by, e)
		}
		events = by
	}
	for key, es := range perKey(events) {
		for i, e := range es {
			switch {
			case i > 0:
				rows[key] = fold(n.fold, rows[key], e.value)
			case n.fold == "sum" || n.fold == "max" || n.fold == "last":
				rows[key] = e.value
			default:
				rows[key] = fold(n.fold, 0, e.value)
			}
		}
	}
}

// weighted are the records of both streams of a cogroup with what they add.
func weighted(in []result) (events []event) {
	for i, add := range []func(a, v int64) int64{left, right} {
		for _, e := range in[i].events {
			e.value = add(0, e.value)
			events = append(events, e)
		}
	}
	return events
}

// groupWindows counts or sums the records of each key in each window.
func (n *node) groupWindows(rows map[string]int64, events []event) {
	if n.fold == "count" && n.win.kind != "sliding" { // tombstones count there
		events = slices.Clone(events)
		for i := range events {
			events[i].absent = false
		}
	}
	for key, es := range perKey(events) {
		for _, w := range n.win.of(es) {
			var total, count int64
			for _, e := range es {
				if e.at >= w[0] && e.at <= w[1] {
					total, count = sum(total, e.value), count+1
				}
			}
			end := w[1]
			if n.win.kind == "tumbling" || n.win.kind == "hopping" {
				end++
			}
			if text := windowText(key, w[0], end); n.fold == "count" {
				rows[text] = count
			} else {
				rows[text] = total
			}
		}
	}
}

// of are the windows of a key's records, first and last instant, that have any record.
func (w windows) of(es []event) (all [][2]int64) {
	add := func(from, to int64) {
		if !slices.Contains(all, [2]int64{from, to}) && slices.ContainsFunc(es, func(e event) bool { return e.at >= from && e.at <= to }) {
			all = append(all, [2]int64{from, to})
		}
	}
	switch w.kind {
	case "tumbling", "hopping":
		step := w.size
		if w.kind == "hopping" {
			step = w.advance
		}
		for _, e := range es {
			for from := int64(0); from <= e.at; from += step {
				add(from, from+w.size-1)
			}
		}
	case "sliding": // one ends at each record, one begins right after each
		for _, e := range es {
			from := max(e.at-w.size, 0)
			add(from, from+w.size)
			add(e.at+1, e.at+1+w.size)
		}
	case "session":
		var times []int64
		for _, e := range es {
			times = append(times, e.at)
		}
		slices.Sort(times)
		from := times[0]
		for i, at := range times {
			if i == len(times)-1 || times[i+1]-at > w.size {
				all = append(all, [2]int64{from, at})
				if i < len(times)-1 {
					from = times[i+1]
				}
			}
		}
	default:
		panic(fmt.Sprintf("windows %q", w.kind))
	}
	return all
}
