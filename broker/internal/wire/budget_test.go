package wire

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBudget: whatever frames take and give back, also those that are given up, all get what they want, no more is out than there is
// and one frame, and in the end all is back.
func TestBudget(t *testing.T) {
	t.Parallel()
	const limit, frame, step = 1000, 400, 100
	b := newBudget(limit)
	var out atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(4) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(100))*time.Microsecond)
				}
				var s share
				for s.held < frame {
					if _, err := b.take(ctx, &s, step); err != nil {
						break
					}
					runtime.Gosched()
					if out.Add(step) > limit+frame {
						t.Error("too much is out")
					}
				}
				out.Add(-s.held)
				b.give(&s)
				cancel()
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, limit, b.free)
	require.Nil(t, b.over)
	require.Empty(t, b.queue)
}
