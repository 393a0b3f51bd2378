package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/streams/streamstest"
	"github.com/millrace-go/millrace/window"
)

// The runner's own functions, checked against the text that defines the format of the cases.

var atTen = window.Windowed[string]{Key: "a", Window: window.Window{Start: 10, End: 20}}

func TestRunnerTexts(t *testing.T) {
	require.Equal(t, "a", textOfKey("a"))
	require.Equal(t, "a@10-20", textOfKey(atTen))
	require.Equal(t, "a@10-20@30-40", textOfKey(window.Windowed[window.Windowed[string]]{Key: atTen, Window: window.Window{Start: 30, End: 40}}))
	require.Equal(t, "-7", textOf(int64(-7)))
	require.Equal(t, "null", textOrNull[string](nil))
	require.Equal(t, "l-null", joined("l", "null"))
	require.Equal(t, "k:l-r", joinedWithKey("k", "l", "r"))
}

func TestRunnerPredicates(t *testing.T) {
	for fn, want := range map[string]bool{
		"contains:x": true, "contains:y": false, "longer:2": true, "longer:3": false, "keyIs:k": true, "keyIs:x": false,
		"keyIn:a,k": true, "keyIn:a,b": false, "all": true, "none": false,
	} {
		require.Equal(t, want, predicate[string, string](fn)("k", "xéz"[:3]), fn)
	}
	require.True(t, predicate[string, int64]("atLeast:3")("", 3))
	require.False(t, predicate[string, int64]("atLeast:3")("", 2))
	require.True(t, predicate[window.Windowed[string], int64]("keyIs:a@10-20")(atTen, 0))
	ok, err := orTombstone(predicate[string, string]("none"))(context.Background(), streams.Record[string, string]{Tombstone: true})
	require.True(t, ok, "a stream's predicate is true for a null value")
	require.NoError(t, err)
	require.Panics(t, func() { predicate[string, int64]("contains:x") })
	require.Panics(t, func() { predicate[string, string]("unknown") })
}

func TestRunnerValueFunctions(t *testing.T) {
	for fn, want := range map[string]string{"upper": "AÉZ9", "append:!": "aéz9!", "prefix:a:b": "a:baéz9", "const:c": "c", "key+v": "k:aéz9"} {
		want = strings.ReplaceAll(want, "É", "é") // ASCII letters only
		got, err := newValueFunction[string, string](fn).text("k", "aéz9")
		require.NoError(t, err)
		require.Equal(t, want, got, fn)
	}
	for fn, want := range map[string]int64{"length": 2, "toLong": 42} {
		got, err := newValueFunction[string, string](fn).long("k", "42")
		require.NoError(t, err)
		require.Equal(t, want, got, fn)
	}
	_, err := newValueFunction[string, string]("toLong").long("k", "x")
	require.Error(t, err)
	n, _ := newValueFunction[string, int64]("plus:-2").long("", 5)
	require.EqualValues(t, 3, n)
	s, _ := newValueFunction[window.Windowed[string], int64]("key+v").text(atTen, 5)
	require.Equal(t, "a@10-20:5", s)
	require.True(t, newValueFunction[string, string]("null").null)
	require.Equal(t, []string{"a", "b"}, flatValues[string]("words")(" a  b "))
	require.Equal(t, []int64{1, 1}, flatValues[int64]("twice")(1))
	require.Empty(t, flatValues[string]("nothing")("x"))
}

func TestRunnerKeyFunctions(t *testing.T) {
	type answer struct {
		key string
		ok  bool
	}
	for fn, want := range map[string]answer{
		"value": {"é|b||d", true}, "first": {"é", true}, "keyAppend:!": {"k|l!", true}, "constKey:c": {"c", true}, "nullKey": {"", false},
		"part:0": {"é", true}, "part:1": {"b", true}, "part:2": {"", false}, "part:3": {"d", true}, "part:4": {"", false},
		"keyPart:1": {"l", true}, "windowText": {"k|l", true},
	} {
		k, ok := newKeyFunction[string, string](fn).of("k|l", "é|b||d")
		require.Equal(t, want, answer{k, ok}, fn)
	}
	require.Equal(t, "", first(""))
	k, _ := newKeyFunction[string, int64]("first").of("", -12)
	require.Equal(t, "-", k)
	require.Equal(t, [][2]string{{"v w", "k"}}, recordFunction[string, string]("swap")("k", "v w"))
	require.Equal(t, [][2]string{{"v", "v w"}}, recordFunction[string, string]("keyFromFirst")("k", "v w"))
	require.Equal(t, [][2]string{{"v", "v w"}, {"w", "v w"}}, recordFunction[string, string]("explode")("k", "v w"))
}

