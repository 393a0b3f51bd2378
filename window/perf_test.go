package window_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

func TestTheRecordPathDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	ws := make([]window.Window, 0, 8)
	key := in("page", 60_000, 120_000)
	tumble := window.Windows[string, windowed](tumbling{Size: time.Minute})
	day := daily[string]{window.Tumbling[string]{Size: 25 * time.Hour}, time.UTC}
	for name, f := range map[string]func(){
		"Tumbling.Assign": func() { ws = tumble.(window.Assigner[string, windowed]).Assign(ws[:0], 90_000) },
		"Hopping.Assign":  func() { ws = hopping{Size: time.Minute, Advance: 10 * time.Second}.Assign(ws[:0], 90_000) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
	for name, s := range map[string]serde.Serde[windowed]{
		"time":    window.KeySerde(tumble, serde.String),
		"session": window.SessionSerde(serde.String),
		"daily":   window.KeySerde(day, serde.String),
	} {
		key := key
		if name == "daily" {
			key.Window = day.Assign(nil, 0)[0]
		}
		b, err := s.Append(nil, key)
		require.NoError(t, err)
		shared := serde.Shared(s)
		require.Zero(t, testing.AllocsPerRun(100, func() { dst, _ = s.Append(dst[:0], key) }), name)
		require.Zero(t, testing.AllocsPerRun(100, func() { key, _ = shared.DecodeShared(b) }), name)
	}
}

func FuzzKeys(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x00\x00\x00\x00\x00\x00\x01", "key\x7f\xff\xff\xff\xff\xff\xff\xff", "key\xff\xff\xff\xff\xff\xff\xff\xff",
		"k\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x02", "k\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x05"} {
		f.Add([]byte(s))
	}
	serdes := []serde.Serde[windowed]{
		window.TimeSerde(serde.String, time.Minute),
		window.TimeSerde(serde.String, window.Forever),
		window.SessionSerde(serde.String),
		window.KeySerde(daily[string]{zone: time.UTC}, serde.String),
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, s := range serdes {
			require.LessOrEqual(t, len(s.(serde.Prefixed).PartitionBytes(src)), len(src))
			v, err := s.Decode(src)
			shared, err2 := serde.Shared(s).DecodeShared(src)
			require.Equal(t, err == nil, err2 == nil)
			if err != nil {
				continue
			}
			require.Equal(t, v, shared)
			require.GreaterOrEqual(t, v.Start, window.Time(0))
			require.GreaterOrEqual(t, v.End, v.Start)
			b, err := s.Append(nil, v)
			require.NoError(t, err)
			require.Equal(t, string(src), string(b), "what is read is written again")
		}
	})
}

func BenchmarkAssign(b *testing.B) {
	ws := make([]window.Window, 0, 64)
	b.Run("tumbling", func(b *testing.B) {
		w := tumbling{Size: time.Minute}
		for i := range b.N {
			ws = w.Assign(ws[:0], window.Time(1_700_000_000_000+i))
		}
	})
	b.Run("hopping-6", func(b *testing.B) {
		w := hopping{Size: time.Minute, Advance: 10 * time.Second}
		for i := range b.N {
			ws = w.Assign(ws[:0], window.Time(1_700_000_000_000+i))
		}
	})
}

func BenchmarkKey(b *testing.B) {
	key := in("page", 60_000, 120_000)
	for name, s := range map[string]serde.Serde[windowed]{
		"time":    window.TimeSerde(serde.String, time.Minute),
		"session": window.SessionSerde(serde.String),
		"daily":   window.KeySerde(daily[string]{zone: time.UTC}, serde.String),
	} {
		if name == "daily" {
			key.Window = window.Window{Start: 0, End: 86_400_000}
		}
		src, err := s.Append(nil, key)
		require.NoError(b, err)
		shared := serde.Shared(s)
		b.Run(name+"/append", func(b *testing.B) {
			dst := make([]byte, 0, 64)
			b.ReportAllocs()
			for range b.N {
				dst, _ = s.Append(dst[:0], key)
			}
		})
		b.Run(name+"/decode-shared", func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				key, _ = shared.DecodeShared(src)
			}
		})
	}
}
