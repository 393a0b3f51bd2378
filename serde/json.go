package serde

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"reflect"
	"sync"
)

// MaxJSONDepth is how deep arrays and objects may nest in what [JSON] reads.
const MaxJSONDepth = 128

// JSON writes a T as encoding/json/v2 does, without white space and with the members of maps sorted, so that equal values have equal
// bytes. It refuses what has two meanings or none: duplicate member names, invalid UTF-8, more than one document, and nesting deeper
// than [MaxJSONDepth]. Member names are case-sensitive, unknown members are ignored; [JSONWith] changes such things.
//
// JSON's null decodes to the zero T. It is a value: the absence of one is a tombstone, which never reaches a serde.
func JSON[T any]() Serde[T] { return JSONWith[T]() }

// JSONWith is [JSON] with options of encoding/json, json.RejectUnknownMembers(true) say. They are for both directions and come after
// the defaults, so they can overrule them.
func JSONWith[T any](o ...json.Options) Serde[T] {
	return jsonSerde[T]{json.JoinOptions(append([]json.Options{json.Deterministic(true)}, o...)...)}
}

type jsonSerde[T any] struct{ opts json.Options }

// jsonBuffers lets the encoder write into the caller's buffer: it knows bytes.Buffer and appends to its memory directly. The pool
// saves the allocation of the Buffer itself; no bytes stay in it.
var jsonBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s jsonSerde[T]) Append(dst []byte, v T) ([]byte, error) {
	b := jsonBuffers.Get().(*bytes.Buffer)
	*b = *bytes.NewBuffer(dst)
	err := json.MarshalWrite(b, v, s.opts)
	out := b.Bytes()
	*b = bytes.Buffer{}
	jsonBuffers.Put(b)
	if err != nil {
		return dst, fmt.Errorf("serde: JSON of %v: %w", reflect.TypeFor[T](), err)
	}
	return out, nil
}

func (s jsonSerde[T]) Decode(src []byte) (T, error) {
	var v T
	if jsonTooDeep(src, MaxJSONDepth) {
		return v, fmt.Errorf("serde: JSON for %v nests deeper than %d", reflect.TypeFor[T](), MaxJSONDepth)
	}
	if err := json.Unmarshal(src, &v, s.opts); err != nil {
		var zero T
		return zero, fmt.Errorf("serde: JSON for %v: %w", reflect.TypeFor[T](), err)
	}
	return v, nil
}

// jsonTooDeep says whether brackets nest deeper than max. Text that is not JSON gets some answer; the decoder refuses it afterwards.
// The decoder's own limit is 10,000, which a recursive T with methods of its own turns into a stack of many megabytes.
func jsonTooDeep(src []byte, max int) bool {
	if len(src) <= max { // as every document below 128 bytes, without looking at it
		return false
	}
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '[', '{':
			if depth++; depth > max {
				return true
			}
		case ']', '}':
			depth--
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}
