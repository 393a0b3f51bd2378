package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// blockItems is how many entries a block of a sorted map has at most: goavro.MaxBlockCount as this package sets it.
const blockItems = 65_536

// sortMaps walks the record that starts at out[from:], as scan does, and puts the entries of its maps in the order of their keys. Codecs write
// them in the order in which Go's maps are read, which is another one each time.
func (s *schema) sortMaps(out []byte, from int) ([]byte, error) {
	if err := s.scan(out[from:]); err != nil {
		return nil, err
	}
	w := sorter{walk{rest: out[from:]}, make([]byte, 0, len(out)-from+16)}
	if err := w.value(s.root); err != nil {
		return nil, err
	}
	return append(out[:from], w.out...), nil
}

// A sorter copies a record, which scan has found good, with its maps sorted.
type sorter struct {
	walk
	out []byte
}

func (w *sorter) value(n *node) error {
	switch n.kind {
	case record:
		for _, f := range n.parts {
			if err := w.value(f); err != nil {
				return err
			}
		}
		return nil
	case union:
		i, err := w.index(len(n.parts), "union")
		if err != nil {
			return err
		}
		w.out = binary.AppendVarint(w.out, int64(i))
		return w.value(n.parts[i])
	case array:
		return w.array(n.parts[0])
	case mapKind:
		return w.mapped(n.parts[0])
	}
	from := w.rest
	if err := w.inner(n, 0); err != nil {
		return err
	}
	w.out = append(w.out, from[:len(from)-len(w.rest)]...)
	return nil
}

// array keeps the blocks, but not their sizes in bytes, which need not be given.
func (w *sorter) array(item *node) error {
	for {
		count, err := w.count()
		if err != nil {
			return err
		}
		w.out = binary.AppendVarint(w.out, count)
		if count == 0 {
			return nil
		}
		for range count {
			if err := w.value(item); err != nil {
				return err
			}
		}
	}
}

// An entry is the bytes of a key with its length and of its value.
type entry struct{ key, all []byte }

func (w *sorter) mapped(item *node) error {
	start := len(w.out)
	type bounds struct{ key, value, end int }
	var places []bounds
	for {
		count, err := w.count()
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
		for range count {
			at := len(w.out)
			before := w.rest
			if err := w.lengthed(); err != nil {
				return err
			}
			w.out = append(w.out, before[:len(before)-len(w.rest)]...)
			value := len(w.out)
			if err := w.value(item); err != nil {
				return err
			}
			places = append(places, bounds{at, value, len(w.out)})
		}
	}
	entries := make([]entry, len(places))
	for i, p := range places {
		_, size := binary.Varint(w.out[p.key:p.value])
		entries[i] = entry{w.out[p.key+size : p.value], w.out[p.key:p.end]}
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	sorted := make([]byte, 0, len(w.out)-start+8)
	for i, e := range entries {
		if i > 0 && bytes.Equal(e.key, entries[i-1].key) {
			return fmt.Errorf("map has the key %q twice", e.key)
		}
		if i%blockItems == 0 {
			sorted = binary.AppendVarint(sorted, int64(min(blockItems, len(entries)-i)))
		}
		sorted = append(sorted, e.all...)
	}
	w.out = append(append(w.out[:start], sorted...), 0)
	return nil
}
