package runtime

import (
	"context"
	"time"

	"github.com/millrace-go/millrace/topology"
)

const (
	pollMax       = 3000                   // records of one poll: with what is left in the queues they last while the next are fetched
	bufferedBytes = 32 << 20               // of a partition's queue, before it is paused; of a thread's, before it fetches no more while it has something to do
	pauseFactor   = 5                      // a partition is paused that has so many times its bound of records, and not below
	pauseRecords  = 8192 - pollMax         // records: another poll then fits into a ring of that many, and pausing throws away what the client has fetched ahead
	maxChunk      = 500                    // records of one task before the others have their turn
	idleWait      = 100 * time.Millisecond // how long a poll waits when there is nothing to do
	sliceTime     = 50 * time.Millisecond  // how long the tasks process before the next look at events and the network
)

// step is one turn of the loop: what the group says, restore, poll, process, punctuate, commit. stop only cuts the waiting for records short.
func (t *Thread) step(stop, ctx context.Context) error {
	for _, e := range t.Consumer.Events() {
		if err := t.handle(ctx, e); err != nil {
			return err
		}
	}
	if err := t.Consumer.Rejoin(); err != nil {
		return err
	}
	if err := t.restoreStep(ctx); err != nil {
		return err
	}
	t.tell()
	if err := t.poll(stop); err != nil {
		return err
	}
	t.answer()
	if err := t.process(); err != nil {
		return err
	}
	now := time.Now()
	if err := t.punctuate(now); err != nil {
		return err
	}
	if t.due(now) {
		if err := t.commit(ctx, now, whatIsWorthIt); err != nil {
			return err
		}
		t.answer() // before records are processed again
	}
	return nil
}

func (t *Thread) tell() {
	all := t.assigned
	for _, m := range t.tasks {
		all = all && m.runs()
	}
	if all == t.running {
		return
	}
	t.running = all
	var running []*Task
	for _, m := range t.tasks {
		if m.runs() {
			running = append(running, m.Task)
		}
	}
	t.snapshot.Store(&running)
	if t.Listener.Running != nil {
		t.Listener.Running(all)
	}
}

// poll fetches when the queues have room, and waits when there is nothing to process.
func (t *Thread) poll(ctx context.Context) error {
	buffered, bytes, room, wait, ready := 0, int64(0), 0, idleWait, false
	now := time.Now()
	for _, m := range t.tasks {
		if !m.runs() {
			continue
		}
		if m.Ready(Time(now.UnixMilli())) {
			wait, ready = 0, true
		}
		buffered += m.Buffered()
		for _, q := range m.queues {
			bytes += q.Bytes()
		}
		room += t.Config.BufferedRecords * len(m.inputs)
	}
	if wait > 0 && t.restore.busy() {
		wait = 2 * time.Millisecond
	}
	if until := t.CommitInterval - now.Sub(t.lastCommit); wait > until {
		wait = max(until, time.Millisecond)
	}
	if ready && (buffered >= room || bytes >= bufferedBytes) { // tasks that wait for a partition's records are not helped by waiting for room
		t.balance()
		return nil
	}
	busy, got := ready, false
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		t.wake.Store(&cancel)
		if len(t.requests) > 0 {
			wait = 0
		}
	}
	err := t.Consumer.Poll(ctx, wait, pollMax, func(tp TopicPartition, rs []topology.Raw, high int64) {
		got = true
		m := t.inputs[tp]
		if m == nil || !m.runs() {
			return
		}
		q := m.queues[tp]
		m.Push(q, rs)
		m.high[tp] = high
		q.SetLag(max(high-q.next, 0))
	})
	t.balance()
	if busy || got {
		t.idleSince = time.Time{}
	} else if t.idleSince.IsZero() {
		t.idleSince = now
	} else if now.Sub(t.idleSince) > idleWait {
		t.probe()
	}
	return err
}

// balance pauses a partition whose queue is far above its bound, so that others are fetched, and resumes it at half.
func (t *Thread) balance() {
	bound := t.Config.BufferedRecords
	for _, m := range t.tasks {
		for tp, q := range m.queues {
			switch n := q.Len(); {
			case !m.paused[tp] && (n > pauseFactor*bound && n > pauseRecords || q.Bytes() > bufferedBytes):
				t.Consumer.Pause([]TopicPartition{tp})
				m.paused[tp] = true
			case m.paused[tp] && n <= bound/2 && q.Bytes() <= bufferedBytes/2:
				t.Consumer.Resume([]TopicPartition{tp})
				delete(m.paused, tp)
			}
		}
	}
}

// probe looks at partitions whose high watermark is ahead although the idle thread gets nothing: transaction markers, aborted records. The consumer does not
// show that it stepped over them; a direct fetch does.
func (t *Thread) probe() {
	for _, m := range t.tasks {
		for tp, q := range m.queues {
			if q.Len() == 0 && q.next >= 0 && q.next < m.high[tp] && !m.paused[tp] {
				t.restore.probe(t, tp, q)
			}
		}
	}
}

// readGlobals keeps the global stores as they are until the answer is called: while nodes work.
func (t *Thread) readGlobals() (done func()) {
	if t.Global == nil {
		return func() {}
	}
	t.Global.RLock()
	return t.Global.RUnlock
}

// process gives each task its turns until nothing is ready or it is time to look at the rest of the world.
func (t *Thread) process() error {
	defer t.readGlobals()()
	began := time.Now()
	now := began
	for any := true; any; {
		any = false
		for _, m := range t.tasks {
			if !m.runs() || !m.Ready(Time(now.UnixMilli())) {
				continue
			}
			n, err := m.Process(max(m.chunk, 1))
			t.processed.Add(int64(n))
			if err == nil {
				_, err = m.PunctuateStream()
			}
			if err != nil {
				return err
			}
			any = any || n > 0
			took := time.Since(now)
			now = now.Add(took)
			m.chunk = nextChunk(max(m.chunk, 1), n, took)
			if m.CommitRequested() || m.Full() || now.Sub(began) > sliceTime || now.Sub(t.lastCommit) > t.CommitInterval {
				return nil
			}
		}
	}
	return nil
}

// nextChunk makes chunks of quick records longer and those of slow ones shorter: the clock is not read for every record, and a function that takes a while, as a call of
// a remote service does, delays no commit by hundreds of records. Under exactly-once the transaction would time out, after each restart anew.
func nextChunk(chunk, n int, took time.Duration) int {
	const aim = sliceTime / 5
	switch {
	case took > aim:
		return max(int(int64(n)*int64(aim)/int64(took)), 1)
	case n == chunk && took < aim/2:
		return min(2*chunk, maxChunk)
	}
	return chunk
}

func (t *Thread) punctuate(now time.Time) error {
	defer t.readGlobals()()
	for _, m := range t.tasks {
		if !m.runs() {
			continue
		}
		if _, err := m.PunctuateWall(Time(now.UnixMilli())); err != nil {
			return err
		}
		if err := m.Idle(Time(now.UnixMilli())); err != nil {
			return err
		}
	}
	return nil
}

// due says whether it is time to commit.
func (t *Thread) due(now time.Time) bool {
	if since := now.Sub(t.lastCommit); since >= t.CommitInterval || len(t.held) > 0 && since >= queryInterval {
		return true
	}
	for _, m := range t.tasks {
		if m.runs() && (m.CommitRequested() || m.Full()) {
			return true
		}
	}
	return false
}
