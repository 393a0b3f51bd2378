package streamstest

import (
	"errors"

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
	if !d.exactly { // what was sent is in the topics, but the tasks did not come to see it
		d.record(func(p *partition, r *topology.Raw) error {
			p.append(r)
			return nil
		})
	}
	d.sent, d.unsent = d.sent[:0], d.unsent[:0]
	err := d.stop()
	if d.err = d.start(); d.err != nil {
		d.err = errors.Join(d.err, d.stop())
	}
	return errors.Join(err, d.err)
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
		if c.Source {
			for i := range p.log {
				r := &p.log[i]
				if r.Offset >= p.committed.Offset {
					next = p.committed.Offset
					break
				}
				rs = append(rs, state.Restored{Key: r.Key, Value: r.Value, Offset: r.Offset, Time: r.Time, Headers: r.Headers})
			}
		} else {
			t.last(func(r Raw, offset int64) {
				if r.Partition == c.Partition {
					rs = append(rs, state.Restored{Key: r.Key, Value: r.Value, Offset: offset, Time: r.Time, Headers: r.Headers})
				}
			})
		}
		if err := u.task.Stores().Restore(c.Store, rs, state.Position{Next: next}); err != nil {
			return err
		}
	}
	return nil
}
