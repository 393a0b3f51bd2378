package streams

import (
	"github.com/millrace-go/millrace/topology"
)

// finals says when windows that are emitted once, on closing, have to be emitted (KIP-825). Its two numbers bound the windows that wait:
//
//	every window that ends before from was emitted or is late
//	every window that waits ends at or after earliest >= from
//
// so that a record that closes nothing costs a comparison, and no time between looks is needed (Kafka Streams looks once a second at most, and
// what expires from the store meanwhile is lost).
type finals struct {
	ctx      *topology.Context
	key      string // in the offsets' metadata, where Kafka Streams has the time too
	windows  *windowing
	from     Time
	earliest Time
}

// newFinals goes on from the committed offsets.
func newFinals(ctx *topology.Context, store string, w *windowing) *finals {
	f := &finals{ctx: ctx, key: store, windows: w}
	if last, ok := ctx.ProcessorMetadata(store); ok {
		f.from = f.inclusive(Time(last)).AddMillis(1)
	}
	f.earliest = f.from
	return f
}

// Kafka Streams keeps stream time minus grace (and gap): the end of the last window that is closed, or for windows that contain their end, the end of
// the first that is not.
func (f *finals) inclusive(last Time) Time { return last.AddMillis(f.windows.held - f.windows.wait) }

// clock is the stream time that the committed progress stands for, -1 if there is none.
func (f *finals) clock() Time {
	if last, ok := f.ctx.ProcessorMetadata(f.key); ok {
		return Time(last).AddMillis(f.windows.held)
	}
	return -1
}

// expect notes that a window that waits ends then.
func (f *finals) expect(end Time) { f.earliest = min(f.earliest, end) }

// due says whether windows may have closed by stream time: those that end in [from, until].
func (f *finals) due(clock Time) (from, until Time, due bool) {
	until = f.windows.closed(clock)
	return f.from, until, until >= f.earliest
}

// done says that the windows that end at or before until were emitted, and that the others end at or after next.
func (f *finals) done(until, next Time) {
	f.from, f.earliest = until.AddMillis(1), next
	f.ctx.SetProcessorMetadata(f.key, int64(until.AddMillis(f.windows.wait-f.windows.held)))
}
