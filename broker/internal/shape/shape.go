// Package shape checks a request body against the shape of its API before anything is allocated for it.
//
// A generated decoder makes room for as many elements as a request declares, and reads as many tagged fields: a frame
// of a few bytes can ask for gigabytes of memory or minutes of work. [Shape.Check] walks the body without allocating and
// refuses counts that the remaining bytes cannot hold, or that no honest request has.
//
// A shape is written in the notation of [Parse], one per API, next to its handler.
package shape

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of one request.
const (
	// MaxElements is how many array elements a request may have in all. Each costs at most about 200 bytes once decoded.
	MaxElements = 200_000
	// MaxTags is how many tagged fields a structure may have, MaxTagBytes how many bytes they may take.
	MaxTags     = 64
	MaxTagBytes = 4 << 10
)

// ErrShape is wrapped by the errors of Check.
var ErrShape = errors.New("malformed request")

// Shape is what a request consists of, for all its versions.
type Shape struct{ fields []field }

type kind uint8

const (
	fixed  kind = iota // size bytes
	str                // a string, or null
	blob               // bytes, or null
	scalar             // an array of a fixed-size or string element
	object             // an array of structures
	tagged             // a tagged field, with size for its number, that is a structure
	maybe              // a byte that says whether a structure follows: negative if none does
)

type field struct {
	kind     kind
	size     int
	min, max int16 // versions
	elem     []field
}

// Parse reads a shape: fields in the order of the wire, separated by spaces.
//
//	i8 i16 i32 i64 uuid   of fixed size
//	str bytes             with a length before them
//	[]i32                 an array of such a type
//	[a b c]               an array of structures
//	{1 a b c}             the tagged field with number 1, a structure
//	<a b c>               a structure that may be absent
//	x@3 x@0-7             only from version 3 on, only from 0 to 7
//
// Tagged fields that are not structures need no description: they are skipped.
func Parse(s string) (Shape, error) {
	p := parser{rest: s}
	f, err := p.fields(true)
	if err != nil {
		return Shape{}, fmt.Errorf("shape %q: %w", s, err)
	}
	return Shape{f}, nil
}

// MustParse is Parse for shapes that are part of the program.
func MustParse(s string) Shape {
	sh, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return sh
}

type parser struct{ rest string }

func (p *parser) fields(top bool) ([]field, error) {
	var out []field
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.rest == "" || strings.IndexByte("]}>", p.rest[0]) >= 0 {
			if top == (p.rest != "") {
				return nil, errors.New("brackets do not match")
			}
			return out, nil
		}
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
}

func (p *parser) field() (field, error) {
	var f field
	switch {
	case strings.HasPrefix(p.rest, "[]"):
		p.rest = p.rest[2:]
		e, err := p.primitive()
		if err != nil {
			return f, err
		}
		e.max = 1<<15 - 1
		f = field{kind: scalar, elem: []field{e}}
	case p.rest[0] == '[':
		p.rest = p.rest[1:]
		elem, err := p.fields(false)
		if err != nil {
			return f, err
		}
		p.rest = p.rest[1:]
		f = field{kind: object, elem: elem}
	case p.rest[0] == '<':
		p.rest = p.rest[1:]
		elem, err := p.fields(false)
		if err != nil {
			return f, err
		}
		p.rest = p.rest[1:]
		f = field{kind: maybe, elem: elem}
	case p.rest[0] == '{':
		p.rest = p.rest[1:]
		n, err := strconv.Atoi(p.word(" "))
		if err != nil {
			return f, fmt.Errorf("number of a tagged field: %w", err)
		}
		elem, err := p.fields(false)
		if err != nil {
			return f, err
		}
		p.rest = p.rest[1:]
		f = field{kind: tagged, size: n, elem: elem}
	default:
		var err error
		if f, err = p.primitive(); err != nil {
			return f, err
		}
	}
	return f, p.versions(&f)
}

