package api

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/group"
	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/topics"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// errGroups answers whatever waits for a group when its writes could not be stored.
var errGroups = errors.New("the group coordinator lost its storage")

// foreign starts the key of a write that the coordinator was given to pass on: the rest is a key of another table. The
// coordinator's own keys never start with it.
const foreign = 0

// groups drives the group coordinator: one goroutine runs it, so that nothing about groups ever waits for a produce or
// a fetch, or holds one up. Calls that arrive together share one commit.
type groups struct {
	cfg group.Config
	db  *metadb.DB
	now func() time.Time
	log *slog.Logger

	guard   *guard
	catalog *topics.Catalog
	told    *topics.Snapshot // what the coordinator knows of the catalogue; owned by run

	wake chan struct{}
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex
	queue  []func(*group.Coordinator, time.Time)
	lost   chan struct{} // closed when the calls that were running got no answer
	closed bool
}

func startGroups(cfg group.Config, db *metadb.DB, guard *guard, catalog *topics.Catalog, now func() time.Time, log *slog.Logger) (*groups, error) {
	g := &groups{
		cfg: cfg, db: db, guard: guard, catalog: catalog, now: now, log: log,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), lost: make(chan struct{}),
	}
	g.cfg.Visible = func(who group.Client, topic string) bool {
		return guard.acls.Allowed(security.Principal(who.Principal), strings.TrimPrefix(who.Host, "/"), kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTopic, topic)
	}
	c, err := g.load()
	if err != nil {
		return nil, err
	}
	go g.run(c)
	return g, nil
}

func (g *groups) load() (*group.Coordinator, error) {
	var scanErr error
	prefix := metadb.Key(metadb.TableGroup)
	var pairs iter.Seq2[[]byte, []byte] = func(yield func([]byte, []byte) bool) {
		stop := errors.New("stop")
		err := g.db.Scan(prefix, func(k, v []byte) error {
			if !yield(k[len(prefix):], v) {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			scanErr = err
		}
	}
	c, err := group.Load(g.cfg, g.now(), pairs)
	if err := errors.Join(scanErr, err); err != nil {
		return nil, fmt.Errorf("load groups: %w", err)
	}
	return c, nil
}

// run owns the coordinator until stop.
func (g *groups) run(c *group.Coordinator) {
	defer close(g.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(max(0, c.NextDeadline().Sub(g.now())))
		stopping := false
		select {
		case <-g.wake:
		case <-timer.C:
		case <-g.stop:
			stopping = true
		}
		g.mu.Lock()
		queue := g.queue
		g.queue = nil
		g.closed = stopping
		g.mu.Unlock()
		if err := g.turn(c, queue, stopping); err != nil {
			g.log.Error("group coordinator: writes were not stored, its state is loaded anew", "err", err)
			if c, err = g.reload(); err != nil {
				g.log.Error("group coordinator stopped", "err", err)
				return
			}
		}
		if stopping {
			return
		}
	}
}

// turn does what has come up. The coordinator is not to be used any more after an error: its memory is ahead of what is
// stored. A panic is such an error, as nobody else may pay for a request that caused one.
func (g *groups) turn(c *group.Coordinator, queue []func(*group.Coordinator, time.Time), stopping bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	g.tellTopics(c)
	now := g.now()
	for _, call := range queue {
		call(c, now)
	}
	if !c.NextDeadline().After(now) {
		c.Tick(now)
	}
	if stopping {
		c.Shutdown()
	}
	return g.release(c.Take())
}

// tellTopics lets the coordinator know of topics that have come, grown or gone since it was told.
func (g *groups) tellTopics(c *group.Coordinator) {
	snap := g.catalog.Snapshot()
	if snap == g.told {
		return
	}
	g.told = snap
	all := make([]group.Topic, 0, len(snap.All()))
	for _, t := range snap.All() {
		all = append(all, group.Topic{Name: t.Name, ID: t.ID, Partitions: t.Partitions})
	}
	c.SetTopics(all)
}

// release makes the writes durable, then lets the answers go.
func (g *groups) release(out group.Output) error {
	var b metadb.Batch
	for _, w := range out.Writes {
		k := metadb.Key(metadb.TableGroup, w.Key)
		if w.Key[0] == foreign {
			k = w.Key[1:]
		}
		if w.Value == nil {
			b.Delete(k)
		} else {
			b.Set(k, w.Value)
		}
	}
	if err := g.db.Commit(&b); err != nil {
		return err
	}
	for _, reply := range out.Replies {
		reply()
	}
	return nil
}

// reload gives up the calls without an answer and starts again from what is stored.
func (g *groups) reload() (*group.Coordinator, error) {
	g.told = nil
	c, err := g.load()
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.lost)
	g.lost = make(chan struct{})
	g.closed = g.closed || err != nil
	return c, err
}

// post runs a call in the coordinator's goroutine and returns the channel that is closed if it will never be answered.
func (g *groups) post(call func(*group.Coordinator, time.Time)) (lost <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errGroups
	}
	g.queue = append(g.queue, call)
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return g.lost, nil
}

// start posts a request of a client and returns a function that waits for the answer.
func (g *groups) start(r *wire.Request) (func(context.Context) (kmsg.Response, error), error) {
	from := group.Client{ID: r.ClientID, Host: "/" + r.Conn.Host(), Principal: g.guard.restricted(r)}
	answer := make(chan kmsg.Response, 1)
	lost, err := g.post(func(c *group.Coordinator, now time.Time) {
		c.Handle(now, from, r.Body, func(resp kmsg.Response) { answer <- resp })
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (kmsg.Response, error) {
		select {
		case resp := <-answer:
			return resp, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-lost:
		case <-g.done:
		}
		select { // an answer that was given before the end still counts
		case resp := <-answer:
			return resp, nil
		default:
			return nil, errGroups
		}
	}, nil
}

// do runs f in the coordinator's goroutine and waits until what f left to be written is durable; f must pass its second
// argument on as the done function of what it calls.
func (g *groups) do(f func(c *group.Coordinator, done func())) error {
	durable := make(chan struct{})
	lost, err := g.post(func(c *group.Coordinator, _ time.Time) { f(c, func() { close(durable) }) })
	if err != nil {
		return err
	}
	select {
	case <-durable:
		return nil
	case <-lost:
	case <-g.done:
	}
	select {
	case <-durable:
		return nil
	default:
		return errGroups
	}
}

// look runs f in the coordinator's goroutine and waits for it.
func (g *groups) look(f func(c *group.Coordinator)) error {
	return g.do(func(c *group.Coordinator, done func()) { f(c); done() })
}

func (g *groups) close() {
	close(g.stop)
	<-g.done
}

// forwarded is the handler of requests that the coordinator answers by itself.
func (n *Node) forward(r *wire.Request, finish func(kmsg.Response)) (kmsg.Response, error) {
	wait, err := n.groups.start(r)
	if err != nil {
		return nil, err
	}
	r.Later(func(ctx context.Context) kmsg.Response {
		resp, err := wait(ctx)
		if err != nil {
			r.Conn.Abort() // the client asks again on a new connection
			return nil
		}
		if finish != nil {
			finish(resp)
		}
		return resp
	})
	return nil, nil
}
