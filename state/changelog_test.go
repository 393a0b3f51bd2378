package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/window"
)

// recorder is a changelog as text.
type recorder struct{ lines []string }

func (r *recorder) Log(l LogRecord) error {
	line := fmt.Sprintf("%x=%x@%d", l.Key, l.Value, l.Time)
	if l.Tombstone {
		line = fmt.Sprintf("%x=null@%d", l.Key, l.Time)
	}
	for _, h := range l.Headers {
		line += " " + h.Key
	}
	r.lines = append(r.lines, line)
	return nil
}

// openOne opens one store for a record at 7 that has a header h.
func openOne[S any](t *testing.T, d Definition[S]) (S, *recorder) {
	rec := &recorder{}
	env := Env{Record: &RecordContext{Time: 7, Headers: serde.Headers{{Key: "h"}}}, Changelog: func(string) Changelog { return rec }}
	s, err := Open(env, []AnyDefinition{d})
	require.NoError(t, err)
	return s.Get(d.Name()).(S), rec
}

// A delete in a store with duplicates deletes nothing; in memory it moves the store's time all the same.
func TestATombstoneMovesTheTimeInMemory(t *testing.T) {
	for law, kept := range map[string]bool{"in memory": false, "on disk": true} {
		o := []Option{Duplicates()}
		if !kept {
			o = append(o, InMemory())
		}
		s, _ := openOne(t, Window("s", serde.String, serde.String, 10*time.Millisecond, 10*time.Millisecond, o...))
		require.NoError(t, s.Delete("k", 100))
		require.NoError(t, s.Put("k", 85, "A"))
		there := false
		for _, err := range s.Fetch("k", 0, 200) {
			require.NoError(t, err)
			there = true
		}
		require.Equal(t, kept, there, law)
	}
}

// The bytes are those of Kafka Streams, so that either restores what the other has written.
func TestChangelogRecords(t *testing.T) {
	t.Run("key-value: the record's time", func(t *testing.T) {
		s, rec := openOne(t, KeyValue("s", serde.String, serde.String))
		require.NoError(t, s.Put("a", "x"))
		require.NoError(t, s.Delete("a"))
		require.NoError(t, s.Put("", ""))
		require.Equal(t, []string{"61=78@7", "61=null@7", "=@7"}, rec.lines)
	})
	t.Run("timestamped key-value: the value's time, in the record only", func(t *testing.T) {
		s, rec := openOne(t, TimestampedKeyValue("s", serde.String, serde.String))
		require.NoError(t, s.Put("a", Stamped[string]{"x", 5}))
		require.NoError(t, s.Delete("a"))
		require.Equal(t, []string{"61=78@5", "61=null@7"}, rec.lines)
	})
	t.Run("window: key, start, sequence number", func(t *testing.T) {
		s, rec := openOne(t, TimestampedWindow("s", serde.String, serde.String, time.Second, time.Hour))
		require.NoError(t, s.Put("a", 16, Stamped[string]{"x", 5}))
		require.NoError(t, s.Delete("a", 16))
		require.Equal(t, []string{"61000000000000001000000000=78@5", "61000000000000001000000000=null@7"}, rec.lines)
	})
	t.Run("window with duplicates: numbered, with headers", func(t *testing.T) {
		s, rec := openOne(t, Window("s", serde.String, serde.String, time.Second, time.Hour, Duplicates()))
		require.NoError(t, s.Put("a", 16, "x"))
		require.NoError(t, s.Put("a", 16, "x"))
		require.NoError(t, s.Delete("a", 16))
		require.Equal(t, []string{"61000000000000001000000001=78@7 h", "61000000000000001000000002=78@7 h", "61000000000000001000000003=null@7 h"}, rec.lines)
	})
	t.Run("session: key, end, start", func(t *testing.T) {
		s, rec := openOne(t, Session("s", serde.String, serde.String, time.Hour, LogTombstoneHeaders()))
		w := window.Windowed[string]{Key: "a", Window: window.Window{Start: 1, End: 2}}
		require.NoError(t, s.Put(w, "x"))
		require.NoError(t, s.Delete(w))
		require.Equal(t, []string{"6100000000000000020000000000000001=78@7", "6100000000000000020000000000000001=null@7 h"}, rec.lines)
	})
	t.Run("versioned: the version's time, also of one that is too old", func(t *testing.T) {
		s, rec := openOne(t, Versioned("s", serde.String, serde.String, time.Second))
		require.NoError(t, s.Put("a", "x", 5000))
		require.NoError(t, s.Delete("a", 6000))
		require.NoError(t, s.Put("a", "y", 1000))
		require.Equal(t, []string{"61=78@5000", "61=null@6000", "61=79@1000"}, rec.lines)
	})
	t.Run("what is too old is logged all the same", func(t *testing.T) {
		s, rec := openOne(t, Window("s", serde.String, serde.String, time.Second, time.Second, InMemory()))
		require.NoError(t, s.Put("a", 10_000, "x"))
		require.NoError(t, s.Put("a", 16, "y"))
		require.Len(t, rec.lines, 2)
		_, ok, err := s.Get("a", 16)
		require.NoError(t, err)
		require.False(t, ok)
	})
	t.Run("without logging", func(t *testing.T) {
		s, rec := openOne(t, KeyValue("s", serde.String, serde.String, WithoutLogging()))
		require.NoError(t, s.Put("a", "x"))
		require.Empty(t, rec.lines)
	})
}

