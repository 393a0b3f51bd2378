package conformance_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// verdict collects what differs from the recorded answer.
type verdict struct {
	differences []string
	aspects     []string // what they are about, for the summary
}

func (v *verdict) add(aspect, format string, args ...any) {
	v.differences = append(v.differences, aspect+": "+fmt.Sprintf(format, args...))
	if !slices.Contains(v.aspects, aspect) {
		v.aspects = append(v.aspects, aspect)
	}
}

// --- describe ---------------------------------------------------------------------------------------------------------

// canonicalDescription sorts what Java takes from hash sets: the names in (topics: [...]) and (stores: [...]), and those behind the arrows.
func canonicalDescription(text string) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		for _, arrow := range []string{"      --> ", "      <-- "} {
			if rest, ok := strings.CutPrefix(line, arrow); ok {
				lines[i] = arrow + sortNames(rest)
			}
		}
		for _, list := range []string{"(topics: [", "(stores: ["} {
			if head, rest, ok := strings.Cut(line, list); ok && strings.HasSuffix(rest, "])") {
				lines[i] = head + list + sortNames(strings.TrimSuffix(rest, "])")) + "])"
			}
		}
	}
	return lines
}

func sortNames(list string) string {
	names := strings.Split(list, ", ")
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (v *verdict) compareDescription(want, got string) {
	w, g := canonicalDescription(want), canonicalDescription(got)
	if !slices.Equal(w, g) {
		v.add("describe", "\n%s", lineDiff(w, g))
	}
}

// lineDiff prints both texts as one, their common lines once; - is recorded, + is ours.
func lineDiff(want, got []string) string {
	// longest[i][j] is the length of the longest common subsequence of want[i:] and got[j:].
	longest := make([][]int, len(want)+1)
	for i := range longest {
		longest[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	var b strings.Builder
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			b.WriteString("      " + want[i] + "\n")
			i, j = i+1, j+1
		case j == len(got) || (i < len(want) && longest[i+1][j] >= longest[i][j+1]):
			b.WriteString("    - " + want[i] + "\n")
			i++
		default:
			b.WriteString("    + " + got[j] + "\n")
			j++
		}
	}
	return b.String()
}

// --- internal topics --------------------------------------------------------------------------------------------------

func (v *verdict) compareTopics(want, got map[string]map[string]string) {
	w, g := topicLines(want), topicLines(got)
	if !slices.Equal(w, g) {
		v.add("topics", "\n%s", lineDiff(w, g))
	}
}

func topicLines(topics map[string]map[string]string) (lines []string) {
	for _, name := range sortedKeys(topics) {
		var configs []string
		for _, k := range sortedKeys(topics[name]) {
			configs = append(configs, k+"="+topics[name][k])
		}
		lines = append(lines, name+" "+strings.Join(configs, " "))
	}
	return lines
}

// --- records ----------------------------------------------------------------------------------------------------------

// compareProduced compares the records of one step, topic by topic.
func (v *verdict) compareProduced(at string, want map[string][]expectedRecord, got []streamstest.Raw) {
	g := map[string][]string{}
	for _, r := range got {
		g[r.Topic] = append(g[r.Topic], producedText(r))
	}
	w := map[string][]string{}
	for topic, rs := range want {
		unordered := true
		for _, r := range rs {
			w[topic] = append(w[topic], r.String())
			unordered = unordered && r.Time == nil
		}
		if unordered { // a buffer's changelog: the order within a commit is that of a hash set
			slices.Sort(w[topic])
			slices.Sort(g[topic])
		}
	}
	topics := maps.Clone(w)
	maps.Copy(topics, g)
	for _, topic := range sortedKeys(topics) {
		if !slices.Equal(w[topic], g[topic]) {
			v.add("produced", "%s, topic %s\n%s", at, topic, lineDiff(w[topic], g[topic]))
		}
	}
}

func (r expectedRecord) String() string {
	t := "producer's"
	if r.Time != nil {
		t = strconv.FormatInt(*r.Time, 10)
	}
	return recordText(canonicalBytes(r.Key), canonicalBytes(r.Value), t, r.Headers)
}

func producedText(r streamstest.Raw) string {
	t := "producer's"
	if !r.NoTime {
		t = strconv.FormatInt(int64(r.Time), 10)
	}
	return recordText(canonicalBytes(r.Key), canonicalBytes(r.Value), t, pairs(r.Headers))
}

func recordText(key, value, time string, headers []wirePair) string {
	s := key + " -> " + value + " @ " + time
	if len(headers) > 0 {
		s += " " + canonicalPairs(headers)
	}
	return s
}

func pairs(hs serde.Headers) (ps []wirePair) {
	for _, h := range hs {
		ps = append(ps, wirePair{h.Key, h.Value})
	}
	return ps
}

// --- stores -----------------------------------------------------------------------------------------------------------

// compareStore compares a store's entries in order; windows and sessions, which engines may order otherwise, as sets.
func (v *verdict) compareStore(name string, want []expectedRow, got [][]any) {
	var w, g []string
	timed := false
	for _, r := range want {
		w = append(w, strings.Join(r.fields, ", "))
		timed = timed || r.timed
	}
	for _, r := range got {
		var fields []string
		for _, f := range r {
			fields = append(fields, canonicalField(f))
		}
		if list, ok := unmatchedList(name, r); ok {
			for _, value := range list {
				g = append(g, fields[0]+", "+canonicalBytes(value))
			}
			continue
		}
		g = append(g, strings.Join(fields, ", "))
	}
	if timed {
		slices.Sort(w)
		slices.Sort(g)
	}
	if !slices.Equal(w, g) {
		v.add("stores", "store %s\n%s", name, lineDiff(w, g))
	}
}

// unmatchedList takes an entry of a left or outer join's shared store apart: its value is a list, of which Java lists the elements.
func unmatchedList(name string, row []any) (values [][]byte, ok bool) {
	if !strings.Contains(name, "OUTERSHARED") && !strings.HasSuffix(name, "-shared-join-store") {
		return nil, false
	}
	b := row[1].([]byte)
	for n := binary.BigEndian.Uint32(b[1:]); n > 0; n-- {
		rest := b[5:]
		for _, v := range values {
			rest = rest[4+len(v):]
		}
		size := binary.BigEndian.Uint32(rest)
		values = append(values, rest[4:4+size])
	}
	return values, true
}

func canonicalField(f any) string {
	switch f := f.(type) {
	case nil:
		return "null"
	case []byte:
		return canonicalBytes(f)
	case string:
		return canonicalBytes([]byte(f))
	case int64:
		return strconv.FormatInt(f, 10)
	case window.Time:
		return strconv.FormatInt(int64(f), 10)
	case serde.Headers:
		return canonicalPairs(pairs(f))
	}
	return fmt.Sprintf("%T %v", f, f)
}
