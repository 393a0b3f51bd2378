package conformance_test

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/window"
)

// The functions of the recorded programs. Keys are strings, or strings within windows, once or twice; values are strings or int64.

// unsupported is the panic of a program that the runner cannot build.
type unsupported string

func (u unsupported) Error() string { return "runner: " + string(u) }

func refuse(format string, args ...any) { panic(unsupported(fmt.Sprintf(format, args...))) }

// call splits name:argument.
func call(fn string) (name, arg string) {
	name, arg, _ = strings.Cut(fn, ":")
	return name, arg
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		refuse("%q is not a number", s)
	}
	return n
}

// textOfKey is a key as text: a windowed one as key@start-end.
func textOfKey[K any](k K) string {
	switch k := any(k).(type) {
	case string:
		return k
	case window.Windowed[string]:
		return windowText(k.Key, k.Window)
	case window.Windowed[window.Windowed[string]]:
		return windowText(textOfKey(k.Key), k.Window)
	}
	panic(unsupported(fmt.Sprintf("key of type %T", k)))
}

func windowText(key string, w window.Window) string {
	return fmt.Sprintf("%s@%d-%d", key, int64(w.Start), int64(w.End))
}

// textOf is a value as text: a long as its decimal text.
func textOf[V any](v V) string {
	switch v := any(v).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	panic(unsupported(fmt.Sprintf("value of type %T", v)))
}

// textOrNull is a side of a join.
func textOrNull[V any](v *V) string {
	if v == nil {
		return "null"
	}
	return textOf(*v)
}

// isLong says whether values of type V are longs.
func isLong[V any]() bool {
	_, ok := any(*new(V)).(int64)
	return ok
}

// onStrings is a function of strings as one of V, which must be string.
func onStrings[V, R any](fn string, f func(string) R) func(V) R {
	if isLong[V]() {
		refuse("function %s is for strings", fn)
	}
	return func(v V) R { return f(any(v).(string)) }
}

// onLongs is a function of longs as one of V, which must be int64.
func onLongs[V, R any](fn string, f func(int64) R) func(V) R {
	if !isLong[V]() {
		refuse("function %s is for longs", fn)
	}
	return func(v V) R { return f(any(v).(int64)) }
}

// predicate is a function of key and value; it is not asked about nulls.
func predicate[K, V any](fn string) func(K, V) bool {
	name, arg := call(fn)
	value := func(f func(V) bool) func(K, V) bool { return func(_ K, v V) bool { return f(v) } }
	switch name {
	case "contains":
		return value(onStrings[V](fn, func(s string) bool { return strings.Contains(s, arg) }))
	case "longer":
		n := number(arg)
		return value(onStrings[V](fn, func(s string) bool { return int64(len(s)) > n }))
	case "atLeast":
		n := number(arg)
		return value(onLongs[V](fn, func(v int64) bool { return v >= n }))
	case "keyIs":
		return func(k K, _ V) bool { return textOfKey(k) == arg }
	case "keyIn":
		in := map[string]bool{}
		for k := range strings.SplitSeq(arg, ",") {
			in[k] = true
		}
		return func(k K, _ V) bool { return in[textOfKey(k)] }
	case "all":
		return func(K, V) bool { return true }
	case "none":
		return func(K, V) bool { return false }
	}
	panic(unsupported("predicate " + fn))
}

// valueFunction is a value-to-value function: one of the three is set.
type valueFunction[K, V any] struct {
	text    func(K, V) (string, error)
	long    func(K, V) (int64, error)
	null    bool // any value becomes null
	usesKey bool
	fails   bool // it can return an error
}

