package window

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/millrace-go/millrace/serde"
)

// TimeSerde reads and writes keys in time or sliding windows as topics have them: the key, then the window's start in 8 bytes. The
// end is not written; a decoded window ends size after its start, or at [MaxTime] if that does not fit. For sliding windows the size is
// their difference, for unlimited ones [Forever].
//
// The serde is what its inner serde is: a Sharer, a Binder, a HeaderSerde. It is Prefixed in any case: the inner key chooses the
// partition. A size that is not positive or not in whole milliseconds is an error of Bind, Append and Decode.
func TimeSerde[K any](inner serde.Serde[K], size time.Duration) serde.Serde[Windowed[K]] {
	return newKeySerde(inner, newTimeFormat[K](size, false))
}

// SessionSerde reads and writes keys in sessions: the key, then the session's end and its start in 8 bytes each. What is said at
// [TimeSerde] of the inner serde holds here.
func SessionSerde[K any](inner serde.Serde[K]) serde.Serde[Windowed[K]] {
	return newKeySerde(inner, sessionFormat[K]{})
}

// KeySerde is the serde for the keys of windows that w defines.
//
// It is w.Serde(inner), except for an [Assigner] that embeds a definition of this package and has no Serde of its own: a calendar
// window whose Assign differs, say. The embedded Serde cannot see the type around it and would give every window the embedded Size. Such
// keys have the same bytes, key and start, but the end of a decoded window is found by asking Assign which window starts there.
func KeySerde[K, WK any](w Windows[K, WK], inner serde.Serde[K]) serde.Serde[WK] {
	s := w.Serde(inner)
	a, ok := w.(Assigner[K, WK])
	if !ok {
		return s
	}
	switch any(w).(type) {
	case Tumbling[K], Hopping[K], Unlimited[K]:
		return s
	}
	if b, ok := s.(interface{ builtin() bool }); ok && b.builtin() {
		return newKeySerde(inner, assignerFormat[K, WK]{a, &sync.Pool{New: func() any { return new([]Window) }}})
	}
	return s
}

// builtin is TimeSerde for the Serde methods of this package's assigners, marked so that KeySerde knows it when it is promoted.
func builtin[K any](inner serde.Serde[K], size time.Duration) serde.Serde[Windowed[K]] {
	return newKeySerde(inner, newTimeFormat[K](size, true))
}

// A format is what differs between the kinds of keys: the bytes behind the inner key, and how a window is found in them.
type format[K, WK any] interface {
	check() error
	unwrap(WK) (K, Window)
	append(dst []byte, w Window) ([]byte, error)
	size() int
	window(suffix []byte) (Window, error) // suffix has size() bytes
	key(K, Window) WK
}

type keySerde[K, WK any, F format[K, WK]] struct {
	format F
	inner  serde.Serde[K]
	shared serde.Sharer[K] // inner again
}

func newKeySerde[K, WK any, F format[K, WK]](inner serde.Serde[K], f F) serde.Serde[WK] {
	s := keySerde[K, WK, F]{f, inner, serde.Shared(inner)}
	if h, ok := inner.(serde.HeaderSerde[K]); ok {
		return headerKeySerde[K, WK, F]{s, h}
	}
	return s
}

func (s keySerde[K, WK, F]) builtin() bool {
	f, ok := any(s.format).(timeFormat[K])
	return ok && f.builtin
}

// Bind binds the inner serde and reports a wrong definition before the first record does.
func (s keySerde[K, WK, F]) Bind(r serde.Role) (serde.Serde[WK], error) {
	if err := s.format.check(); err != nil {
		return nil, err
	}
	inner, err := serde.Bind(s.inner, r)
	if err != nil {
		return nil, err
	}
	return newKeySerde(inner, s.format), nil
}

// PartitionBytes is the inner key.
func (s keySerde[K, WK, F]) PartitionBytes(key []byte) []byte {
	n := len(key) - s.format.size()
	if n < 0 {
		return key
	}
	return key[:n:n]
}