func (p *parser) word(stop string) string {
	i := strings.IndexAny(p.rest, stop)
	if i < 0 {
		i = len(p.rest)
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *parser) primitive() (field, error) {
	switch w := p.word(" @]}>"); w {
	case "i8":
		return field{size: 1}, nil
	case "i16":
		return field{size: 2}, nil
	case "i32":
		return field{size: 4}, nil
	case "i64":
		return field{size: 8}, nil
	case "uuid":
		return field{size: 16}, nil
	case "str":
		return field{kind: str}, nil
	case "bytes":
		return field{kind: blob}, nil
	default:
		return field{}, fmt.Errorf("unknown type %q", w)
	}
}

func (p *parser) versions(f *field) error {
	f.max = 1<<15 - 1
	if !strings.HasPrefix(p.rest, "@") {
		return nil
	}
	p.rest = p.rest[1:]
	low, high, ranged := strings.Cut(p.word(" ]}>"), "-")
	n, err := strconv.ParseInt(low, 10, 16)
	if err != nil {
		return fmt.Errorf("version %q", low)
	}
	f.min = int16(n)
	if ranged {
		if n, err = strconv.ParseInt(high, 10, 16); err != nil {
			return fmt.Errorf("version %q", high)
		}
		f.max = int16(n)
	}
	return nil
}

// Check reports why body does not begin with a request of this shape in this version. It does not allocate, but for its
// error. Bytes after the end are let through, as Kafka does: librdkafka 2.16 sends some with a Metadata request for all
// topics.
func (s Shape) Check(body []byte, version int16, flexible bool) error {
	w := walker{rest: body, version: version, flexible: flexible, elements: MaxElements}
	w.structure(s.fields)
	if w.bad != "" {
		return fmt.Errorf("%w: %s, %d bytes before the end", ErrShape, w.bad, len(w.rest))
	}
	return nil
}

type walker struct {
	rest     []byte
	version  int16
	flexible bool
	elements int
	bad      string // why the body is refused; nothing is read after that
}

func (w *walker) fail(why string) {
	if w.bad == "" {
		w.bad = why
	}
}

func (w *walker) structure(fields []field) {
	for i := range fields {
		f := &fields[i]
		if w.bad != "" {
			return
		}
		if f.kind != tagged && w.version >= f.min && w.version <= f.max {
			w.field(f)
		}
	}
	if w.flexible {
		w.tags(fields)
	}
}

func (w *walker) field(f *field) {
	switch f.kind {
	case fixed:
		w.skip(f.size)
	case str:
		if w.flexible {
			w.skip(w.uvarint() - 1)
		} else {
			w.skip(int(int16(w.uint(2))))
		}
	case blob:
		w.skip(w.length())
	case maybe:
		if len(w.rest) == 0 {
			w.fail("truncated")
			return
		}
		absent := int8(w.rest[0]) < 0
		w.rest = w.rest[1:]
		if !absent {
			w.structure(f.elem)
		}
	default:
		w.array(f)
	}
}

func (w *walker) array(f *field) {
	n := w.length()
	if n <= 0 || w.bad != "" {
		return
	}
	// Every element takes at least a byte, whatever its type.
	if n > len(w.rest) || n > w.elements {
		w.fail("array with " + strconv.Itoa(n) + " elements")
		return
	}
	w.elements -= n
	for range n {
		if w.bad != "" {
			return
		}
		if f.kind == object {
			w.structure(f.elem)
		} else {
			w.field(&f.elem[0])
		}
	}
}

// length reads the length of bytes or of an array; negative is null.
func (w *walker) length() int {
	if w.flexible {
		return w.uvarint() - 1
	}
	return int(int32(w.uint(4)))
}

func (w *walker) tags(fields []field) {
	n := w.uvarint()
	if n > MaxTags {
		w.fail("structure with " + strconv.Itoa(n) + " tagged fields")
		return
	}
	total := 0
	for range n {
		number, size := w.uvarint(), w.uvarint()
		if total += size; total > MaxTagBytes {
			w.fail("tagged fields that are too long")
			return
		}
		start := w.rest
		w.skip(size)
		for i := range fields {
			if f := &fields[i]; f.kind == tagged && f.size == number && w.bad == "" {
				inner := *w
				inner.rest = start[:size]
				inner.structure(f.elem)
				w.bad, w.elements = inner.bad, inner.elements
			}
		}
	}
}

func (w *walker) skip(n int) {
	switch {
	case n <= 0: // null has length -1
	case n > len(w.rest):
		w.fail("truncated")
	default:
		w.rest = w.rest[n:]
	}
}

func (w *walker) uint(size int) uint32 {
	if len(w.rest) < size {
		w.fail("truncated")
		return 0
	}
	var v uint32
	if size == 2 {
		v = uint32(binary.BigEndian.Uint16(w.rest))
	} else {
		v = binary.BigEndian.Uint32(w.rest)
	}
	w.rest = w.rest[size:]
	return v
}

// uvarint reads an unsigned varint of at most 31 bits.
func (w *walker) uvarint() int {
	v, n := binary.Uvarint(w.rest)
	if n <= 0 || n > 5 || v > 1<<31-1 {
		w.fail("truncated or oversized varint")
		return 0
	}
	w.rest = w.rest[n:]
	return int(v)
}
