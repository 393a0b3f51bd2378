package streamstest

import (
	"cmp"
	"errors"
	"slices"

	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/topology"
)

// Crash ends all tasks as a crash of the application would: what nodes, caches and stores hold in memory is lost, and with Config.Guarantee ExactlyOnce what was not
// committed as well. Then they start anew: stores are restored from their changelogs, and what was not committed is processed again with the
// next Pipe, AdvanceWallClock or Commit. Stores without a changelog are empty. It also brings back a driver that an error has stopped.
func (d *Driver) Crash() error {
	if d.err == errClosed {
		return d.err
	}
	if !d.exactly && len(d.sent) > 0 { // sent, but the tasks did not come to see it
		d.keepSent()
	}
	clear(d.sent)
	d.sent = d.sent[:0]
	err := d.stop()
	if d.err = d.start(); d.err != nil {
		d.err = errors.Join(d.err, d.stop())
	}
	return errors.Join(err, d.err)
}

// keepSent appends what was sent to its topics without handing it to tasks, which are about to end.
func (d *Driver) keepSent() {
	for i := range d.sent {
		d.record(&d.sent[i])
		d.sent[i].to.append(d.sent[i].to.partitions[d.sent[i].at], d.sent[i].raw)
	}
}

// restore fills the stores of a task from their changelogs.
func (d *Driver) restore(u *unit) error {
	for _, c := range u.task.Changelogs() {
		t := d.named[c.Topic]
		if t == nil || int(c.Partition) >= len(t.partitions) {
			continue
		}
		p := t.partitions[c.Partition]
		var rs []state.Restored
		next := p.next
		log := p.log
		if t.compact {
			log = slices.Clone(log)
			slices.SortFunc(log, func(a, b topology.Raw) int { return cmp.Compare(a.Offset, b.Offset) })
		}
		for i := range log {
			r := &log[i]
			if c.Source && r.Offset >= p.committed.Offset {
				next = p.committed.Offset
				break
			}
			rs = append(rs, state.Restored{Key: r.Key, Value: r.Value, Offset: r.Offset, Time: r.Time, Headers: r.Headers})
		}
		if err := u.task.Stores().Restore(c.Store, rs, state.Position{Next: next}); err != nil {
			return err
		}
	}
	return nil
}
