package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// state is the state of a classic group.
//
//	          join                  all joined             leader synced
//	empty ----------> preparing ----------------> completing -----------> stable
//	  ^                  | ^ ^                        |                      |
//	  |  no member left  | | |  join, leave, timeout  |                      |
//	  +------------------+ | +------------------------+                      |
//	                       +-------------------------------------------------+
//	                                   join, leave, session timeout
//
// Completing leaves for preparing also when a member does not sync in time.
// A group that is deleted is forgotten: there is no dead state.
type state int

const (
	empty      state = iota // no members; perhaps offsets
	preparing               // members are called to join again
	completing              // the leader works out the assignment
	stable                  // every member has or can fetch its assignment
)

// String is Kafka's word for the state.
func (s state) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}[s]
}

// newMemberTimeout is how long a join of a member without an id may wait: it
// cannot send heartbeats, so a client that gave up is not noticed otherwise.
const newMemberTimeout = 5 * time.Minute

// classic is the membership of a group that speaks the classic protocol.
type classic struct {
	g            *group
	state        state
	since        time.Time // when state was entered
	protocolType string    // of the first member; kept when the group runs empty
	protocol     string    // chosen for this generation; "" when none
	generation   int32     // +1 whenever a join phase completes
	leader       string    // a member id; "" only without members

	members []*member            // in the order in which they came
	byID    map[string]*member   // the same
	static  map[string]*member   // by instance id
	pending map[string]time.Time // ids given out with MEMBER_ID_REQUIRED, until when

	joinBy  time.Time     // preparing: when the join phase ends at the latest
	delayed bool          // preparing, in the initial delay: joinBy ends a slice of it
	remain  time.Duration // initial delay: by how much it may be extended
	grown   bool          // initial delay: somebody came since its last slice began
	syncBy  time.Time     // when members that have not synced are removed
}

// member is one member of a classic group.
type member struct {
	id         string
	instance   *string // group.instance.id of a static member
	client     Client
	rebalance  time.Duration // rebalance timeout
	session    time.Duration // session timeout
	protocols  []kmsg.JoinGroupRequestProtocol
	assignment []byte

	fresh    bool      // added by a join that has not been answered yet
	deadline time.Time // when the session ends; does not run while a call waits, unless fresh
	unsynced bool      // has not synced in this generation

	join *waiting[*kmsg.JoinGroupRequest]
	sync *waiting[*kmsg.SyncGroupRequest]
}

// waiting is a request that is answered later.
type waiting[R kmsg.Request] struct {
	req   R
	reply func(kmsg.Response)
}

func newClassic(g *group, now time.Time) *classic {
	return &classic{
		g:       g,
		since:   now,
		byID:    make(map[string]*member),
		static:  make(map[string]*member),
		pending: make(map[string]time.Time),
	}
}

func (k *classic) enter(c *Coordinator, now time.Time, s state) {
	if k.state != s {
		c.cfg.Log.Debug("group state changed", "group", k.g.id, "from", k.state.String(), "to", s.String(),
			"generation", k.generation, "members", len(k.members))
	}
	k.state, k.since = s, now
}

