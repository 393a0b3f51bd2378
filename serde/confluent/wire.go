// Package confluent is the wire format of Confluent's serializers: how a record says which schema of a registry it was written with. It is
// pure functions over bytes and knows no registry.
//
// A record says so at the head of its key or value:
//
//	0, number of the schema (4, big-endian), for Protocol Buffers the message's indexes, the payload
//
// or, from newer clients that are told to, in a header ([KeyHeader], [ValueHeader]), the key or value then being the bare payload:
//
//	1, GUID of the schema (16), for Protocol Buffers the message's indexes
//
// The indexes say which message of the schema file the payload is: the path to it through nested messages. They are a count and as many
// numbers, all in zigzag varints; the path to the first message, [0], is the one byte 0.
package confluent

import (
	"encoding/binary"
	"fmt"
)

const (
	KeyHeader   = "__key_schema_id"   // KeyHeader is the header that names the schema of a record's key.
	ValueHeader = "__value_schema_id" // ValueHeader is the header that names the schema of a record's value.
)

const (
	magicNumber = 0
	magicGUID   = 1
	maxIndexes  = 128 // messages that deep no schema has
)

// AppendID appends the head of a payload that was written with a schema of that number.
func AppendID(dst []byte, id int32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicNumber), uint32(id))
}

// ParseID reads what [AppendID] wrote. The rest is a part of src.
func ParseID(src []byte) (id int32, rest []byte, err error) {
	if len(src) < 5 {
		return 0, nil, fmt.Errorf("confluent: the head with a schema's number needs 5 bytes, got %d", len(src))
	}
	if src[0] != magicNumber {
		return 0, nil, fmt.Errorf("confluent: the head with a schema's number starts with byte 0, got %d: "+
			"was the record written with a serializer that knows a schema registry?", src[0])
	}
	return int32(binary.BigEndian.Uint32(src[1:])), src[5:], nil
}

// AppendGUID appends the value of a header that names a schema by its GUID.
func AppendGUID(dst []byte, guid [16]byte) []byte {
	return append(append(dst, magicGUID), guid[:]...)
}

// ParseGUID reads what [AppendGUID] wrote. The rest is a part of src.
func ParseGUID(src []byte) (guid [16]byte, rest []byte, err error) {
	if len(src) < 17 {
		return guid, nil, fmt.Errorf("confluent: a header with a schema's GUID needs 17 bytes, got %d", len(src))
	}
	if src[0] != magicGUID {
		return guid, nil, fmt.Errorf("confluent: a header with a schema's GUID starts with byte 1, got %d", src[0])
	}
	copy(guid[:], src[1:])
	return guid, src[17:], nil
}

// AppendIndexes appends the path to a message: its position in the file or in the message around it, outermost first. It must not be
// empty.
func AppendIndexes(dst []byte, path ...int) []byte {
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, i := range path {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}

// ParseIndexes reads what [AppendIndexes] wrote. The rest is a part of src.
func ParseIndexes(src []byte) (path []int, rest []byte, err error) {
	count, src, err := index(src, maxIndexes, "number of message indexes")
	if err != nil {
		return nil, nil, err
	}
	if count == 0 {
		return []int{0}, src, nil
	}
	path = make([]int, count)
	for i := range path {
		if path[i], src, err = index(src, 1<<31-1, "message index"); err != nil {
			return nil, nil, err
		}
	}
	return path, src, nil
}

func index(src []byte, most int64, what string) (int, []byte, error) {
	v, n := binary.Varint(src)
	switch {
	case n <= 0:
		return 0, nil, fmt.Errorf("confluent: %s is cut or too long", what)
	case v < 0 || v > most:
		return 0, nil, fmt.Errorf("confluent: %s is %d, it can be 0 to %d", what, v, most)
	}
	return int(v), src[n:], nil
}
