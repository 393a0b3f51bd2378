package streamstest

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams/internal/runtime"
	"github.com/millrace-go/millrace/topology"
	"github.com/millrace-go/millrace/window"
)

// collector puts what tasks write into the driver's topics.
type collector Driver

func (c *collector) Send(o *topology.Outgoing) error {
	d := (*Driver)(c)
	var t *topic
	if o.To.Slot > 0 {
		t = d.topics[o.To.Slot]
	} else {
		var err error
		if t, err = d.output(o.To.Topic); err != nil {
			return err
		}
		o.To.Slot = t.slot
	}
	p := o.Partition
	if n := int32(len(t.partitions)); p < 0 {
		p = 0
		if n > 1 && !o.NoKey {
			p = runtime.Partition(o.Hash, n)
		}
	}
	r := Raw{Partition: p, Time: o.Time, Headers: o.Headers}
	if !o.NoKey {
		r.Key = present(o.Key)
	}
	if !o.Tombstone {
		r.Value = present(o.Value)
	}
	d.send(t, &r)
	return nil
}

// send takes a record until it is settled.
func (d *Driver) send(t *topic, r *Raw) {
	before := len(d.unsent)
	d.unsent = appendRecord(d.unsent, r)
	d.sent = append(d.sent, sent{int32(t.slot), r.Partition, len(d.unsent) - before})
}

// present makes bytes that are there not nil.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (c *collector) Partitions(topic string) (int32, error) {
	t, err := (*Driver)(c).output(topic)
	if err != nil {
		return 0, err
	}
	return int32(len(t.partitions)), nil
}

func (c *collector) Changelog(name string, p int32) (state.Changelog, error) {
	d := (*Driver)(c)
	t := d.named[name]
	if t == nil || int(p) >= len(t.partitions) {
		return nil, fmt.Errorf("streamstest: there is no partition %d of changelog %q", p, name)
	}
	return &changelog{d, t, p}, nil
}

// changelog is one partition of a store's changelog.
type changelog struct {
	d  *Driver
	to *topic
	at int32
}

func (c *changelog) Log(r state.LogRecord) error {
	raw := Raw{Partition: c.at, Time: r.Time, NoTime: r.NoTime, Headers: r.Headers, Key: present(r.Key)}
	if r.NoTime {
		raw.Time = c.d.now
	}
	if !r.Tombstone {
		raw.Value = present(r.Value)
	}
	c.d.send(c.to, &raw)
	return nil
}

// Pipe appends r to its topic and works until nothing is left. With several partitions its key chooses one. After an error of processing the driver is
// of no more use, until a Crash.
func (d *Driver) Pipe(r Raw) error {
	return d.pipe(r, -1)
}

// PipeTo is Pipe to a partition.
func (d *Driver) PipeTo(partition int, r Raw) error {
	return d.pipe(r, int32(partition))
}

func (d *Driver) pipe(r Raw, p int32) error {
	if err := d.addRaw(&r, p); err != nil {
		return err
	}
	return d.work(1)
}

// PipeAll pipes records in order. With the option Batches they are all appended first, then processed in batches.
func (d *Driver) PipeAll(rs iter.Seq[Raw]) error {
	return pipeAll(d, rs, func(r Raw) error { return d.addRaw(&r, -1) })
}

// pipeAll adds records and works them off: one by one, or with the option Batches all together.
func pipeAll[R any](d *Driver, rs iter.Seq[R], add func(R) error) error {
	for r := range rs {
		if err := add(r); err != nil {
			return err
		}
		if !d.options.batches {
			if err := d.work(1); err != nil {
				return err
			}
		}
	}
	if d.options.batches {
		return d.work(batch)
	}
	return nil
}

// batch is how many records a task processes before timers fire and another task has its turn.
const batch = 1000

// addRaw is add by the name of the topic.
func (d *Driver) addRaw(r *Raw, p int32) error {
	if d.err != nil {
		return d.err
	}
	t, err := d.input(r.Topic)
	if err != nil {
		return err
	}
	return d.add(t, p, &topology.Raw{Key: r.Key, Value: r.Value, Time: r.Time, Headers: r.Headers})
}

// add appends r to a topic, at a partition or, if that is negative, where its key belongs, and hands it to its task.
func (d *Driver) add(t *topic, p int32, r *topology.Raw) error {
	if d.err != nil {
		return d.err
	}
	n := int32(len(t.partitions))
	switch {
	case p >= n:
		return fmt.Errorf("streamstest: topic %q has partitions 0 to %d, not %d", t.name, n-1, p)
	case p < 0 && r.Key != nil && n > 1:
		p = runtime.Partition(r.Key, n)
	case p < 0:
		p = 0
	}
	r.Topic, r.Partition = t.name, p
	return d.deliver(t.partitions[p], r)
}

// deliver appends a record to a partition; global stores get it at once, tasks when they have room.
func (d *Driver) deliver(p *partition, r *topology.Raw) error {
	p.append(r)
	if p.topic.global {
		d.one[0] = *r
		if err := d.global.Apply(d.one[:]); err != nil {
			return d.fail(err)
		}
	}
	if p.unit != nil {
		p.unit.fetch(p)
	}
	return nil
}

