package commitlog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendReadReopen(t *testing.T) {
	t.Parallel()
	for _, sync := range []Sync{SyncNone, SyncInterval, SyncAlways} {
		t.Run(sync.String(), func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, func(e *env) { e.opts.Sync = sync; e.cfg.SegmentBytes = 2000 })
			var want []string
			for i := range 100 {
				v := fmt.Sprint("v", i)
				want = append(want, v, v+"b")
				r := mustAppend(t, e.part(), values(v, v+"b"))
				require.EqualValues(t, 2*i, r.BaseOffset)
				require.EqualValues(t, 2*i+1, r.LastOffset)
			}
			check := func() {
				for _, max := range []int{1, 100, 1000, 1 << 20} {
					require.Equal(t, want, valuesOf(readAll(t, e.part(), 0, ReadUncommitted, max)))
					require.Equal(t, want[7:], valuesOf(readAll(t, e.part(), 7, ReadCommitted, max)))
				}
				require.Equal(t, Offsets{0, 200, 200, 200}, e.part().Offsets())
			}
			check()
			e.kill()
			check()
			e.reopen()
			check()
			require.EqualValues(t, 200, mustAppend(t, e.part(), values("x")).BaseOffset)
		})
	}
}
