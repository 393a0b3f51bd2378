package crashtest

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// wait lets a while pass: faults come at any moment, not at one that somebody has thought of.
func wait(d time.Duration) { <-time.After(d) }

// running waits until an instance runs.
func (w *world) running(c *child) {
	w.t.Helper()
	stop := make(chan struct{})
	defer time.AfterFunc(patience, func() { close(stop) }).Stop()
	if !c.waitFor("RUNNING", stop) {
		w.t.Fatalf("the instance does not run:\n%s", c.errors())
	}
}

// finish waits until all is processed, compares, stops the instances and compares again.
func (w *world) finish(instances ...*child) {
	w.t.Helper()
	logs := func() (s string) {
		for _, c := range instances {
			if c != nil {
				s += c.errors() + "\n----\n"
			}
		}
		return s
	}
	w.complete(logs)
	for _, c := range instances {
		if c != nil && c.alive() {
			c.stop()
		}
	}
	w.atRest()
	w.complete(logs)
}

// Instances are killed at any moment, one to three of them at a time.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kills := faults(t, 6)
	dirs := []settings{w.settings(w.target), w.settings(w.target), w.settings(w.target)}
	dirs[1].Threads = 2
	stop := w.feeding(10)
	apps := make([]*child, len(dirs))
	for k := range kills {
		want := 1 + k/2%len(dirs)
		for i := range want {
			if apps[i] == nil || !apps[i].alive() {
				apps[i] = startApp(t, dirs[i])
			}
		}
		i := w.r.IntN(want)
		w.running(apps[i])
		wait(time.Duration(20+w.r.IntN(480)) * time.Millisecond)
		apps[i].kill()
		<-apps[i].ended
	}
	stop()
	for i := range dirs {
		if apps[i] == nil || !apps[i].alive() {
			apps[i] = startApp(t, dirs[i])
		}
	}
	w.finish(apps...)
	t.Logf("%d kills, %d orders", kills, w.n)
}

// steps are the requests of a start and of a commit.
var steps = []struct {
	name string
	key  int16
}{
	{"Produce", 0}, {"TxnOffsetCommit", 28}, {"EndTxn", 26}, {"InitProducerId", 22}, {"JoinGroup", 11}, {"SyncGroup", 14}, {"OffsetFetch", 9}, {"OffsetCommit", 8},
	{"ListOffsets", 2}, {"Fetch", 1}, {"CreateTopics", 19}, {"Heartbeat", 12},
}

// An instance is killed before the broker gets a request of each kind, and after it got it and before the instance knows.
func TestKilledAtEachStep(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of kills")
	}
	t.Parallel()
	w := newWorld(t)
	rounds := max(faults(t, 8)/(2*len(steps)), 1)
	p := startProxy(t, w.target)
	s := w.settings(p.addr())
	stop := w.feeding(10)
	kills, missed := 0, map[string]int{}
	for range rounds {
		for i, step := range steps {
			for _, answer := range []bool{false, true} {
				if os.Getenv("MILLRACE_FAULTS") == "" && i >= 4 {
					continue
				}
				// The one that is hit: any of the first, or of those in the middle of work.
				nth := 1 + w.r.IntN(1+w.r.IntN(20))
				hit := make(chan struct{})
				app := startApp(t, s)
				p.on(func(m message) fault {
					if m.key != step.key || m.answer != answer {
						return pass
					}
					if nth--; nth == 0 {
						app.kill()
						close(hit)
					}
					if nth <= 0 {
						return cut
					}
					return pass
				})
				select {
				case <-hit:
					kills++
				case <-time.After(3 * time.Second): // there may be no such request in a quiet run
					app.kill()
					missed[step.name]++
				}
				<-app.ended
				p.on(nil)
			}
		}
	}
	stop()
	w.finish(startApp(t, s))
	t.Logf("%d kills, %d orders, missed %v", kills, w.n, missed)
}

