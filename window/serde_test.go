package window_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"
	_ "time/tzdata" // the test of calendar windows needs a zone wherever it runs

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

type windowed = window.Windowed[string]

func in(k string, start, end window.Time) windowed {
	return windowed{Key: k, Window: window.Window{Start: start, End: end}}
}

// daily is a calendar window: the days of a time zone, 23, 24 or 25 hours long.
type daily[K any] struct {
	window.Tumbling[K]
	zone *time.Location
}

func (d daily[K]) Assign(dst []window.Window, at window.Time) []window.Window {
	t := at.Time().In(d.zone)
	s := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, d.zone)
	return append(dst, window.Window{Start: window.At(s), End: window.At(s.AddDate(0, 0, 1))})
}

// texts is a calendar window with keys and a serde of its own.
type texts struct{ daily[string] }

func (texts) Key(k string, w window.Window) string          { return k + "|" + w.Start.String() }
func (texts) Unwrap(k string) (string, window.Window)       { return k, window.Window{} }
func (texts) Serde(serde.Serde[string]) serde.Serde[string] { return serde.String }

func TestKeysAreKafkas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    serde.Serde[windowed]
		v    windowed
		hex  string
	}{
		{"a time window is its start", window.TimeSerde(serde.String, 10*ms), in("a", 0x10, 0x1a), "61" + "0000000000000010"},
		{"an empty key is none", window.TimeSerde(serde.String, 10*ms), in("", 1, 11), "0000000000000001"},
		{"a decoded end that does not fit is the end of time", window.TimeSerde(serde.String, 10*ms),
			in("a", window.MaxTime-9, window.MaxTime), "61" + "7ffffffffffffff6"},
		{"tumbling", window.KeySerde(tumbling{Size: 10 * ms}, serde.String), in("a", 10, 20), "61" + "000000000000000a"},
		{"hopping", window.KeySerde(hopping{Size: 10 * ms, Advance: ms}, serde.String), in("a", 1, 11), "61" + "0000000000000001"},
		{"unlimited", window.KeySerde(window.Unlimited[string]{Start: 5}, serde.String), in("a", 5, window.MaxTime), "61" + "0000000000000005"},
		{"sliding is a time window of its difference", window.KeySerde(window.Sliding[string]{Difference: 5 * ms}, serde.String),
			in("a", 1, 6), "61" + "0000000000000001"},
		{"a session has its end first", window.KeySerde(window.Session[string]{Gap: ms}, serde.String),
			in("a", 1, 2), "61" + "0000000000000002" + "0000000000000001"},
		{"a session of one record", window.SessionSerde(serde.String), in("", 7, 7), "0000000000000007" + "0000000000000007"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := c.s.Append([]byte("before"), c.v)
			require.NoError(t, err)
			require.Equal(t, "before", string(b[:6]))
			require.Equal(t, c.hex, hex.EncodeToString(b[6:]))
			back, err := c.s.Decode(b[6:])
			require.NoError(t, err)
			require.Equal(t, c.v, back)
			shared, err := serde.Shared(c.s).DecodeShared(b[6:])
			require.NoError(t, err)
			require.Equal(t, c.v, shared)
			require.Equal(t, c.v.Key, string(c.s.(serde.Prefixed).PartitionBytes(b[6:])), "the inner key chooses the partition")
		})
	}
	require.Equal(t, "short", string(window.SessionSerde(serde.String).(serde.Prefixed).PartitionBytes([]byte("short"))))
}

func TestKeyErrorsNameWhatWasWrong(t *testing.T) {
	t.Parallel()
	time10, session := window.TimeSerde(serde.Int32, 10*ms), window.SessionSerde(serde.Int32)
	for _, c := range []struct {
		name, hex, want string
		s               serde.Serde[window.Windowed[int32]]
	}{
		{"too short", "00000000", "window: key in a window needs at least 8 bytes, got 4", time10},
		{"inner key too short", "000000000000000000", "serde: int32 needs 4 bytes, got 1", time10},
		{"before the epoch", "00000000" + "ffffffffffffffff", "window: a window starts at 1969-12-31T23:59:59.999Z, before the epoch", time10},
		{"session too short", "00000000", "window: key in a window needs at least 16 bytes, got 4", session},
		{"session before the epoch", "00000000" + "0000000000000000" + "ffffffffffffffff", "window: a session starts at 1969-12-31T23:59:59.999Z, before the epoch", session},
		{"session that ends before it starts", "00000000" + "0000000000000001" + "0000000000000002",
			"window: a session ends at 1970-01-01T00:00:00.001Z, before its start 1970-01-01T00:00:00.002Z", session},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src, err := hex.DecodeString(c.hex)
			require.NoError(t, err)
			_, err = c.s.Decode(src)
			require.EqualError(t, err, c.want)
			_, err = serde.Shared(c.s).DecodeShared(src)
			require.EqualError(t, err, c.want)
		})
	}
	for _, w := range []window.Window{{Start: -1, End: 5}, {Start: 2, End: 1}} {
		b, err := session.Append([]byte("before"), window.Windowed[int32]{Window: w})
		require.Error(t, err)
		require.Equal(t, "before", string(b))
	}
	_, err := time10.Append(nil, window.Windowed[int32]{Window: window.Window{Start: -1}})
	require.Error(t, err)
}