func newValueFunction[K, V any](fn string) (f valueFunction[K, V]) {
	name, arg := call(fn)
	text := func(g func(V) string) { f.text = func(_ K, v V) (string, error) { return g(v), nil } }
	long := func(g func(V) int64) { f.long = func(_ K, v V) (int64, error) { return g(v), nil } }
	switch name {
	case "upper":
		text(onStrings[V](fn, upper))
	case "append":
		text(onStrings[V](fn, func(s string) string { return s + arg }))
	case "prefix":
		text(onStrings[V](fn, func(s string) string { return arg + s }))
	case "const":
		text(func(V) string { return arg })
	case "text":
		text(onLongs[V](fn, func(n int64) string { return strconv.FormatInt(n, 10) }))
	case "key+v":
		f.usesKey = true
		f.text = func(k K, v V) (string, error) { return textOfKey(k) + ":" + textOf(v), nil }
	case "length":
		long(onStrings[V](fn, func(s string) int64 { return int64(len(s)) }))
	case "plus":
		n := number(arg)
		long(onLongs[V](fn, func(v int64) int64 { return v + n }))
	case "toLong":
		f.fails = true
		str := onStrings[V](fn, func(s string) string { return s })
		f.long = func(_ K, v V) (int64, error) { return strconv.ParseInt(str(v), 10, 64) }
	case "null":
		f.null = true
	default:
		refuse("value function %s", fn)
	}
	return f
}

// upper changes a to z only, byte by byte: the value may not be UTF-8.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// flatValues is a function from a value to values of its own type.
func flatValues[V any](fn string) func(V) []V {
	switch fn {
	case "words":
		f := onStrings[V](fn, words)
		return func(v V) []V { return any(f(v)).([]V) }
	case "twice":
		return func(v V) []V { return []V{v, v} }
	case "nothing":
		return func(V) []V { return nil }
	}
	panic(unsupported("flat value function " + fn))
}

