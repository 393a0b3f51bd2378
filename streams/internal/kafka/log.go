package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger passes kgo's warnings and errors on. Its info and debug lines are for somebody who debugs kgo: they come at debug level.
type logger struct {
	l    *slog.Logger
	told *told
}

// clientLog is the log of an application's clients: what one of them has said need not be said by all.
func (c *Config) clientLog() kgo.Logger {
	l := c.Logger
	if l == nil {
		l = slog.Default()
	}
	return logger{l.With("component", "kafka-client"), &c.told}
}

func (l logger) Level() kgo.LogLevel {
	if l.l.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l logger) Log(level kgo.LogLevel, msg string, kv ...any) {
	if level == kgo.LogLevelError || level == kgo.LogLevelWarn {
		if n, ok := l.told.now(subject(msg, kv), time.Now()); ok {
			if n > 0 {
				kv = append(kv[:len(kv):len(kv)], "repeated", n)
			}
			l.l.Warn(msg, kv...)
			return
		}
	}
	l.l.Debug(msg, kv...)
}

// subject is a message with what it is about; without what differs each time it is said, like a time to wait or a port of ours.
func subject(msg string, kv []any) string {
	for i := 0; i+1 < len(kv); i += 2 {
		switch kv[i] {
		case "addr", "topic", "partition":
			msg += fmt.Sprint(" ", kv[i+1])
		}
	}
	return msg
}

const (
	tellAgain   = 10 * time.Second
	maxSubjects = 1000 // that are remembered: more would be brokers times messages, or an error in subject
)

// told remembers what was told, so that a broker that is away costs a line now and then and not one for each attempt of each client. Its zero value has told
// nothing.
type told struct {
	mu   sync.Mutex
	last map[string]telling
}

type telling struct {
	at     time.Time
	unsaid int
}

// now says whether it is time to tell of a subject, and if so, how often that was left out since.
func (t *told) now(subject string, now time.Time) (unsaid int, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, known := t.last[subject]
	if known && now.Sub(was.at) < tellAgain {
		was.unsaid++
		t.last[subject] = was
		return 0, false
	}
	if t.last == nil || len(t.last) >= maxSubjects {
		t.last = map[string]telling{}
	}
	t.last[subject] = telling{at: now}
	return was.unsaid, true
}