func TestASizeThatIsNoneIsAnErrorNotAWrongWindow(t *testing.T) {
	t.Parallel()
	for _, size := range []time.Duration{0, -ms, 5} {
		s := window.TimeSerde(serde.String, size)
		_, err := s.Append(nil, in("a", 0, 1))
		require.ErrorContains(t, err, "TimeSerde.size")
		_, err = s.Decode(make([]byte, 8))
		require.ErrorContains(t, err, "TimeSerde.size")
		_, err = serde.Bind(s, serde.Role{Topic: "t"})
		require.ErrorContains(t, err, "TimeSerde.size")
	}
}

func TestACalendarWindowFindsItsEndThroughItsOwnAssign(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	d := daily[string]{window.Tumbling[string]{Size: 25 * time.Hour}, zone}
	require.NoError(t, d.Check())
	s := window.KeySerde(d, serde.String)
	for day, hours := range map[int]int{24: 24, 25: 25, 26: 24} { // the clocks go back on 25 October 2026
		w := d.Assign(nil, window.At(time.Date(2026, 10, day, 15, 0, 0, 0, zone)))[0]
		require.Equal(t, time.Duration(hours)*time.Hour, w.End.Sub(w.Start))
		b, err := s.Append(nil, windowed{Key: "k", Window: w})
		require.NoError(t, err)
		require.Len(t, b, 9)
		back, err := s.Decode(b)
		require.NoError(t, err)
		require.Equal(t, windowed{Key: "k", Window: w}, back)
		require.Equal(t, "k", string(s.(serde.Prefixed).PartitionBytes(b)))

		again, ok := window.StartingAt(d, w.Start)
		require.True(t, ok)
		require.Equal(t, w, again)
		_, ok = window.StartingAt(d, w.Start+1)
		require.False(t, ok)
	}
	_, err = s.Decode(append([]byte("k"), 0, 0, 0, 0, 0, 0, 0, 1))
	require.ErrorContains(t, err, "has no window that starts at 1970-01-01T00:00:00.001Z")

	_, err = s.Append(nil, windowed{Key: "k", Window: d.Assign(nil, 0)[0]})
	require.ErrorContains(t, err, "before the epoch", "the first day of that zone started an hour earlier")
}

func TestATypesOwnSerdeIsUsed(t *testing.T) {
	t.Parallel()
	require.Equal(t, serde.String, window.KeySerde(texts{}, serde.String))
}

// tagged is a string serde that depends on its topic and writes a header.
type tagged struct{ topic string }

func (g tagged) Append(dst []byte, v string) ([]byte, error) { return append(dst, v+g.topic...), nil }
func (g tagged) Decode(src []byte) (string, error) {
	return string(bytes.TrimSuffix(src, []byte(g.topic))), nil
}
func (g tagged) Bind(r serde.Role) (serde.Serde[string], error) {
	if r.Topic == "" {
		return nil, errors.New("no topic")
	}
	return tagged{r.Topic}, nil
}
func (g tagged) AppendWithHeaders(dst []byte, v string, h serde.Headers) ([]byte, serde.Headers, error) {
	if v == "bad" {
		return dst, h, errors.New("bad")
	}
	return append(dst, v...), h.With("topic", []byte(g.topic)), nil
}
func (g tagged) DecodeWithHeaders(src []byte, h serde.Headers) (string, error) {
	v, ok := h.Last("topic")
	if !ok {
		return "", errors.New("no header")
	}
	return string(src) + "/" + string(v), nil
}

