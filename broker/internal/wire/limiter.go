package wire

import (
	"sync"
	"time"
)

// limiter is a token bucket: perSecond tokens a second, at most burst saved up.
type limiter struct {
	perSecond, burst float64

	mu     sync.Mutex
	tokens float64
	last   time.Time
}

func newLimiter(perSecond, burst float64) *limiter {
	return &limiter{perSecond: perSecond, burst: burst, tokens: burst, last: time.Now()}
}

// allow takes a token if there is one.
func (l *limiter) allow() bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = min(l.burst, l.tokens+now.Sub(l.last).Seconds()*l.perSecond)
	l.last = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
