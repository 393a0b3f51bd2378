package txn

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
)

// script runs the commands of a testdata file on one transaction. Producer ids are counted from 1.
type script struct {
	t   *Txn
	now time.Time
	pid int64
}

func (s *script) next() int64 {
	if !s.t.Exhausted() {
		return none
	}
	s.pid++
	return s.pid
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	var step Step
	var code Code
	switch d.Cmd {
	case "new":
		s.pid = 1
		s.now = time.UnixMilli(0)
		s.t = New("id", 1, s.now)
		if d.HasArg("epoch") {
			var e int
			d.ScanArgs(t, "epoch", &e)
			s.t.Epoch = int16(e)
		}
		return s.state()
	case "advance":
		var ms int
		d.ScanArgs(t, "ms", &ms)
		s.now = s.now.Add(time.Duration(ms) * time.Millisecond)
		return fmt.Sprintf("timed out: %t", s.t.TimedOut(s.now))
	case "init":
		pid, epoch := s.owner(t, d, none, none)
		step, code = s.t.Init(s.now, time.Second, pid, epoch, s.next())
	case "produce":
		pid, epoch := s.owner(t, d, s.t.ProducerID, s.t.Epoch)
		if code = s.t.CheckProduce(pid, epoch); code == 0 {
			s.t.AddPartition(s.now, partition(t, d))
		}
	case "add-partition":
		pid, epoch := s.owner(t, d, s.t.ProducerID, s.t.Epoch)
		step, code = s.t.AddPartitions(s.now, pid, epoch, []Partition{partition(t, d)})
	case "add-group":
		pid, epoch := s.owner(t, d, s.t.ProducerID, s.t.Epoch)
		step, code = s.t.AddGroup(s.now, pid, epoch, "g")
	case "end":
		pid, epoch := s.owner(t, d, s.t.ProducerID, s.t.Epoch)
		step, code = s.t.End(s.now, pid, epoch, d.HasArg("commit"), d.HasArg("v2"), s.next())
	case "abort":
		step = s.t.Abort(s.now, s.next())
	case "complete":
		s.t.Complete(s.now)
	case "reopen":
		_, epoch := s.owner(t, d, s.t.ProducerID, s.t.Epoch)
		return fmt.Sprintf("%t\n%s", s.t.Reopen(s.now, partition(t, d), epoch), s.state())
	default:
		d.Fatalf(t, "unknown command")
	}
	if code != 0 {
		return kerr.ErrorForCode(code).(*kerr.Error).Message + "\n" + s.state()
	}
	return [...]string{"answer", "store", "finish", "finish first"}[step] + "\n" + s.state()
}

func (s *script) owner(t *testing.T, d *datadriven.TestData, pid int64, epoch int16) (int64, int16) {
	p, e := int(pid), int(epoch)
	d.MaybeScanArgs(t, "pid", &p)
	d.MaybeScanArgs(t, "epoch", &e)
	return int64(p), int16(e)
}

func partition(t *testing.T, d *datadriven.TestData) Partition {
	p := 0
	d.MaybeScanArgs(t, "p", &p)
	return Partition{Partition: int32(p)}
}

func (s *script) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s producer=%d epoch=%d", s.t.State, s.t.ProducerID, s.t.Epoch)
	if s.t.State == PrepareAbort || s.t.State == PrepareCommit {
		pid, epoch, commit := s.t.Marker()
		fmt.Fprintf(&b, " marker=(%d, %d, commit %t)", pid, epoch, commit)
	}
	for _, p := range s.t.SortedPartitions() {
		fmt.Fprintf(&b, " p%d", p.Partition)
	}
	if len(s.t.Groups) > 0 {
		b.WriteString(" groups")
	}
	return b.String() + "\n"
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := s.run(t, d)
			// What is stored is all there is: a restart between any two steps must not matter.
			got, err := Decode(s.t.ID, s.t.AppendTo(nil))
			require.NoError(t, err)
			require.Equal(t, s.t.AppendTo(nil), got.AppendTo(nil))
			s.t = got
			return out
		})
	})
}

func TestDecodeRefusesDamage(t *testing.T) {
	t.Parallel()
	x := New("id", 7, time.UnixMilli(5))
	x.AddPartition(time.UnixMilli(6), Partition{Partition: 3})
	x.Groups["g"] = struct{}{}
	b := x.AppendTo(nil)
	for i := range b {
		_, err := Decode("id", b[:i])
		require.Error(t, err, "first %d bytes", i)
	}
	_, err := Decode("id", append(b, 0))
	require.Error(t, err)
}

// TestRandomCallsKeepTheLaws makes random calls of two producers and checks what must hold whatever they do.
func TestRandomCallsKeepTheLaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		pids := int64(1)
		now := time.UnixMilli(0)
		x := New("id", 1, now)
		x.Epoch = int16(r.IntN(2) * (lastEpoch - 3)) // half of the runs exhaust the epoch
		next := func() int64 {
			if !x.Exhausted() {
				return none
			}
			pids++
			return pids
		}
		type owner struct {
			pid   int64
			epoch int16
		}
		known := []owner{{none, none}, {1, x.Epoch}}
		fenced := map[owner]bool{} // what was known before a new instance took over
		for range 300 {
			now = now.Add(time.Duration(r.IntN(300)) * time.Millisecond)
			o := known[r.IntN(len(known))]
			before := owner{x.ProducerID, x.Epoch}
			var step Step
			var code Code
			call := r.IntN(6)
			switch call {
			case 0:
				step, code = x.Init(now, time.Second, o.pid, o.epoch, next())
			case 1:
				if code = x.CheckProduce(o.pid, o.epoch); code == 0 {
					require.Equal(t, before, o, "only the current producer writes")
					x.AddPartition(now, Partition{Partition: int32(r.IntN(3))})
				}
			case 2:
				step, code = x.AddGroup(now, o.pid, o.epoch, "g")
			case 3:
				step, code = x.End(now, o.pid, o.epoch, r.IntN(2) == 0, r.IntN(2) == 0, next())
			case 4:
				if x.TimedOut(now) {
					step = x.Abort(now, next())
				}
			case 5:
				if x.State == PrepareAbort || x.State == PrepareCommit {
					x.Complete(now)
				}
			}
			after := owner{x.ProducerID, x.Epoch}
			if code != 0 {
				require.Equal(t, before, after, "a refused call changes nothing")
			}
			if step == Finish || step == FinishFirst {
				require.Contains(t, []State{PrepareAbort, PrepareCommit}, x.State)
				pid, epoch, _ := x.Marker()
				require.GreaterOrEqual(t, epoch, int16(0), "a marker has an epoch, seed %d", seed)
				require.LessOrEqual(t, pid, x.ProducerID)
			}
			if after.pid == before.pid {
				require.GreaterOrEqual(t, after.epoch, before.epoch, "an epoch never goes back")
			} else {
				require.Greater(t, after.pid, before.pid, "a producer id never comes back")
			}
			if x.State == Empty || x.State == CompleteCommit || x.State == CompleteAbort {
				require.Empty(t, x.Partitions)
			}
			if call < 4 && fenced[o] {
				require.NotZero(t, code, "a new instance fences all before it: %v, now %v, seed %d", o, after, seed)
			}
			if call == 0 && o.pid == none && step == Store {
				for _, k := range known[1:] {
					fenced[k] = true
				}
			}
			known = append(known, after)
			known = append(known[:1], known[max(1, len(known)-6):]...)
		}
	}
}