func TestRunnerReducersAndAggregators(t *testing.T) {
	for fn, want := range map[string][2]string{"concat": {"bc", "b-c"}, "max": {"c", "b"}, "last": {"c", "b"}, "firstWins": {"b", "b"}} {
		add, subtract := reducers[string](fn)
		require.Equal(t, want, [2]string{add("b", "c"), subtract("b", "c")}, fn)
	}
	for fn, want := range map[string][2]int64{"sum": {11, 7}, "max": {9, 9}, "last": {2, 9}} {
		add, subtract := reducers[int64](fn)
		require.Equal(t, want, [2]int64{add(9, 2), subtract(9, 2)}, fn)
	}
	a := textAggregator[int64]("append")
	agg, err := a.add(5, a.init())
	require.NoError(t, err)
	require.Equal(t, "0+5", agg)
	require.Equal(t, "0+5-5", a.subtract(5, agg))
	require.Equal(t, "x&y", a.merge("x", "y"))
	_, err = textAggregator[string]("deleteOn:x").add("x", "0")
	require.ErrorIs(t, err, streams.Null)
	n := longAggregator[string]("sumLen")
	sum, _ := n.add("éa", 4)
	require.EqualValues(t, 7, sum)
	require.EqualValues(t, 4, n.subtract("éa", sum))
	require.EqualValues(t, 3, n.merge(1, 2))
	require.Panics(t, func() { aggregatorOf[string, int64]("append") })
}

func TestRunnerTimes(t *testing.T) {
	for v, want := range map[string]int64{"a@5": 5, "a@1@22": 22, "a": -1, "a@": -1, "a@-3": -1, "a@5b": -1, "@123456789012345678": 123456789012345678, "@1234567890123456789": -1} {
		require.Equal(t, want, timeFromValue(v), v)
	}
	require.Equal(t, 5*time.Millisecond, millis(5))
	require.Equal(t, -5*time.Millisecond, millis(-5))
	require.Equal(t, window.Forever, millis(1<<63-1))
}

func TestRunnerBytes(t *testing.T) {
	for text, want := range map[string]string{
		`"a b"`: `"a b"`, `""`: `""`, `null`: `null`, `{"hex": "00ff"}`: "x00ff", `{"hex": ""}`: `""`, `"é"`: "xc3a9",
	} {
		var w wire
		require.NoError(t, json.Unmarshal([]byte(text), &w), text)
		require.Equal(t, want, canonicalBytes(w), text)
		var in wireInput
		require.NoError(t, json.Unmarshal([]byte(text), &in), text)
		require.Equal(t, want, canonicalBytes(in), text)
	}
	var in wireInput
	require.NoError(t, json.Unmarshal([]byte("-2"), &in))
	require.Equal(t, "xfffffffffffffffe", canonicalBytes(in))
	var w wire
	for _, bad := range []string{`5`, `{"hex": "0"}`, `{"hax": "00"}`, `[]`} {
		require.Error(t, json.Unmarshal([]byte(bad), &w), bad)
	}
}