func TestChangelogTopicConfig(t *testing.T) {
	s := serde.String
	for name, c := range map[string]struct {
		def  AnyDefinition
		want map[string]string
	}{
		"key-value": {KeyValue("s", s, s), map[string]string{"cleanup.policy": "compact"}},
		"window": {Window("s", s, s, time.Second, 15*time.Millisecond),
			map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "86400015"}},
		"window in memory, other retention": {Window("s", s, s, time.Second, time.Second, InMemory(), Retention(5*time.Second)),
			map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "86405000"}},
		"unlimited window": {Window("s", s, s, window.Forever, window.Forever),
			map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "9223372036854775807"}},
		"join window": {Window("s", s, s, time.Second, time.Second, Duplicates()), map[string]string{"cleanup.policy": "delete", "retention.ms": "86401000"}},
		"session":     {Session("s", s, s, 10*time.Millisecond), map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "86400010"}},
		"session that is kept a millisecond longer": {Session("s", s, s, 11*time.Millisecond, LogRetention(10*time.Millisecond)),
			map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "86400010"}},
		"versioned": {Versioned("s", s, s, time.Second), map[string]string{"cleanup.policy": "compact", "min.compaction.lag.ms": "86401000"}},
		"own configuration": {KeyValue("s", s, s, TopicConfig("cleanup.policy", "delete"), TopicConfig("segment.bytes", "7")),
			map[string]string{"cleanup.policy": "delete", "segment.bytes": "7"}},
	} {
		c.want["message.timestamp.type"] = "CreateTime"
		got, logged := c.def.Changelog()
		require.True(t, logged)
		require.Equal(t, c.want, got, name)
	}
	_, logged := KeyValue("s", s, s, WithoutLogging()).Changelog()
	require.False(t, logged)

	got, _ := Window("s", s, s, time.Second, time.Second, TopicConfig("b", "store")).
		ChangelogWith(map[string]string{"a": "app", "b": "app", "cleanup.policy": "delete"}, time.Minute)
	require.Equal(t, map[string]string{"a": "app", "b": "store", "cleanup.policy": "delete", "message.timestamp.type": "CreateTime", "retention.ms": "61000"}, got)

	shorter := map[string]string{"retention.ms": "1", "min.compaction.lag.ms": "2", "cleanup.policy": "compact"} // than what a store keeps
	got, _ = Window("s", s, s, time.Second, time.Second, Duplicates()).ChangelogWith(shorter, time.Minute)
	require.Equal(t, "61000", got["retention.ms"])
	require.Equal(t, "delete", got["cleanup.policy"])
	got, _ = Versioned("s", s, s, time.Second).ChangelogWith(shorter, time.Minute)
	require.Equal(t, "86401000", got["min.compaction.lag.ms"])
	got, _ = Window("s", s, s, time.Second, time.Second, TopicConfig("retention.ms", "7")).ChangelogWith(shorter, time.Minute)
	require.Equal(t, "7", got["retention.ms"])
	got, _ = KeyValue("s", s, s).ChangelogWith(shorter, time.Minute)
	require.Equal(t, "1", got["retention.ms"])
}

type countingLog struct{ bytes int }

func (l *countingLog) Log(r LogRecord) error {
	l.bytes += len(r.Key) + len(r.Value)
	return nil
}

func TestDefinitionCheck(t *testing.T) {
	s := serde.String
	require.NoError(t, Window("s", s, s, 0, 0).Check())
	require.NoError(t, Window("s", s, s, window.Forever, window.Forever).Check())
	for want, d := range map[string]AnyDefinition{
		"retention of 1s is shorter":     Window("s", s, s, 2*time.Second, time.Second),
		"retention is -1ms":              Session("s", s, s, -time.Millisecond),
		"TTL is 1µs":                     KeyValue("s", s, s, TTL(time.Microsecond)),
		"LRU(0)":                         KeyValue("s", s, s, LRU(0)),
		"both LRU and TTL":               KeyValue("s", s, s, LRU(1), TTL(time.Second)),
		"session store has neither":      Session("s", s, s, time.Second, LRU(1)),
		"key-value store has no":         KeyValue("s", s, s, Duplicates()),
		"versioned store is not ordered": Versioned("s", s, s, time.Second, TimeFirst()),
		"no serde":                       KeyValue[string, string]("s", nil, nil),
	} {
		_, err := Open(Env{}, []AnyDefinition{d})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "store s")
	}
}

// A record that is processed costs no allocation in a store whose key is there.
func TestUpdateAllocatesNothing(t *testing.T) {
	log := &countingLog{}
	for name, cache := range map[string]*Cache{"uncached": nil, "cached": NewCache(1 << 20)} {
		s, err := Open(Env{Cache: cache, Record: &RecordContext{}, Changelog: func(string) Changelog { return log }}, []AnyDefinition{
			TimestampedKeyValue("kv", serde.String, serde.Int64, WithCaching()),
			TimestampedWindow("w", serde.String, serde.Int64, time.Minute, time.Hour, WithCaching()),
		})
		require.NoError(t, err)
		kv, w := s.Get("kv").(*KV[string, Stamped[int64]]), s.Get("w").(*Windows[string, Stamped[int64]])
		update := func() {
			v, _, _ := kv.Get("key")
			v.Value++
			_ = kv.Put("key", v)
			v, _, _ = w.Get("key", 60_000)
			v.Value++
			_ = w.Put("key", 60_000, v)
		}
		for range 10_000 {
			update()
		}
		require.NoError(t, s.Flush())
		for range 10_000 { // both of the cache's logs of updates have grown
			update()
		}
		require.NoError(t, s.Flush())
		require.Zero(t, testing.AllocsPerRun(1000, update), name)
	}
}
