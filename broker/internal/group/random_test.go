package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// peer is a client of the random test. It follows the protocol as far as it
// remembers; the schedule decides when, and makes it forget.
type peer struct {
	name     string
	instance *string
	member   string
	gen      int32
	leader   bool
	others   []string // member ids it is to assign to, as a leader
	joining  bool     // a join of its is open
	syncing  bool
	settled  bool // has synced in gen
	life     int  // which of its processes this is
}

// schedule is one random run: any number of peers in one group, time passing,
// the coordinator crashing.
type schedule struct {
	*world
	t     *rapid.T
	peers []*peer

	gen     int32           // newest generation seen, since the last crash
	offsets map[int32]int64 // committed
}

const fuzzGroup = "g"

func (s *schedule) join(p *peer) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = rapid.SampledFrom([]int16{3, 4, 8, 9}).Draw(s.t, "version")
	if p.instance != nil {
		req.Version = max(req.Version, 5)
	}
	req.Group, req.MemberID, req.InstanceID = fuzzGroup, p.member, p.instance
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 20_000
	req.ProtocolType = "consumer"
	meta := rapid.SampledFrom([]string{"1", "2"}).Draw(s.t, "metadata")
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte(meta)}}
	p.joining = true
	life := p.life
	s.call(p.name+" join", Client{ID: p.name}, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.JoinGroupResponse)
		if p.life != life {
			return
		}
		p.joining = false
		if r.ErrorCode != 0 {
			if r.ErrorCode != kerr.RebalanceInProgress.Code {
				p.member, p.settled = r.MemberID, false
			}
			if r.ErrorCode == kerr.FencedInstanceID.Code || r.ErrorCode == kerr.UnknownMemberID.Code {
				p.member = ""
			}
			return
		}
		require.GreaterOrEqual(s.t, r.Generation, s.gen, "a generation goes back")
		s.gen = r.Generation
		p.member, p.gen, p.settled = r.MemberID, r.Generation, false
		p.leader = r.LeaderID == r.MemberID && !r.SkipAssignment
		p.others = nil
		for _, m := range r.Members {
			p.others = append(p.others, m.MemberID)
		}
	})
}

func (s *schedule) sync(p *peer) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version = 5
	req.Group, req.MemberID, req.Generation = fuzzGroup, p.member, p.gen
	if p.leader {
		for _, id := range p.others {
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
				MemberID: id, MemberAssignment: fmt.Appendf(nil, "%d/%s", p.gen, id)})
		}
	}
	gen, member, life := p.gen, p.member, p.life
	p.syncing = true
	s.call(p.name+" sync", Client{ID: p.name}, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.SyncGroupResponse)
		if p.life != life {
			return
		}
		p.syncing = false
		if r.ErrorCode != 0 {
			s.react(p, r.ErrorCode)
			return
		}
		p.settled = true
		s.assignment(gen, member, p.instance, string(r.MemberAssignment))
	})
}

// assignment checks that nobody else has got the same in this generation. Only
// a static member's successor may.
func (s *schedule) assignment(gen int32, member string, instance *string, what string) {
	if what == "" {
		return
	}
	var of int32
	var to string
	_, err := fmt.Sscanf(what, "%d/%s", &of, &to)
	require.NoError(s.t, err)
	require.Equal(s.t, gen, of, "an assignment of another generation")
	if instance == nil {
		require.Equal(s.t, member, to, "somebody else's assignment")
	} else {
		require.Equal(s.t, *instance, to[:len(*instance)], "somebody else's assignment")
	}
}

// react is what every client does on an error.
func (s *schedule) react(p *peer, code int16) {
	p.settled = false
	switch code {
	case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code:
		p.member, p.gen = "", -1
	}
}

func (s *schedule) heartbeat(p *peer) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version = 4
	req.Group, req.MemberID, req.Generation = fuzzGroup, p.member, p.gen
	s.call(p.name+" heartbeat", Client{ID: p.name}, req, func(resp kmsg.Response) {
		if code := resp.(*kmsg.HeartbeatResponse).ErrorCode; code != 0 {
			s.react(p, code)
		}
	})
}

func (s *schedule) commit(p *peer) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version = 9
	req.Group, req.MemberID, req.Generation = fuzzGroup, p.member, p.gen
	index, at := rapid.Int32Range(0, 3).Draw(s.t, "partition"), rapid.Int64Range(0, 1000).Draw(s.t, "offset")
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: index, Offset: at}}}}
	s.call(p.name+" commit", Client{ID: p.name}, req, func(resp kmsg.Response) {
		if code := resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode; code != 0 {
			s.react(p, code)
			return
		}
		s.offsets[index] = at
	})
}

