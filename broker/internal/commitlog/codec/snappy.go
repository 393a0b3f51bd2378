package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/s2"
)

// xerialMagic starts the framing that Java's snappy library puts around blocks:
// the magic, two big-endian version words, then blocks, each after its length.
var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

var errXerial = errors.New("snappy: damaged block framing")

// decompressSnappy reads both a plain block, which C and Go producers send, and
// the framing of Java's.
func decompressSnappy(dst, src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return appendSnappyBlock(dst, src, Bound(len(src)))
	}
	if len(src) < xerialHeader {
		return dst, errXerial
	}
	bound := Bound(len(src))
	src = src[xerialHeader:]
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, errXerial
		}
		n := int(binary.BigEndian.Uint32(src))
		src = src[4:]
		if n > len(src) {
			return dst, errXerial
		}
		var err error
		if dst, err = appendSnappyBlock(dst, src[:n], bound); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

// appendSnappyBlock checks the length that the block claims before it allocates it.
func appendSnappyBlock(dst, block []byte, bound int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return dst, err
	}
	if n > bound-len(dst) {
		return dst, ErrTooLarge
	}
	dst = slices.Grow(dst, n)
	out, err := s2.Decode(dst[len(dst):len(dst):cap(dst)], block)
	if err != nil {
		return dst, err
	}
	return append(dst, out...), nil // in place: out is dst's tail
}

// compressSnappy writes a plain block: every client reads it.
func compressSnappy(dst, src []byte) []byte {
	dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
	return append(dst, s2.EncodeSnappy(dst[len(dst):cap(dst)], src)...)
}