func TestAWindowedKeyIsWhatItsInnerSerdeIs(t *testing.T) {
	t.Parallel()
	for _, s := range []serde.Serde[windowed]{
		window.TimeSerde[string](tagged{}, 10*ms),
		window.SessionSerde[string](tagged{}),
		window.KeySerde(daily[string]{zone: time.UTC}, serde.Serde[string](tagged{})),
	} {
		_, err := serde.Bind(s, serde.Role{})
		require.EqualError(t, err, "no topic")
		s, err := serde.Bind(s, serde.Role{Topic: "t", Key: true})
		require.NoError(t, err)
		b, err := s.Append(nil, in("k", 0, 10))
		require.NoError(t, err)
		require.Equal(t, "kt", string(s.(serde.Prefixed).PartitionBytes(b)))

		h, ok := s.(serde.HeaderSerde[windowed])
		require.True(t, ok)
		b, headers, err := h.AppendWithHeaders(nil, in("k", 0, 10), nil)
		require.NoError(t, err)
		require.Equal(t, serde.Headers{{Key: "topic", Value: []byte("t")}}, headers)
		back, err := h.DecodeWithHeaders(b, headers)
		require.NoError(t, err)
		require.Equal(t, "k/t", back.Key)
		_, err = h.DecodeWithHeaders(b, nil)
		require.EqualError(t, err, "no header")
		_, err = h.DecodeWithHeaders(b[:3], headers)
		require.Error(t, err)
		b, headers, err = h.AppendWithHeaders([]byte("before"), in("bad", 0, 10), serde.Headers{{Key: "x"}})
		require.EqualError(t, err, "bad")
		require.Equal(t, "before", string(b))
		require.Len(t, headers, 1)
	}
	_, ok := window.TimeSerde(serde.String, ms).(serde.HeaderSerde[windowed])
	require.False(t, ok)
}

func TestWindowsNest(t *testing.T) {
	t.Parallel()
	inner := window.TimeSerde(serde.String, 10*ms)
	s := window.SessionSerde(inner)
	v := window.Windowed[windowed]{Key: in("k", 10, 20), Window: window.Window{Start: 5, End: 50}}
	b, err := s.Append(nil, v)
	require.NoError(t, err)
	require.Len(t, b, 1+8+16)
	back, err := s.Decode(b)
	require.NoError(t, err)
	require.Equal(t, v, back)
	want, err := inner.Append(nil, v.Key)
	require.NoError(t, err)
	require.Equal(t, want, s.(serde.Prefixed).PartitionBytes(b), "one level: the inner key is the windowed one")
}

func TestKeyBytesRoundTripAndKeepTheOrderOfTime(t *testing.T) {
	t.Parallel()
	at := rapid.Custom(func(t *rapid.T) window.Time { return window.Time(rapid.Int64Range(0, 1<<63-1).Draw(t, "time")) })
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		a, b := at.Draw(t, "a"), at.Draw(t, "b")
		seq, seq2 := rapid.Uint32().Draw(t, "seq"), rapid.Uint32().Draw(t, "seq2")

		ka, kb := window.AppendKey(nil, key, a), window.AppendKey(nil, key, b)
		gotKey, gotStart, err := window.ParseKey(ka)
		require.NoError(t, err)
		require.True(t, bytes.Equal(key, gotKey))
		require.Equal(t, a, gotStart)
		require.Equal(t, compare(a, b), bytes.Compare(ka, kb))

		sa, sb := window.AppendStoreKey(nil, key, a, seq), window.AppendStoreKey(nil, key, b, seq2)
		gotKey, gotStart, gotSeq, err := window.ParseStoreKey(sa)
		require.NoError(t, err)
		require.True(t, bytes.Equal(key, gotKey))
		require.Equal(t, a, gotStart)
		require.Equal(t, seq, gotSeq)
		if a != b {
			require.Equal(t, compare(a, b), bytes.Compare(sa, sb))
		} else {
			require.Equal(t, compare(seq, seq2), bytes.Compare(sa, sb))
		}

		wa, wb := window.Window{Start: a, End: b}, window.Window{Start: b, End: a}
		xa, xb := window.AppendSessionKey(nil, key, wa), window.AppendSessionKey(nil, key, wb)
		gotKey, gotWindow, err := window.ParseSessionKey(xa)
		require.NoError(t, err)
		require.True(t, bytes.Equal(key, gotKey))
		require.Equal(t, wa, gotWindow)
		require.Equal(t, compare(b, a), bytes.Compare(xa, xb), "sessions are in the order of their ends")
	})
	for _, b := range [][]byte{nil, make([]byte, 7), make([]byte, 11), make([]byte, 15)} {
		_, _, err := window.ParseSessionKey(b)
		require.ErrorContains(t, err, "needs at least 16 bytes")
		if _, _, _, err = window.ParseStoreKey(b); len(b) < 12 {
			require.ErrorContains(t, err, "needs at least 12 bytes")
		}
		if _, _, err = window.ParseKey(b); len(b) < 8 {
			require.ErrorContains(t, err, "needs at least 8 bytes")
		}
	}
}

func compare[T int64 | uint32 | window.Time](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestSerdesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := time.Duration(rapid.Int64Range(1, 1<<40).Draw(t, "size")) * ms
		start := window.Time(rapid.Int64Range(0, 1<<62).Draw(t, "start"))
		v := in(rapid.String().Draw(t, "key"), start, start.Add(size))
		for _, s := range []serde.Serde[windowed]{window.TimeSerde(serde.String, size), window.SessionSerde(serde.String)} {
			b, err := s.Append(nil, v)
			require.NoError(t, err)
			back, err := s.Decode(b)
			require.NoError(t, err)
			require.Equal(t, v, back)
		}
	})
}