func (s keySerde[K, WK, F]) Append(dst []byte, v WK) ([]byte, error) {
	k, w := s.format.unwrap(v)
	out, err := s.inner.Append(dst, k)
	if err == nil {
		out, err = s.format.append(out, w)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (s keySerde[K, WK, F]) Decode(src []byte) (v WK, err error) {
	key, w, err := s.split(src)
	if err != nil {
		return v, err
	}
	k, err := s.inner.Decode(key)
	if err != nil {
		return v, err
	}
	return s.format.key(k, w), nil
}

func (s keySerde[K, WK, F]) DecodeShared(src []byte) (v WK, err error) {
	key, w, err := s.split(src)
	if err != nil {
		return v, err
	}
	k, err := s.shared.DecodeShared(key)
	if err != nil {
		return v, err
	}
	return s.format.key(k, w), nil
}

func (s keySerde[K, WK, F]) split(src []byte) ([]byte, Window, error) {
	n := len(src) - s.format.size()
	if n < 0 {
		return nil, Window{}, tooShort("key in a window", s.format.size(), len(src))
	}
	w, err := s.format.window(src[n:])
	return src[:n:n], w, err
}

// headerKeySerde is the serde over an inner serde that uses record headers.
type headerKeySerde[K, WK any, F format[K, WK]] struct {
	keySerde[K, WK, F]
	headers serde.HeaderSerde[K]
}

func (s headerKeySerde[K, WK, F]) AppendWithHeaders(dst []byte, v WK, h serde.Headers) ([]byte, serde.Headers, error) {
	k, w := s.format.unwrap(v)
	out, added, err := s.headers.AppendWithHeaders(dst, k, h)
	if err == nil {
		out, err = s.format.append(out, w)
	}
	if err != nil {
		return dst, h, err
	}
	return out, added, nil
}

func (s headerKeySerde[K, WK, F]) DecodeWithHeaders(src []byte, h serde.Headers) (v WK, err error) {
	key, w, err := s.split(src)
	if err != nil {
		return v, err
	}
	k, err := s.headers.DecodeWithHeaders(key, h)
	if err != nil {
		return v, err
	}
	return s.format.key(k, w), nil
}

// timeFormat is a time window of one size.
type timeFormat[K any] struct {
	base[K]
	millis  int64
	err     error
	builtin bool // made by a definition's Serde method
}

func newTimeFormat[K any](size time.Duration, builtin bool) timeFormat[K] {
	c := checker{kind: "TimeSerde"}
	c.positive("size", size)
	return timeFormat[K]{millis: Millis(size), err: c.err(), builtin: builtin}
}

func (f timeFormat[K]) check() error                     { return f.err }
func (f timeFormat[K]) unwrap(v Windowed[K]) (K, Window) { return v.Key, v.Window }
func (f timeFormat[K]) key(k K, w Window) Windowed[K]    { return Windowed[K]{k, w} }
func (f timeFormat[K]) size() int                        { return startSize }
func (f timeFormat[K]) append(dst []byte, w Window) ([]byte, error) {
	if f.err != nil {
		return dst, f.err
	}
	return appendStart(dst, w)
}
func (f timeFormat[K]) window(suffix []byte) (Window, error) {
	start, err := parseStart(suffix)
	if err == nil {
		err = f.err
	}
	return Window{start, start.AddMillis(f.millis)}, err
}

// sessionFormat is a session: its end, then its start.
type sessionFormat[K any] struct{}

func (sessionFormat[K]) check() error                     { return nil }
func (sessionFormat[K]) unwrap(v Windowed[K]) (K, Window) { return v.Key, v.Window }
func (sessionFormat[K]) key(k K, w Window) Windowed[K]    { return Windowed[K]{k, w} }
func (sessionFormat[K]) size() int                        { return sessionSize }
func (sessionFormat[K]) append(dst []byte, w Window) ([]byte, error) {
	if err := checkSession(w); err != nil {
		return dst, err
	}
	return AppendSessionKey(dst, nil, w), nil
}
func (sessionFormat[K]) window(suffix []byte) (Window, error) {
	_, w, err := ParseSessionKey(suffix)
	if err != nil {
		return w, err
	}
	return w, checkSession(w)
}

func checkSession(w Window) error {
	switch {
	case w.Start < 0:
		return fmt.Errorf("window: a session starts at %v, before the epoch", w.Start)
	case w.End < w.Start:
		return fmt.Errorf("window: a session ends at %v, before its start %v", w.End, w.Start)
	}
	return nil
}

// assignerFormat is a window of a user's Assigner.
type assignerFormat[K, WK any] struct {
	a       Assigner[K, WK]
	buffers *sync.Pool // *[]Window: Assign gets memory to append to, whichever goroutine decodes
}

func (f assignerFormat[K, WK]) check() error            { return nil } // Build asks the Assigner itself
func (f assignerFormat[K, WK]) unwrap(v WK) (K, Window) { return f.a.Unwrap(v) }
func (f assignerFormat[K, WK]) key(k K, w Window) WK    { return f.a.Key(k, w) }
func (f assignerFormat[K, WK]) size() int               { return startSize }
func (f assignerFormat[K, WK]) append(dst []byte, w Window) ([]byte, error) {
	return appendStart(dst, w)
}
func (f assignerFormat[K, WK]) window(suffix []byte) (Window, error) {
	start, err := parseStart(suffix)
	if err != nil {
		return Window{}, err
	}
	buf := f.buffers.Get().(*[]Window)
	defer f.buffers.Put(buf)
	if w, ok := startingAt(f.a, buf, start); ok {
		return w, nil
	}
	return Window{}, fmt.Errorf("window: %T has no window that starts at %v: the key was written with another definition, or its "+
		"Assign does not answer a window for that window's own start", f.a, start)
}

func appendStart(dst []byte, w Window) ([]byte, error) {
	if w.Start < 0 {
		return dst, fmt.Errorf("window: a window starts at %v, before the epoch", w.Start)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(w.Start)), nil
}

func parseStart(suffix []byte) (Time, error) {
	start := Time(binary.BigEndian.Uint64(suffix))
	if start < 0 {
		return start, fmt.Errorf("window: a window starts at %v, before the epoch", start)
	}
	return start, nil
}
