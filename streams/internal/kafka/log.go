package kafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger passes kgo's warnings and errors on. Its info and debug lines are for somebody who debugs kgo: they come at debug level.
type logger struct {
	l *slog.Logger
}

func newLogger(l *slog.Logger) kgo.Logger {
	if l == nil {
		l = slog.Default()
	}
	return logger{l.With("component", "kafka-client")}
}

func (l logger) Level() kgo.LogLevel {
	if l.l.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l logger) Log(level kgo.LogLevel, msg string, kv ...any) {
	s := slog.LevelDebug
	switch level {
	case kgo.LogLevelError, kgo.LogLevelWarn:
		s = slog.LevelWarn
	}
	l.l.Log(context.Background(), s, msg, kv...)
}
