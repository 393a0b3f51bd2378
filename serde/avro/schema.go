package avro

import (
	"encoding/json/v2"
	"fmt"
	"math"
	"strings"
)

// maxSchemaBytes bounds the text of a schema, which may come from a registry.
const maxSchemaBytes = 1 << 20

type kind uint8

const (
	null kind = iota
	boolean
	integer // int: 32 bits
	long
	float
	double
	bytesKind
	stringKind
	fixed
	enum
	array
	mapKind
	union
	record
)

var primitives = map[string]kind{
	"null": null, "boolean": boolean, "int": integer, "long": long, "float": float, "double": double, "bytes": bytesKind, "string": stringKind,
}

var complexTypes = map[string]bool{"fixed": true, "enum": true, "array": true, "map": true, "union": true, "record": true}

// A node is a type of the schema, as much of it as the walk over the bytes needs.
type node struct {
	kind  kind
	size  int     // of fixed: its bytes; of enum: the number of its symbols
	parts []*node // of record: its fields; of union: its branches; of array and map: the type of the items
}

type schema struct {
	root  *node
	maps  bool // a map occurs
	bytes bool // bytes or fixed occur
	loops bool // a record can contain itself
}

// parse reads a schema. It accepts what the specification does and refuses what implementations read differently: the walk is a
// protection only as long as it sees the same structure in the bytes as the codec.
func parse(text string) (*schema, error) {
	if len(text) > maxSchemaBytes {
		return nil, fmt.Errorf("avro: schema of %d bytes is longer than %d", len(text), maxSchemaBytes)
	}
	var def any
	if err := json.Unmarshal([]byte(text), &def); err != nil {
		return nil, fmt.Errorf("avro: schema is not JSON: %w", err)
	}
	p := parser{names: map[string]*node{}, open: map[*node]bool{}}
	root, err := p.parse(def, "", 0)
	if err != nil {
		return nil, fmt.Errorf("avro: schema: %w", err)
	}
	return &schema{root, p.maps, p.bytes, p.loops}, nil
}

type parser struct {
	names              map[string]*node // by full name
	open               map[*node]bool   // records whose fields are being read
	maps, bytes, loops bool
}

// parse reads the definition of a type within a namespace, so many records, arrays and maps deep.
func (p *parser) parse(def any, namespace string, depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("types nest deeper than %d", MaxDepth)
	}
	switch d := def.(type) {
	case string:
		return p.named(d, namespace)
	case []any:
		return p.union(d, namespace, depth)
	case map[string]any:
		t, ok := d["type"].(string)
		if !ok {
			if d["type"] == nil {
				return nil, fmt.Errorf("a type needs an attribute \"type\"")
			}
			return p.parse(d["type"], namespace, depth) // {"type": {...}}: the JSON decoder bounds how often
		}
		if !complexTypes[t] {
			// A codec may look for a logical type under the joined name.
			if l, ok := d["logicalType"]; ok && p.names[fmt.Sprintf("%s.%v", t, l)] != nil {
				return nil, fmt.Errorf("logical type %v of %s has the name of a type", l, t)
			}
			return p.named(t, namespace)
		}
		return p.complex(t, d, namespace, depth)
	}
	return nil, fmt.Errorf("a type is a name, a list or an object, got %v", def)
}

// named is a primitive type or one defined before.
func (p *parser) named(name, namespace string) (*node, error) {
	if k, ok := primitives[name]; ok {
		p.bytes = p.bytes || k == bytesKind
		return &node{kind: k}, nil
	}
	found := p.names[name]
	if namespace != "" && !strings.Contains(name, ".") {
		if inner := p.names[namespace+"."+name]; inner != nil {
			if found != nil && found != inner {
				return nil, fmt.Errorf("%q may be %q or the %q without namespace: write the full name", name, namespace+"."+name, name)
			}
			found = inner
		}
	}
	if found == nil {
		return nil, fmt.Errorf("unknown type %q", name)
	}
	p.loops = p.loops || p.open[found]
	return found, nil
}