func (s *schedule) leave(p *peer) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version = 3
	req.Group = fuzzGroup
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: p.member}}
	s.call(p.name+" leave", Client{ID: p.name}, req, func(kmsg.Response) {})
	p.member, p.gen, p.settled = "", -1, false
}

// crash loses the coordinator's memory and every connection.
func (s *schedule) crash() {
	clear(s.open)
	s.gen = 0
	for _, p := range s.peers {
		p.joining, p.syncing, p.settled = false, false, false
	}
	s.load()
}

func (s *schedule) act(p *peer) {
	switch rapid.SampledFrom([]string{"next", "next", "next", "heartbeat", "commit", "leave", "forget", "again"}).Draw(s.t, "action") {
	case "next":
		s.step(p)
	case "heartbeat":
		s.heartbeat(p)
	case "commit":
		s.commit(p)
	case "leave":
		s.leave(p)
	case "forget": // the process is restarted
		p.life++
		p.member, p.gen, p.settled, p.joining, p.syncing = "", -1, false, false, false
	case "again": // it sends again what it waits for
		switch {
		case p.joining:
			s.join(p)
		case p.syncing:
			s.sync(p)
		}
	}
}

// step does what the protocol asks of p.
func (s *schedule) step(p *peer) {
	switch {
	case p.joining || p.syncing:
	case p.member == "" || p.gen < 0 || !p.settled && p.gen != s.gen:
		s.join(p)
	case !p.settled:
		s.sync(p)
		if !p.settled && !p.syncing {
			s.join(p)
		}
	default:
		s.heartbeat(p)
		if !p.settled {
			s.join(p)
		}
	}
}

func (s *schedule) committed() map[int32]int64 {
	got := make(map[int32]int64)
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = 7
	req.Group = fuzzGroup
	s.call("fetch", Client{}, req, func(resp kmsg.Response) {
		for _, t := range resp.(*kmsg.OffsetFetchResponse).Topics {
			for _, p := range t.Partitions {
				got[p.Partition] = p.Offset
			}
		}
	})
	return got
}

// TestRandomSchedules: whatever happens, each call is answered once, nobody
// gets another's assignment, generations go up, commits are kept, and a group
// left in peace becomes stable.
func TestRandomSchedules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cfg := Config{OffsetRetention: -1}
		if rapid.Bool().Draw(rt, "delayed") {
			cfg.InitialRebalanceDelay = 3 * time.Second
		}
		s := &schedule{world: newWorld(rt, cfg), t: rt, offsets: make(map[int32]int64)}
		for i := range rapid.IntRange(1, 5).Draw(rt, "peers") {
			p := &peer{name: fmt.Sprintf("p%d", i), gen: -1}
			if rapid.Bool().Draw(rt, "static") {
				p.instance = kmsg.StringPtr(fmt.Sprintf("i%d", i))
			}
			s.peers = append(s.peers, p)
		}
		for range rapid.IntRange(0, 80).Draw(rt, "steps") {
			switch rapid.IntRange(0, 20).Draw(rt, "kind") {
			case 0:
				s.crash()
			case 1, 2, 3:
				s.advance(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 9 * time.Second, 30 * time.Second}).Draw(rt, "time"))
			default:
				s.act(rapid.SampledFrom(s.peers).Draw(rt, "peer"))
			}
		}
		require.Equal(rt, s.offsets, s.committed())

		// In peace: everybody does what the protocol asks for.
		stableNow := func() bool {
			for _, p := range s.peers {
				if !p.settled {
					return false
				}
			}
			g := s.c.groups[fuzzGroup]
			return g != nil && g.classic != nil && g.classic.state == stable && len(g.classic.members) == len(s.peers)
		}
		for range 200 {
			if stableNow() {
				break
			}
			for _, p := range s.peers {
				s.step(p)
			}
			s.advance(time.Second)
		}
		require.True(rt, stableNow(), "the group does not become stable")
		s.crash()
		for _, p := range s.peers {
			p.settled = true
			s.heartbeat(p)
			require.True(rt, p.settled, "%s is not known after a restart", p.name)
		}
		require.Equal(rt, s.offsets, s.committed())
		s.c.Shutdown()
		s.settle()
		require.Empty(rt, s.open, "calls left without an answer")
	})
}
