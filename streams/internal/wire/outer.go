package wire

import "errors"

// The store of records that a left or outer join of streams has found no match for: key is time (8), side (1: 1 for the left, 0 for the right), key;
// value is a list, as Kafka's ListSerde writes one of no fixed size, of side (1) and value.

// AppendOuterKey appends the key of an unmatched record.
func AppendOuterKey(dst []byte, at int64, left bool) []byte {
	dst = appendInt64(dst, at)
	if left {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// ParseOuterKey takes apart a key. The record's own key points into b.
func ParseOuterKey(b []byte) (at int64, left bool, key []byte, err error) {
	r := reader{b: b}
	at, left = r.int64(), r.uint8() == 1
	return at, left, r.b, r.err
}

// variableSize marks a list whose entries have a length each.
const variableSize = 1

var errList = errors.New("wire: this is not a list of values with their lengths")

// AppendOuterValue appends an entry to a list, which is empty if it has no bytes. dst must begin with the list.
func AppendOuterValue(list []byte, left bool, value []byte) ([]byte, error) {
	if len(list) == 0 {
		list = append(list, variableSize, 0, 0, 0, 0)
	}
	r := reader{b: list}
	kind, n := r.uint8(), r.int32()
	if r.err != nil || kind != variableSize {
		return list, errList
	}
	appendInt32(list[:1], int(n)+1)
	list = appendInt32(list, 1+len(value))
	if left {
		list = append(list, 1)
	} else {
		list = append(list, 0)
	}
	return append(list, value...), nil
}

// OuterValues calls f with the values of a list. They point into it.
func OuterValues(list []byte, f func(value []byte) error) error {
	r := reader{b: list}
	if r.uint8() != variableSize {
		return errList
	}
	for n := r.int32(); n > 0 && r.err == nil; n-- {
		e := r.bytes()
		switch {
		case r.err != nil:
			return r.err
		case len(e) == 0:
			return errList
		}
		if err := f(e[1:]); err != nil {
			return err
		}
	}
	return r.end()
}
