package security

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// EventKind says what an Event tells.
type EventKind int

// The kinds of events.
const (
	LoggedIn    EventKind = iota // a client said who it is, and it was true
	LogInFailed                  // it was not
	Denied                       // a client asked for what it may not do
	Changed                      // somebody changed topics, configs, groups, users or rules
)

// Event is something that an operator may have to answer for.
type Event struct {
	Kind      EventKind
	Principal Principal // empty when not known
	Host      string
	Mechanism string // of a log-in
	Operation string // that was denied, or done
	Resource  string // "Topic:orders"
	Reason    string // why it failed, or what changed; never a secret
}

// Audit takes events, from any goroutine.
type Audit func(Event)

// auditPerSecond is how many lines of refusals a second are written: a client
// that insists must not fill a disk. How many were left out is told.
const auditPerSecond = 20

// LogAudit writes events to a logger: refusals as warnings, within bounds,
// everything else in full.
func LogAudit(log *slog.Logger, now func() time.Time) Audit {
	var mu sync.Mutex
	var second int64
	var lines, left int
	admit := func() (ok bool, skipped int) {
		mu.Lock()
		defer mu.Unlock()
		if s := now().Unix(); s != second {
			second, lines, skipped, left = s, 0, left, 0
		}
		lines++
		if lines > auditPerSecond {
			left++
			return false, skipped
		}
		return true, skipped
	}
	return func(e Event) {
		level, text := slog.LevelInfo, ""
		switch e.Kind {
		case LoggedIn:
			text = "log-in"
		case LogInFailed:
			level, text = slog.LevelWarn, "log-in failed"
		case Denied:
			level, text = slog.LevelWarn, "denied"
		case Changed:
			text = "changed"
		}
		if level == slog.LevelWarn {
			ok, skipped := admit()
			if skipped > 0 {
				log.Warn("refusals left out of the log", "count", skipped)
			}
			if !ok {
				return
			}
		}
		attrs := []slog.Attr{slog.String("principal", string(e.Principal)), slog.String("host", e.Host)}
		for _, a := range [][2]string{{"mechanism", e.Mechanism}, {"operation", e.Operation}, {"resource", e.Resource}, {"reason", e.Reason}} {
			if a[1] != "" {
				attrs = append(attrs, slog.String(a[0], a[1]))
			}
		}
		log.LogAttrs(context.Background(), level, text, attrs...)
	}
}
