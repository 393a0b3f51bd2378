package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// growStep is what a frame's buffer starts with and the least it grows by: a declared length buys no more memory than
// the peer has sent bytes for, times two.
const growStep = 64 << 10

// maxHeaderTags bounds the tagged fields of a request header. Kafka defines none that a client sends to a broker.
const maxHeaderTags = 64

// ErrFrame is wrapped by every error about bytes that are not a Kafka request; the connection is closed for it.
var ErrFrame = errors.New("not a kafka request")

// readSize reads the length prefix of a frame.
func readSize(r io.Reader, limit int) (int, error) {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, err
	}
	n := int32(binary.BigEndian.Uint32(b[:]))
	if n < 8 || int(n) > limit {
		return 0, fmt.Errorf("%w: frame of %d bytes, allowed are 8 to %d%s", ErrFrame, n, limit, wrongProtocol(b))
	}
	return int(n), nil
}

// wrongProtocol guesses from the first four bytes what a client that is not a Kafka client speaks.
func wrongProtocol(b [4]byte) string {
	switch {
	case b[0] == 0x16 && b[1] == 0x03:
		return " (this looks like TLS: wrong port, or the listener has no TLS?)"
	case string(b[:]) == "GET " || string(b[:]) == "POST" || string(b[:]) == "HEAD" || string(b[:]) == "PUT ":
		return " (this looks like HTTP: wrong port?)"
	}
	return ""
}

// readBody reads n bytes into buf, growing it only as bytes arrive, and returns the bytes. take is asked for each part before it is
// read.
func readBody(r io.Reader, buf []byte, n int, take func(n int) error) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		have := len(buf)
		want := min(n, max(2*have, growStep))
		if err := take(want - have); err != nil {
			return buf, err
		}
		if cap(buf) < want {
			grown := make([]byte, have, want)
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:want]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// header is a request header, versions 1 and 2.
type header struct {
	key, version  int16
	correlationID int32
	clientID      string
	hasClientID   bool
}

// parseHeader reads the header and returns what follows it. flexible tells from key and version whether the header has
// tagged fields; it answers false for keys it does not know.
func parseHeader(frame []byte, flexible func(key, version int16) bool) (header, []byte, error) {
	r := kbin.Reader{Src: frame}
	h := header{key: r.Int16(), version: r.Int16(), correlationID: r.Int32()}
	if id := r.NullableString(); id != nil {
		h.clientID, h.hasClientID = *id, true
	}
	if r.Ok() && flexible(h.key, h.version) {
		n := r.Uvarint()
		if n > maxHeaderTags {
			return h, nil, fmt.Errorf("%w: header with %d tagged fields", ErrFrame, n)
		}
		for range n {
			r.Uvarint()
			r.Span(int(r.Uvarint()))
		}
	}
	if !r.Ok() {
		return h, nil, fmt.Errorf("%w: truncated header", ErrFrame)
	}
	return h, r.Src, nil
}

// isFlexible reports whether requests of this key and version have flexible headers.
func isFlexible(key, version int16) bool {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return false
	}
	req.SetVersion(version)
	return req.IsFlexible()
}

// appendResponse appends a whole response frame: length, header, body.
func appendResponse(dst []byte, correlationID int32, resp kmsg.Response) []byte {
	start := len(dst)
	dst = resp.AppendTo(appendHeader(dst, correlationID, resp))
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// appendHeader appends room for the frame's length, and the header.
func appendHeader(dst []byte, correlationID int32, resp kmsg.Response) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(correlationID))
	// The header of an ApiVersions response is never flexible: a client reads it before it knows the broker's versions.
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		dst = append(dst, 0)
	}
	return dst
}