// The network cuts connections, loses answers, and lets connections hang, at each kind of request. The instance outlives it all.
func TestNetworkThatCutsAndLosesAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := faults(t, 12)
	p := startProxy(t, w.target)
	app := startApp(t, w.settings(p.addr()))
	w.running(app)
	stop := w.feeding(10)
	what := map[string]int{}
	for i := range n {
		step, answer, f := steps[w.r.IntN(4)], w.r.IntN(3) > 0, cut
		if i%4 == 3 {
			step = steps[w.r.IntN(len(steps))]
		}
		if i%10 == 9 {
			f = freeze
		}
		hit, once := make(chan struct{}), false
		p.on(func(m message) fault {
			if once || m.key != step.key || m.answer != answer {
				return pass
			}
			once = true
			close(hit)
			return f
		})
		select {
		case <-hit:
			what[step.name]++
		case <-time.After(time.Second):
		}
		p.on(nil)
		if f == freeze {
			wait(time.Duration(w.r.IntN(5000)) * time.Millisecond)
			p.cutAll()
		}
		if i%5 == 4 {
			p.cutAll() // all connections at once
		}
		require.True(t, app.alive(), "%s", app.errors())
		wait(time.Duration(w.r.IntN(100)) * time.Millisecond)
	}
	stop()
	w.finish(app)
	t.Logf("%d faults at %v, %d orders", n, what, w.n)
}

// An instance is stopped for longer than its session and its transactions last, another one takes its tasks over, and then the first wakes up.
func TestZombie(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("sessions have to time out")
	}
	w := newWorld(t)
	one, two := w.settings(w.target), w.settings(w.target)
	if realKafka() == "" {
		one.Session, two.Session, one.Txn, two.Txn = 1500*time.Millisecond, 1500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond
	}
	a, b := startApp(t, one), startApp(t, two)
	w.running(a)
	w.running(b)
	stop := w.feeding(10)
	rounds := faults(t, 2)
	for i := range rounds {
		z, s := a, one
		if i%2 == 1 {
			z, s = b, two
		}
		wait(time.Duration(w.r.IntN(300)) * time.Millisecond)
		z.signal(syscall.SIGSTOP)
		wait(s.Session + 2*s.Txn + time.Duration(w.r.IntN(1000))*time.Millisecond)
		z.signal(syscall.SIGCONT)
		wait(time.Duration(w.r.IntN(1000)) * time.Millisecond)
		require.True(t, z.alive(), "%s", z.errors())
	}
	stop()
	w.finish(a, b)
	t.Logf("%d zombies, %d orders", rounds, w.n)
}

// Instances come, go and are killed all the time.
func TestRebalanceStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := faults(t, 10)
	dirs := make([]settings, 4)
	for i := range dirs {
		dirs[i] = w.settings(w.target)
	}
	apps := make([]*child, len(dirs))
	stop := w.feeding(5)
	kills, stops, starts := 0, 0, 0
	for range n {
		i := w.r.IntN(len(dirs))
		switch {
		case apps[i] == nil || !apps[i].alive():
			apps[i] = startApp(t, dirs[i])
			starts++
		case w.r.IntN(2) == 0:
			apps[i].kill()
			<-apps[i].ended
			kills++
		default:
			apps[i].stop()
			stops++
		}
		wait(time.Duration(w.r.IntN(400)) * time.Millisecond)
	}
	stop()
	for i := range dirs {
		if apps[i] == nil || !apps[i].alive() {
			apps[i] = startApp(t, dirs[i])
		}
	}
	w.finish(apps...)
	t.Logf("%d starts, %d stops, %d kills, %d orders", starts, stops, kills, w.n)
}

// The embedded broker is killed and stopped while the application runs, which needs no restart.
func TestBrokerIsKilled(t *testing.T) {
	t.Parallel()
	if realKafka() != "" {
		t.Skip("a single Apache Kafka node that is killed loses markers")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	env := brokerEnv + "=" + t.TempDir() + "," + addr
	ready := func(c *child) *child {
		require.True(t, c.waitFor("READY", nil), "%s", c.errors())
		return c
	}
	b := ready(spawn(t, env))
	w := worldOn(t, addr)
	app := startApp(t, w.settings(addr))
	w.running(app)
	stop := w.feeding(10)
	n := faults(t, 4)
	for i := range n {
		wait(time.Duration(50+w.r.IntN(500)) * time.Millisecond)
		if i%4 == 3 {
			b.signal(syscall.SIGSTOP)
			wait(time.Duration(w.r.IntN(3000)) * time.Millisecond)
			b.signal(syscall.SIGCONT)
			continue
		}
		b.kill()
		<-b.ended
		wait(time.Duration(w.r.IntN(300)) * time.Millisecond)
		b = ready(spawn(t, env))
		require.True(t, app.alive(), "%s", app.errors())
	}
	stop()
	w.finish(app)
	t.Logf("%d faults, %d orders", n, w.n)
}
