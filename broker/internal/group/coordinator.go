package group

import (
	"container/heap"
	"iter"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Config bounds and times the groups. A zero field takes Kafka's default.
type Config struct {
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms, 6 s
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms, 30 min
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms; none by default, where Kafka waits 3 s

	MaxGroups        int // groups in all, 1,000
	MaxMembers       int // group.max.size, 1,000
	MaxMemberBytes   int // metadata or assignment of one member, 256 KiB
	MaxMetadataBytes int // offset.metadata.max.bytes, 4096

	ConsumerSessionTimeout    time.Duration // group.consumer.session.timeout.ms, 45 s
	ConsumerHeartbeatInterval time.Duration // group.consumer.heartbeat.interval.ms, 5 s

	// The bounds of what a group can have for itself: group.consumer.min.session.timeout.ms, 45 s; .max., 60 s;
	// group.consumer.min.heartbeat.interval.ms, 5 s; .max., 15 s. By default they are as wide as the times above need.
	MinConsumerSessionTimeout, MaxConsumerSessionTimeout       time.Duration
	MinConsumerHeartbeatInterval, MaxConsumerHeartbeatInterval time.Duration

	// ConsumerTimes returns the session timeout and the heartbeat interval of a group. Nil gives all groups the two above.
	ConsumerTimes func(group string) (session, heartbeat time.Duration)

	OffsetRetention      time.Duration // offsets.retention.minutes, 7 days; negative keeps offsets for ever
	OffsetRetentionCheck time.Duration // offsets.retention.check.interval.ms, 10 min

	// Visible says whether a client may know of a topic: others are not given to it by a subscription pattern. Nil
	// shows everything.
	Visible func(who Client, topic string) bool

	// NewMemberID makes the random part of a member id; a UUID by default.
	NewMemberID func() string

	// Log receives one line per change of a group. Nil logs nothing.
	Log *slog.Logger
}

// WithDefaults returns c with what it leaves open filled in.
func (c Config) WithDefaults() Config {
	setDefault(&c.MinSessionTimeout, 6*time.Second)
	setDefault(&c.MaxSessionTimeout, 30*time.Minute)
	setDefault(&c.ConsumerSessionTimeout, 45*time.Second)
	setDefault(&c.ConsumerHeartbeatInterval, 5*time.Second)
	setDefault(&c.MinConsumerSessionTimeout, min(45*time.Second, c.ConsumerSessionTimeout))
	setDefault(&c.MaxConsumerSessionTimeout, max(60*time.Second, c.ConsumerSessionTimeout))
	setDefault(&c.MinConsumerHeartbeatInterval, min(5*time.Second, c.ConsumerHeartbeatInterval))
	setDefault(&c.MaxConsumerHeartbeatInterval, max(15*time.Second, c.ConsumerHeartbeatInterval))
	if c.ConsumerTimes == nil {
		session, heartbeat := c.ConsumerSessionTimeout, c.ConsumerHeartbeatInterval
		c.ConsumerTimes = func(string) (time.Duration, time.Duration) { return session, heartbeat }
	}
	setDefault(&c.MaxGroups, 1000)
	setDefault(&c.MaxMembers, 1000)
	setDefault(&c.MaxMemberBytes, 256<<10)
	setDefault(&c.MaxMetadataBytes, 4096)
	setDefault(&c.OffsetRetention, 7*24*time.Hour)
	setDefault(&c.OffsetRetentionCheck, 10*time.Minute)
	if c.Visible == nil {
		c.Visible = func(Client, string) bool { return true }
	}
	if c.NewMemberID == nil {
		c.NewMemberID = uuid.NewString
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Client is the connection that a request came in on.
type Client struct {
	ID   string // client.id of the request header
	Host string // as Kafka prints it: "/127.0.0.1"
	// Principal is who it is, for Config.Visible; empty for one that may see everything.
	Principal string
}

// Write is one change to the durable pairs. A nil Value deletes the key.
// The slices belong to the receiver.
type Write struct {
	Key, Value []byte
}

// Output is what calls have left to be done: make Writes durable as one batch
// and in order, then call each of Replies once.
type Output struct {
	Writes  []Write
	Replies []func()
}

// Coordinator holds every group of the broker. It is not safe for concurrent
// use: see the package documentation for how it is driven.
type Coordinator struct {
	cfg    Config
	groups map[string]*group
	timers timers
	out    Output

	topics     map[string]Topic // by name
	topicNames map[topicID]string

	nextExpiry time.Time // when offsets are next checked for age
}

// Load makes a Coordinator from the pairs that its predecessor wrote, in any
// order; none make an empty one. Sessions of restored members start at now.
// The pairs are copied.
func Load(cfg Config, now time.Time, pairs iter.Seq2[[]byte, []byte]) (*Coordinator, error) {
	c := &Coordinator{cfg: cfg.WithDefaults(), groups: make(map[string]*group)}
	c.nextExpiry = now.Add(c.cfg.OffsetRetentionCheck)
	if pairs == nil {
		return c, nil
	}
	for k, v := range pairs {
		if err := c.restore(now, k, v); err != nil {
			return nil, err
		}
	}
	for _, g := range c.groups {
		c.schedule(g)
	}
	return c, nil
}

// Handle takes one request and reports whether it is one of this package's.
// reply is called exactly once, by a function that Take hands out, with a
// response of the request's version that the receiver may change.
//
// In requests that name topics by id only (OffsetCommit and OffsetFetch
// version 10) the owner fills in the names before, and leaves out topics that
// it does not know; their ids come back in the response. Authorization is the
// owner's too.
//
// Byte slices of the request are copied where they are kept, strings are not:
// decode it with ReadFrom, not UnsafeReadFrom.
func (c *Coordinator) Handle(now time.Time, from Client, req kmsg.Request, reply func(kmsg.Response)) bool {
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		c.joinGroup(now, from, req, reply)
	case *kmsg.SyncGroupRequest:
		c.syncGroup(now, req, reply)
	case *kmsg.HeartbeatRequest:
		c.answer(reply, c.heartbeat(now, req))
	case *kmsg.LeaveGroupRequest:
		c.answer(reply, c.leaveGroup(now, req))
	case *kmsg.DescribeGroupsRequest:
		c.answer(reply, c.describeGroups(req))
	case *kmsg.ListGroupsRequest:
		c.answer(reply, c.listGroups(req))
	case *kmsg.DeleteGroupsRequest:
		c.answer(reply, c.deleteGroups(req))
	case *kmsg.OffsetCommitRequest:
		c.answer(reply, c.offsetCommit(now, req))
	case *kmsg.OffsetFetchRequest:
		c.answer(reply, c.offsetFetch(req))
	case *kmsg.OffsetDeleteRequest:
		c.answer(reply, c.offsetDelete(req))
	case *kmsg.ConsumerGroupHeartbeatRequest:
		c.answer(reply, c.consumerHeartbeat(now, from, req))
	case *kmsg.ConsumerGroupDescribeRequest:
		c.answer(reply, c.consumerGroupDescribe(req))
	case *kmsg.TxnOffsetCommitRequest:
		c.answer(reply, c.txnOffsetCommit(now, req))
	default:
		return false
	}
	return true
}

// Tick does what has become due at now: expired sessions, rebalances whose
// time is up, old offsets.
func (c *Coordinator) Tick(now time.Time) {
	for len(c.timers) > 0 && !c.timers[0].due.After(now) {
		g := c.timers[0]
		g.due = time.Time{}
		g.tick(c, now)
		if c.groups[g.id] == g {
			g.wake(g.next())
			c.schedule(g)
		} else {
			c.unschedule(g)
		}
	}
	if !c.nextExpiry.After(now) {
		c.expireOffsets(now)
		c.nextExpiry = now.Add(c.cfg.OffsetRetentionCheck)
	}
}

// NextDeadline is the time at which Tick has something to do. It may come
// earlier than that, never later.
func (c *Coordinator) NextDeadline() time.Time {
	if len(c.timers) > 0 && c.timers[0].due.Before(c.nextExpiry) {
		return c.timers[0].due
	}
	return c.nextExpiry
}

// Take hands out what the calls since the last Take have left to be done.
func (c *Coordinator) Take() Output {
	out := c.out
	c.out = Output{}
	return out
}

// Shutdown answers every waiting request with NOT_COORDINATOR: clients look
// for the coordinator again, and come back with what they hold.
func (c *Coordinator) Shutdown() {
	for _, g := range c.sorted() {
		if g.classic != nil {
			g.classic.abandon(c)
		}
	}
}

func (c *Coordinator) answer(reply func(kmsg.Response), resp kmsg.Response) {
	c.out.Replies = append(c.out.Replies, func() { reply(resp) })
}

func (c *Coordinator) write(key, value []byte) {
	c.out.Writes = append(c.out.Writes, Write{Key: key, Value: value})
}

// timers is a heap of the groups by due time.
type timers []*group

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}

func (t *timers) Push(x any) {
	g := x.(*group)
	g.slot = len(*t)
	*t = append(*t, g)
}

func (t *timers) Pop() any {
	old := *t
	g := old[len(old)-1]
	*t = old[:len(old)-1]
	g.slot = -1
	return g
}

func (c *Coordinator) unschedule(g *group) {
	g.due = time.Time{}
	c.schedule(g)
}

// schedule puts g where its due time belongs.
func (c *Coordinator) schedule(g *group) {
	switch {
	case g.due.IsZero() && g.slot >= 0:
		heap.Remove(&c.timers, g.slot)
	case g.due.IsZero():
	case g.slot >= 0:
		heap.Fix(&c.timers, g.slot)
	default:
		heap.Push(&c.timers, g)
	}
}