func TestRunnerReadsACase(t *testing.T) {
	c, err := parseCase([]byte(`{"name": "n", "config": {"application.id": "shop", "statestore.cache.max.bytes": 800, "topology.optimization": "merge.repartition.topics,single.store.self.join"},
		"program": [{"op": "suppress", "id": "x", "from": "t", "until": 20, "maxRecords": 2, "name": ""}],
		"steps": [{"pipe": "in", "key": null, "value": 3, "ts": -1, "headers": [["h", null]]}, {"advanceWallClock": 5}],
		"expected": {"steps": [{"produced": {"out": [{"k": "a", "v": null, "ts": null, "h": [["h", {"hex": "00"}]]}]}}],
			"stores": {"kv": [["a", "b", 3]], "w": [["a", 10, {"hex": "01"}, 12, [["h", "1"]]]]}, "dropped": 0}}`))
	require.NoError(t, err)
	require.Equal(t, `x = suppress t maxRecords:2 until:20`, strings.ReplaceAll(c.Program[0].short(), " name:", ""))
	require.Equal(t, "", *c.Program[0].Name)
	require.Equal(t, `pipe in null -> x0000000000000003 @ -1 {h=null}`, c.Steps[0].String())
	require.Equal(t, "wall clock + 5", c.Steps[1].String())
	require.Equal(t, `"a" -> null @ producer's {h=x00}`, c.Expected.Steps[0].Produced["out"][0].String())
	require.Equal(t, expectedRow{fields: []string{`"a"`, "10", "x01", "12", `{h="1"}`}, timed: true, headers: true}, c.Expected.Stores["w"][0])
	require.False(t, c.Expected.Stores["kv"][0].timed)
	cfg, build, err := configuration(c)
	require.NoError(t, err)
	require.Equal(t, "shop", cfg.ApplicationID)
	require.EqualValues(t, 800, *cfg.CacheBytes)
	require.Equal(t, []streams.BuildOption{streams.Optimize(streams.MergeRepartitions | streams.SingleStoreSelfJoin)}, build)

	_, err = parseCase([]byte(`{"name": "n", "news": 1}`))
	require.Error(t, err, "a field that the runner does not know")
	_, _, err = configuration(&recordedCase{Config: map[string]any{"no.such.thing": 1}})
	require.Error(t, err)
}

func TestRunnerCompares(t *testing.T) {
	five := int64(5)
	want := map[string][]expectedRecord{"out": {{Key: wire("a"), Value: wire("1"), Time: &five}}}
	same := streamstest.Raw{Topic: "out", Key: []byte("a"), Value: []byte("1"), Time: 5}
	differs := func(rs ...streamstest.Raw) bool {
		v := &verdict{}
		v.compareProduced("here", want, rs)
		return len(v.differences) > 0
	}
	require.False(t, differs(same))
	require.True(t, differs(), "a record is missing")
	require.True(t, differs(same, same), "one too many")
	for what, change := range map[string]func(*streamstest.Raw){
		"topic":   func(r *streamstest.Raw) { r.Topic = "other" },
		"key":     func(r *streamstest.Raw) { r.Key = nil },
		"value":   func(r *streamstest.Raw) { r.Value = []byte("2") },
		"time":    func(r *streamstest.Raw) { r.Time = 6 },
		"no time": func(r *streamstest.Raw) { r.NoTime = true },
		"headers": func(r *streamstest.Raw) { r.Headers = serde.Headers{{Key: "h"}} },
	} {
		r := same
		change(&r)
		require.True(t, differs(r), what)
	}
	want = map[string][]expectedRecord{"log": {{Key: wire("a")}, {Key: wire("b")}}}
	a, b := streamstest.Raw{Topic: "log", Key: []byte("a"), NoTime: true}, streamstest.Raw{Topic: "log", Key: []byte("b"), NoTime: true}
	require.False(t, differs(b, a), "a buffer's changelog is a set")
	require.True(t, differs(a, a))
}