// check validates the identity that a request claims.
func (k *classic) check(id string, instance *string) *kerr.Error {
	if instance != nil {
		switch m := k.static[*instance]; {
		case m == nil:
			return kerr.UnknownMemberID
		case m.id != id:
			return kerr.FencedInstanceID
		}
	}
	if k.byID[id] == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// touch starts the session of m anew.
func (k *classic) touch(now time.Time, m *member) {
	m.deadline = now.Add(m.session)
	k.g.wake(m.deadline)
}

func (k *classic) add(m *member) {
	if len(k.members) == 0 {
		k.leader = m.id
	}
	k.members = append(k.members, m)
	k.byID[m.id] = m
	if m.instance != nil {
		k.static[*m.instance] = m
	}
	delete(k.pending, m.id)
}

// drop takes m out of the group, answering what it waits for.
func (k *classic) drop(c *Coordinator, m *member) {
	if m.join != nil {
		k.failJoin(c, m, "", kerr.UnknownMemberID)
	}
	if m.sync != nil {
		k.failSync(c, m, kerr.UnknownMemberID)
	}
	k.members = slices.DeleteFunc(k.members, func(x *member) bool { return x == m })
	delete(k.byID, m.id)
	if m.instance != nil && k.static[*m.instance] == m {
		delete(k.static, *m.instance)
	}
	if k.leader == m.id {
		k.leader = ""
		if len(k.members) > 0 {
			k.leader = k.members[0].id
		}
	}
}

// remove is drop and what follows from it for the others.
func (k *classic) remove(c *Coordinator, now time.Time, m *member, why string) {
	c.cfg.Log.Info("group member removed", "group", k.g.id, "member", m.id, "reason", why)
	k.drop(c, m)
	k.memberGone(c, now, why)
}

func (k *classic) memberGone(c *Coordinator, now time.Time, why string) {
	switch k.state {
	case stable, completing:
		k.prepare(c, now, why)
	case preparing:
		k.maybeComplete(c, now)
	case empty:
	}
}

// supports reports whether a member with these protocols can be in the group
// beside all the others.
func (k *classic) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if k.state == empty {
		return protocolType != "" && len(protocols) > 0
	}
	return k.protocolType == protocolType && slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool {
		return k.allSupport(p.Name)
	})
}

func (k *classic) allSupport(name string) bool {
	for _, m := range k.members {
		if _, ok := m.metadata(name); !ok {
			return false
		}
	}
	return true
}

// vote chooses the protocol of the next generation: each member votes for the
// first of its own that all support. Among equals the one with the earlier
// first vote wins.
func (k *classic) vote() string {
	votes := make(map[string]int)
	var names []string
	for _, m := range k.members {
		for _, p := range m.protocols {
			if k.allSupport(p.Name) {
				if votes[p.Name] == 0 {
					names = append(names, p.Name)
				}
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, n := range names {
		if best == "" || votes[n] > votes[best] {
			best = n
		}
	}
	return best
}

// metadata is what m says for a protocol.
func (m *member) metadata(protocol string) ([]byte, bool) {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata, true
		}
	}
	return nil, false
}

// matches reports whether m already said exactly this.
func (m *member) matches(protocols []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(m.protocols, protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

func cloneProtocols(in []kmsg.JoinGroupRequestProtocol) []kmsg.JoinGroupRequestProtocol {
	out := make([]kmsg.JoinGroupRequestProtocol, len(in))
	for i, p := range in {
		out[i] = kmsg.JoinGroupRequestProtocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}
	}
	return out
}

// rebalanceTimeout is the longest of the members': what a join phase waits for.
func (k *classic) rebalanceTimeout() time.Duration {
	longest := time.Millisecond
	for _, m := range k.members {
		longest = max(longest, m.rebalance)
	}
	return longest
}

// running reports whether the session of m can end: a member that waits for
// an answer is alive as far as anybody can tell.
func (m *member) running() bool {
	return m.fresh || m.join == nil && m.sync == nil
}

func (k *classic) next() time.Time {
	at := sooner(k.joinBy, k.syncBy)
	for _, m := range k.members {
		if m.running() {
			at = sooner(at, m.deadline)
		}
	}
	for _, until := range k.pending {
		at = sooner(at, until)
	}
	return at
}

func (k *classic) tick(c *Coordinator, now time.Time) {
	gone := false
	for id, until := range k.pending {
		if !until.After(now) {
			delete(k.pending, id)
			gone = true
		}
	}
	if gone && k.state == preparing {
		k.maybeComplete(c, now)
	}
	for _, m := range slices.Clone(k.members) {
		if k.byID[m.id] == m && m.running() && !m.deadline.After(now) {
			k.remove(c, now, m, "session timed out")
		}
	}
	if !k.joinBy.IsZero() && !k.joinBy.After(now) {
		k.joinTimedOut(c, now)
	}
	if !k.syncBy.IsZero() && !k.syncBy.After(now) {
		k.syncTimedOut(c, now)
	}
}

// abandon answers everybody who waits: the coordinator goes away.
func (k *classic) abandon(c *Coordinator) {
	for _, m := range k.members {
		if m.join != nil {
			k.failJoin(c, m, m.id, kerr.NotCoordinator)
		}
		if m.sync != nil {
			k.failSync(c, m, kerr.NotCoordinator)
		}
	}
}