// room is how many records a task's queue holds.
const room = 2 * batch

// fetch hands a partition's next records to its task while there is room.
func (u *unit) fetch(p *partition) {
	if n := room - p.queue.Len(); n > 0 && p.pushed < p.next {
		rs := p.log[len(p.log)-1:] // the usual case: a new record
		if rs[0].Offset != p.pushed {
			rs = p.from(p.pushed)
			rs = rs[:min(n, len(rs))]
		}
		u.task.Push(p.queue, rs)
		p.pushed = rs[len(rs)-1].Offset + 1
		p.queue.SetLag(p.next - p.pushed)
	}
}

// work processes until no task is ready, so many records at a time.
func (d *Driver) work(size int) error {
	for more := true; more; {
		more = false
		for _, u := range d.units {
			if !u.task.Ready(d.now) {
				continue
			}
			more = true
			if _, err := u.task.Process(size); err != nil {
				return d.fail(err)
			}
			for _, p := range u.in {
				u.fetch(p)
			}
			if _, err := u.task.PunctuateStream(); err != nil {
				return d.fail(err)
			}
			d.countRequest(u)
			var err error
			switch {
			case size == 1 && !d.options.manual, u.task.CommitRequested() && !d.options.manual:
				err = d.commit()
			case !d.exactly:
				err = d.settle()
			}
			if err != nil {
				return d.fail(err)
			}
		}
		if !more && size > 1 && !d.options.manual {
			if err := d.commit(); err != nil {
				return d.fail(err)
			}
			more = slices.ContainsFunc(d.units, func(u *unit) bool { return u.task.Ready(d.now) })
		}
	}
	return nil
}

// countRequest counts a task's request for a commit. With ManualCommit the task goes on asking until there is one.
func (d *Driver) countRequest(u *unit) {
	if u.task.CommitRequested() {
		d.requests++
	}
}

// Commit commits, as the driver does by itself without ManualCommit, and works off what came of it.
func (d *Driver) Commit() error {
	if d.err != nil {
		return d.err
	}
	if err := d.commit(); err != nil {
		return d.fail(err)
	}
	if d.options.batches {
		return d.work(batch)
	}
	return d.work(1)
}

// commit takes all tasks through the steps of a commit, in the thread's order.
func (d *Driver) commit() error {
	for _, u := range d.units {
		if err := u.task.Flush(); err != nil {
			return err
		}
	}
	for _, u := range d.units {
		d.offsets = u.task.AppendOffsets(d.offsets[:0])
		i := 0
		for _, o := range d.offsets { // in the order of the inputs
			for u.spec.Inputs[i] != o.TopicPartition {
				i++
			}
			u.in[i].committed = o
		}
		u.task.Committed()
		for _, p := range u.in {
			p.trim()
		}
	}
	return d.settle()
}

// settle appends what was sent to its topics and hands it to who reads them.
func (d *Driver) settle() error {
	err := d.record(d.deliver)
	d.sent, d.unsent = d.sent[:0], d.unsent[:0]
	return err
}

// record keeps what was sent for Produced, Output and restores, and delivers what belongs to a topic that is read.
func (d *Driver) record(deliver func(*partition, *topology.Raw) error) (err error) {
	from := 0
	for i := range d.sent {
		s := &d.sent[i]
		t := d.topics[s.slot]
		p := t.partitions[s.at]
		t.made.append(p.next, d.unsent[from:from+s.size])
		from += s.size
		d.order = append(d.order, s.slot)
		if p.unit == nil && !t.keep {
			p.next++
			continue
		}
		r := t.made.newest(s.size)
		failed := deliver(p, &topology.Raw{Topic: t.name, Partition: s.at, Key: r.Key, Value: r.Value, Time: r.Time, Headers: r.Headers})
		if err == nil {
			err = failed
		}
	}
	return err
}

func (d *Driver) fail(err error) error {
	if d.err == nil {
		d.err = err
	}
	return err
}

// AdvanceWallClock moves the wall clock, fires the timers that are due by it, each once, commits and works off what came of it.
func (d *Driver) AdvanceWallClock(by time.Duration) error {
	if d.err != nil {
		return d.err
	}
	if by < 0 {
		return errors.New("streamstest: the wall clock cannot go back")
	}
	d.now += window.Time(by.Milliseconds())
	for _, u := range d.units {
		if _, err := u.task.PunctuateWall(d.now); err != nil {
			return d.fail(err)
		}
		if err := u.task.Idle(d.now); err != nil {
			return d.fail(err)
		}
		d.countRequest(u)
	}
	if d.options.manual {
		if !d.exactly {
			if err := d.settle(); err != nil {
				return d.fail(err)
			}
		}
	} else if err := d.commit(); err != nil {
		return d.fail(err)
	}
	if d.options.batches {
		return d.work(batch)
	}
	return d.work(1)
}
