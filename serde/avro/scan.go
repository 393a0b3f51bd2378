package avro

import (
	"errors"
	"fmt"
	"math"
)

// A walk reads a record by its schema. It takes no memory and cannot be made to run longer than the bytes and MaxEmpty allow.
type walk struct {
	rest   []byte
	empty  int // values so far that took no bytes
	memory int // what the values so far take in Go, about
}

var errShort = errors.New("record is cut")

// The sizes of what goavro makes, rounded up: an interface and the value it points to, and a map with room for eight entries.
const (
	sizeValue = 32
	sizeMap   = 48 + 8*(16+16) + 8
	sizeEntry = 64 // more than a full map table's share
)

// scan walks a whole record.
func (s *schema) scan(src []byte) error {
	if len(src) > MaxBytes {
		return fmt.Errorf("record of %d bytes is longer than %d", len(src), MaxBytes)
	}
	w := walk{rest: src}
	if err := w.value(s.root, 0); err != nil {
		return err
	}
	if len(w.rest) > 0 {
		return fmt.Errorf("record goes on for %d bytes after its end", len(w.rest))
	}
	return nil
}

// take counts what a value costs: that it is there, and more.
func (w *walk) take(more int) error {
	if w.memory += sizeValue + more; w.memory > MaxMemory {
		return fmt.Errorf("record would take more than %d bytes of memory", MaxMemory)
	}
	return nil
}

func (w *walk) value(n *node, depth int) error {
	before := len(w.rest)
	if err := w.inner(n, depth); err != nil {
		return err
	}
	if len(w.rest) == before {
		if w.empty++; w.empty > MaxEmpty {
			return fmt.Errorf("record has more than %d values that take no bytes", MaxEmpty)
		}
	}
	return nil
}

func (w *walk) inner(n *node, depth int) error {
	if n.kind == record || n.kind == array || n.kind == mapKind {
		if depth++; depth > MaxDepth {
			return fmt.Errorf("record nests deeper than %d", MaxDepth)
		}
	}
	switch n.kind {
	case null:
		return w.take(0)
	case boolean:
		return w.skip(1)
	case integer:
		v, err := w.long()
		if err != nil {
			return err
		}
		if int64(int32(v)) != v {
			return fmt.Errorf("int %d does not fit 32 bits", v)
		}
		return w.take(0)
	case long:
		if _, err := w.long(); err != nil {
			return err
		}
		return w.take(0)
	case float:
		return w.skip(4)
	case double:
		return w.skip(8)
	case fixed:
		return w.skip(n.size)
	case bytesKind, stringKind:
		return w.lengthed()
	case enum:
		if _, err := w.index(n.size, "enum"); err != nil {
			return err
		}
		return w.take(0)
	case union:
		i, err := w.index(len(n.parts), "union")
		if err != nil {
			return err
		}
		if n.parts[i].kind != null { // the map with one entry that says which branch
			if err := w.take(sizeMap); err != nil {
				return err
			}
		}
		return w.value(n.parts[i], depth)
	case record:
		if err := w.take(sizeMap + sizeEntry*len(n.parts)); err != nil {
			return err
		}
		for _, f := range n.parts {
			if err := w.value(f, depth); err != nil {
				return err
			}
		}
		return nil
	default: // array, mapKind
		return w.blocks(n, depth)
	}
}

// blocks reads the blocks of an array or a map: a count, the items, and so on until a count of 0. A negative count is followed by the
// size of the block in bytes, for those who want to skip it.
func (w *walk) blocks(n *node, depth int) error {
	own, each := 0, 0
	if n.kind == mapKind {
		own, each = sizeMap, sizeEntry
	}
	if err := w.take(own); err != nil {
		return err
	}
	for {
		count, err := w.count()
		if err != nil || count == 0 {
			return err
		}
		// A count that the bytes cannot bear out is refused here and not in the loop, so that it is named.
		if count > int64(len(w.rest))+MaxEmpty {
			return fmt.Errorf("block says it has %d items, %d bytes are left", count, len(w.rest))
		}
		for range count {
			if n.kind == mapKind {
				if err := w.lengthed(); err != nil {
					return err
				}
			}
			if err := w.take(each); err != nil {
				return err
			}
			if err := w.value(n.parts[0], depth); err != nil {
				return err
			}
		}
	}
}

// count is the number of items in the next block.
func (w *walk) count() (int64, error) {
	count, err := w.long()
	if err != nil || count >= 0 {
		return count, err
	}
	if count == math.MinInt64 {
		return 0, fmt.Errorf("block of %d items", count)
	}
	size, err := w.long()
	if err != nil {
		return 0, err
	}
	if size < 0 || size > int64(len(w.rest)) {
		return 0, fmt.Errorf("block says it has %d bytes, %d are left", size, len(w.rest))
	}
	return -count, nil
}

func (w *walk) index(n int, what string) (int, error) {
	i, err := w.long()
	if err == nil && (i < 0 || i >= int64(n)) {
		err = fmt.Errorf("%s has %d choices, got number %d", what, n, i)
	}
	return int(i), err
}

// lengthed reads bytes or a string.
func (w *walk) lengthed() error {
	n, err := w.long()
	if err != nil {
		return err
	}
	if n < 0 || n > int64(len(w.rest)) {
		return fmt.Errorf("bytes or string says it has %d bytes, %d are left", n, len(w.rest))
	}
	return w.skip(int(n))
}

func (w *walk) skip(n int) error {
	if n > len(w.rest) {
		return errShort
	}
	w.rest = w.rest[n:]
	return w.take(n)
}

// long reads a number of variable length, at most 64 bits, in zigzag.
func (w *walk) long() (int64, error) {
	var u uint64
	for i, b := range w.rest {
		if i == 9 && b > 1 {
			return 0, errors.New("number does not fit 64 bits")
		}
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			w.rest = w.rest[i+1:]
			return int64(u>>1) ^ -int64(u&1), nil
		}
	}
	return 0, errShort
}
