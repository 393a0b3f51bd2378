package commitlog

import (
	"context"
	"time"
)

// limiter keeps to a number of bytes per second.
type limiter struct {
	rate  int64 // 0: no bound
	start time.Time
	bytes int64
}

func newLimiter(rate int64) *limiter { return &limiter{rate: rate, start: time.Now()} }

// spent adds bytes.
func (l *limiter) spent(n int64) { l.bytes += n }

// wait takes the bytes that a reader has counted and returns when they are within the rate.
func (l *limiter) wait(ctx context.Context, read *int64) error {
	l.bytes += *read
	*read = 0
	if l.rate <= 0 {
		return nil
	}
	ahead := time.Duration(float64(l.bytes)/float64(l.rate)*float64(time.Second)) - time.Since(l.start)
	if ahead < 10*time.Millisecond {
		return nil
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return errAbandoned
	}
}