func (p *parser) union(branches []any, namespace string, depth int) (*node, error) {
	if len(branches) == 0 {
		return nil, fmt.Errorf("a union needs a branch")
	}
	n := &node{kind: union}
	for _, b := range branches {
		branch, err := p.parse(b, namespace, depth)
		if err != nil {
			return nil, err
		}
		if branch.kind == union {
			return nil, fmt.Errorf("a union within a union")
		}
		n.parts = append(n.parts, branch)
	}
	return n, nil
}

func (p *parser) complex(t string, d map[string]any, namespace string, depth int) (*node, error) {
	switch t {
	case "array":
		return p.container(array, "items", d, namespace, depth)
	case "map":
		p.maps = true
		return p.container(mapKind, "values", d, namespace, depth)
	case "fixed":
		size, ok := d["size"].(float64)
		if !ok || size <= 0 || size != math.Trunc(size) || size > MaxBytes {
			return nil, fmt.Errorf("fixed %v needs a size between 1 and %d, got %v", d["name"], MaxBytes, d["size"])
		}
		p.bytes = true
		n := &node{kind: fixed, size: int(size)}
		_, err := p.define(n, d, namespace)
		return n, err
	case "enum":
		symbols, ok := d["symbols"].([]any)
		if !ok || len(symbols) == 0 {
			return nil, fmt.Errorf("enum %v needs symbols", d["name"])
		}
		n := &node{kind: enum, size: len(symbols)}
		_, err := p.define(n, d, namespace)
		return n, err
	case "record":
		return p.record(d, namespace, depth)
	}
	return nil, fmt.Errorf("%q is not the name of a type", t)
}

func (p *parser) container(k kind, attribute string, d map[string]any, namespace string, depth int) (*node, error) {
	item, ok := d[attribute]
	if !ok {
		return nil, fmt.Errorf("%s needs %q", d["type"], attribute)
	}
	n, err := p.parse(item, namespace, depth+1)
	if err != nil {
		return nil, err
	}
	return &node{kind: k, parts: []*node{n}}, nil
}

func (p *parser) record(d map[string]any, namespace string, depth int) (*node, error) {
	n := &node{kind: record}
	inner, err := p.define(n, d, namespace) // before its fields, which may refer to it
	if err != nil {
		return nil, err
	}
	p.open[n] = true
	defer delete(p.open, n)
	fields, ok := d["fields"].([]any)
	if !ok {
		return nil, fmt.Errorf("record %v needs fields", d["name"])
	}
	for i, f := range fields {
		field, ok := f.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("record %v: field %d is not an object", d["name"], i+1)
		}
		t, ok := field["type"]
		if s, isName := t.(string); !ok || isName && complexTypes[s] {
			return nil, fmt.Errorf("record %v: field %v needs a type: a name, a list or an object", d["name"], field["name"])
		}
		part, err := p.parse(t, inner, depth+1)
		if err != nil {
			return nil, fmt.Errorf("record %v: field %v: %w", d["name"], field["name"], err)
		}
		n.parts = append(n.parts, part)
	}
	return n, nil
}

// define enters a named type and returns the namespace that names within it belong to.
func (p *parser) define(n *node, d map[string]any, namespace string) (string, error) {
	name, ok := d["name"].(string)
	if !ok || name == "" {
		return "", fmt.Errorf("%v needs a name", d["type"])
	}
	own, given := d["namespace"].(string)
	if d["namespace"] != nil && !given {
		return "", fmt.Errorf("%v %q: its namespace is not a text", d["type"], name)
	}
	full := name
	switch dot := strings.LastIndexByte(name, '.'); {
	case dot >= 0:
		namespace = name[:dot]
	case own != "":
		namespace, full = own, own+"."+name
	case namespace != "":
		full = namespace + "." + name
	}
	first, _, _ := strings.Cut(full, ".")
	if _, ok := primitives[first]; ok || complexTypes[first] {
		return "", fmt.Errorf("%q is a name of Avro's own types", full)
	}
	names := []string{full}
	if given && own == "" && full != name {
		names = append(names, name) // "namespace": "" is none by the specification, and the enclosing one to some
	}
	for _, s := range names {
		if p.names[s] != nil {
			return "", fmt.Errorf("%q is defined twice", s)
		}
		p.names[s] = n
	}
	return namespace, nil
}