// words splits on single spaces and drops empty pieces.
func words(s string) []string {
	var out []string
	for w := range strings.SplitSeq(s, " ") {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// keyFunction makes a string key; false is a null key.
type keyFunction[K, V any] struct {
	of func(K, V) (string, bool)
	// nulls: it can answer null. onlyKey: it never looks at the value, which may be null.
	nulls, onlyKey bool
}

func newKeyFunction[K, V any](fn string) keyFunction[K, V] {
	name, arg := call(fn)
	switch name {
	case "value":
		return keyFunction[K, V]{of: func(_ K, v V) (string, bool) { return textOf(v), true }}
	case "first":
		return keyFunction[K, V]{of: func(_ K, v V) (string, bool) { return first(textOf(v)), true }}
	case "part":
		i := int(number(arg))
		return keyFunction[K, V]{nulls: true, of: func(_ K, v V) (string, bool) { return part(textOf(v), i) }}
	case "keyPart":
		i := int(number(arg))
		return keyFunction[K, V]{nulls: true, onlyKey: true, of: func(k K, _ V) (string, bool) { return part(textOfKey(k), i) }}
	case "keyAppend":
		return keyFunction[K, V]{onlyKey: true, of: func(k K, _ V) (string, bool) { return textOfKey(k) + arg, true }}
	case "constKey":
		return keyFunction[K, V]{onlyKey: true, of: func(K, V) (string, bool) { return arg, true }}
	case "windowText":
		return keyFunction[K, V]{onlyKey: true, of: func(k K, _ V) (string, bool) { return textOfKey(k), true }}
	case "nullKey":
		return keyFunction[K, V]{nulls: true, onlyKey: true, of: func(K, V) (string, bool) { return "", false }}
	}
	panic(unsupported("key function " + fn))
}

// first is the first code point.
func first(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// part is the i-th piece between bars; false if it is absent or empty.
func part(s string, i int) (string, bool) {
	ps := strings.Split(s, "|")
	if i < 0 || i >= len(ps) || ps[i] == "" {
		return "", false
	}
	return ps[i], true
}

// recordFunction makes records out of one, for map and flatMap.
func recordFunction[K, V any](fn string) func(k K, v V) [][2]string {
	str := onStrings[V](fn, func(s string) string { return s })
	switch fn {
	case "swap":
		return func(k K, v V) [][2]string { return [][2]string{{str(v), textOfKey(k)}} }
	case "keyFromFirst":
		return func(_ K, v V) [][2]string { return [][2]string{{first(str(v)), str(v)}} }
	case "explode":
		return func(_ K, v V) [][2]string {
			var out [][2]string
			for _, w := range words(str(v)) {
				out = append(out, [2]string{w, str(v)})
			}
			return out
		}
	}
	panic(unsupported("record function " + fn))
}

// reducers are a reducer and, for a grouped table, its subtractor.
func reducers[V any](fn string) (add, subtract func(a, b V) V) {
	left, right := func(a, _ V) V { return a }, func(_, b V) V { return b }
	ofLongs := func(f func(a, b int64) int64) func(a, b V) V {
		return func(a, b V) V { return any(f(any(a).(int64), any(b).(int64))).(V) }
	}
	ofStrings := func(f func(a, b string) string) func(a, b V) V {
		return func(a, b V) V { return any(f(any(a).(string), any(b).(string))).(V) }
	}
	switch fn {
	case "last":
		return right, left
	case "firstWins":
		return left, left
	case "max":
		if isLong[V]() {
			return ofLongs(func(a, b int64) int64 { return max(a, b) }), left
		}
		return ofStrings(func(a, b string) string { return max(a, b) }), left
	case "sum":
		onLongs[V](fn, func(n int64) int64 { return n })
		return ofLongs(func(a, b int64) int64 { return a + b }), ofLongs(func(a, b int64) int64 { return a - b })
	case "concat":
		onStrings[V](fn, func(s string) string { return s })
		return ofStrings(func(a, b string) string { return a + b }), ofStrings(func(a, b string) string { return a + "-" + b })
	}
	panic(unsupported("reducer " + fn))
}

// aggregator makes an A of Vs.
type aggregator[V, A any] struct {
	init     func() A
	add      func(v V, agg A) (A, error)
	subtract func(v V, agg A) A
	merge    func(a, b A) A
	// nulls: the adder can answer null. onNull: the adder never looks at the value, which may be null.
	nulls, onNull bool
}

// aggregatesLong says whether an aggregator's result is a long.
func aggregatesLong(fn string) bool { return fn == "count" || fn == "sumLen" }

func textAggregator[V any](fn string) aggregator[V, string] {
	a := aggregator[V, string]{
		init:     func() string { return "0" },
		add:      func(v V, agg string) (string, error) { return agg + "+" + textOf(v), nil },
		subtract: func(v V, agg string) string { return agg + "-" + textOf(v) },
		merge:    func(a, b string) string { return a + "&" + b },
	}
	switch name, arg := call(fn); name {
	case "append":
		return a
	case "deleteOn":
		a.nulls = true
		a.add = func(v V, agg string) (string, error) {
			if textOf(v) == arg {
				return "", streams.Null
			}
			return agg + "+" + textOf(v), nil
		}
		return a
	}
	panic(unsupported("aggregator " + fn))
}

func longAggregator[V any](fn string) aggregator[V, int64] {
	a := aggregator[V, int64]{
		init:  func() int64 { return 0 },
		merge: func(a, b int64) int64 { return a + b },
	}
	switch fn {
	case "count":
		a.onNull = true
		a.add = func(_ V, n int64) (int64, error) { return n + 1, nil }
		a.subtract = func(_ V, n int64) int64 { return n - 1 }
		return a
	case "sumLen":
		length := onStrings[V](fn, func(s string) int64 { return int64(len(s)) })
		a.add = func(v V, n int64) (int64, error) { return n + length(v), nil }
		a.subtract = func(v V, n int64) int64 { return n - length(v) }
		return a
	}
	panic(unsupported("aggregator " + fn))
}

// joined is the joiner's text for the sides, whose missing one is null.
func joined(left, right string) string { return left + "-" + right }

// joinedWithKey is the text of the joiner that reads the key.
func joinedWithKey(key, left, right string) string { return key + ":" + joined(left, right) }

// joinerReadsKey says which of the two joiners fn is.
func joinerReadsKey(fn string) bool {
	if fn != "join" && fn != "joinKey" {
		refuse("joiner %s", fn)
	}
	return fn == "joinKey"
}

// timeFromValue is the 1 to 18 digits behind the last @ of a value, or -1.
func timeFromValue(v string) int64 {
	i := strings.LastIndexByte(v, '@')
	digits := v[i+1:]
	if i < 0 || len(digits) < 1 || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
		return -1
	}
	return number(digits)
}