func TestRunnerComparesStoresAndTexts(t *testing.T) {
	differs := func(f func(*verdict)) bool { v := &verdict{}; f(v); return len(v.differences) > 0 }
	kv := []expectedRow{{fields: []string{`"a"`, "x01"}}, {fields: []string{`"b"`, "null"}}}
	require.False(t, differs(func(v *verdict) { v.compareStore("s", kv, [][]any{{[]byte("a"), []byte{1}}, {[]byte("b"), nil}}) }))
	require.True(t, differs(func(v *verdict) { v.compareStore("s", kv, [][]any{{[]byte("b"), nil}, {[]byte("a"), []byte{1}}}) }), "order")
	windows := []expectedRow{{fields: []string{`"a"`, "10", `"x"`}, timed: true}, {fields: []string{`"b"`, "5", `"y"`}, timed: true}}
	require.False(t, differs(func(v *verdict) {
		v.compareStore("w", windows, [][]any{{[]byte("b"), window.Time(5), []byte("y")}, {[]byte("a"), int64(10), []byte("x")}})
	}))

	text := "Topologies:\n   Sub-topology: 0\n    Source: s (topics: [a, b])\n      --> p, q\n    Processor: p (stores: [x, y])\n      --> none\n      <-- s\n"
	other := strings.NewReplacer("[a, b]", "[b, a]", "p, q", "q, p", "[x, y]", "[y, x]").Replace(text)
	require.False(t, differs(func(v *verdict) { v.compareDescription(text, other) }))
	require.True(t, differs(func(v *verdict) { v.compareDescription(text, strings.ReplaceAll(text, "[x, y]", "[x]")) }))
	require.Equal(t, "      a\n    - b\n    + c\n      d\n", lineDiff([]string{"a", "b", "d"}, []string{"a", "c", "d"}))
	require.True(t, differs(func(v *verdict) {
		v.compareTopics(map[string]map[string]string{"t": {"a": "1"}}, map[string]map[string]string{"t": {"a": "2"}})
	}))
	require.False(t, differs(func(v *verdict) { v.compareTopics(nil, map[string]map[string]string{}) }))
}

// Every recorded answer, given back as the library's, must agree with itself: what is compared is read and written alike.
func TestRunnerAgreesWithRecordings(t *testing.T) {
	files, err := conformanceFiles()
	require.NoError(t, err)
	if files == nil {
		t.Skip("no recorded cases")
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(content)) {
			c, err := parseCase([]byte(line))
			require.NoError(t, err, file)
			v := &verdict{}
			for _, s := range c.Expected.Steps {
				v.compareProduced(c.Name, s.Produced, rawsOf(s.Produced))
			}
			if c.Expected.Describe != nil {
				v.compareDescription(*c.Expected.Describe, *c.Expected.Describe)
			}
			v.compareTopics(c.Expected.InternalTopics, c.Expected.InternalTopics)
			require.Empty(t, v.differences)
		}
	}
}

func rawsOf(produced map[string][]expectedRecord) (raws []streamstest.Raw) {
	for _, topic := range sortedKeys(produced) {
		for _, r := range produced[topic] {
			raw := streamstest.Raw{Topic: topic, Key: r.Key, Value: r.Value, NoTime: r.Time == nil}
			if r.Time != nil {
				raw.Time = window.Time(*r.Time)
			}
			for _, h := range r.Headers {
				raw.Headers = append(raw.Headers, serde.Header{Key: h.key, Value: h.value})
			}
			raws = append(raws, raw)
		}
	}
	return raws
}

// A case that panics is that case's failure, and every quirk named in decided is one of the format's.
func TestRunnerGuards(t *testing.T) {
	v := guarded(&recordedCase{Program: []operation{{Op: "no such operator"}}})
	require.Equal(t, []string{"unsupported"}, v.aspects)
	v = guarded(&recordedCase{Program: []operation{{Op: "addStateStore", Store: "keyValue"}}}) // a nil store name
	require.Equal(t, []string{"panic"}, v.aspects)
	known := []string{
		"emit-close-loss", "suppress-old-value", "initializer-old-value", "filter-tombstone-order", "self-join-optimized", "optimizer-refuses",
		"cogroup-unnamed-refused", "grace-left-null-key", "zero-join-window", "negative-bound-near-epoch", "table-self-join", "session-headers",
		"sliding-twice", "sliding-zero", "cache-accounting", "replacement-characters",
	}
	for q := range decided {
		require.True(t, slices.Contains(known, q), q)
	}
	require.True(t, errors.As(error(unsupported("x")), new(unsupported)))
}
