package group

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// world drives a Coordinator with virtual time and keeps what it writes.
type world struct {
	t    require.TestingT
	cfg  Config
	now  time.Time
	c    *Coordinator
	disk map[string]string

	topics []Topic

	ids   int
	lines []string // what came out, in order

	open map[int]string // unanswered calls: serial number to label
	next int
}

func newWorld(t require.TestingT, cfg Config) *world {
	w := &world{t: t, cfg: cfg, now: time.Unix(1_700_000_000, 0), disk: make(map[string]string), open: make(map[int]string)}
	w.cfg.NewMemberID = func() string {
		w.ids++
		return strconv.Itoa(w.ids)
	}
	w.load()
	return w
}

// load starts a coordinator from the disk, as after a crash.
func (w *world) load() {
	c, err := Load(w.cfg, w.now, func(yield func(k, v []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(w.disk)) {
			if !yield([]byte(k), []byte(w.disk[k])) {
				return
			}
		}
	})
	require.NoError(w.t, err)
	w.c = c
	w.c.SetTopics(w.topics)
}

// settle writes what there is to write and lets the answers go.
func (w *world) settle() {
	out := w.c.Take()
	for _, x := range out.Writes {
		if x.Value == nil {
			delete(w.disk, string(x.Key))
		} else {
			w.disk[string(x.Key)] = string(x.Value)
		}
	}
	for _, release := range out.Replies {
		release()
	}
}

func (w *world) call(label string, from Client, req kmsg.Request, got func(kmsg.Response)) {
	n := w.next
	w.next++
	w.open[n] = label
	known := w.c.Handle(w.now, from, req, func(resp kmsg.Response) {
		require.Contains(w.t, w.open, n, "%s answered twice", label)
		require.Equal(w.t, req.GetVersion(), resp.GetVersion())
		delete(w.open, n)
		got(resp)
	})
	require.True(w.t, known)
	w.settle()
}

// advance lets time pass, stopping wherever something is due.
func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for at := w.c.NextDeadline(); !at.After(end); at = w.c.NextDeadline() {
		if at.After(w.now) {
			w.now = at
		}
		w.c.Tick(w.now)
		w.settle()
		require.True(w.t, w.c.NextDeadline().After(w.now), "a deadline that has passed is still there")
	}
	w.now = end
}

func (w *world) printf(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func errName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(code).Message
}

// TestScripts runs the scenarios under testdata. In them, `by` names the
// client, `member` defaults to its last member id, `gen` to its last generation.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{
			world: newWorld(t, Config{Log: slog.New(slog.DiscardHandler)}),
			who:   make(map[string]*identity),
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "config":
				for _, a := range d.CmdArgs {
					s.configure(a)
				}
				s.load()
				return ""
			case "run":
				s.lines = nil
				for line := range strings.Lines(d.Input) {
					s.do(strings.TrimSpace(line))
				}
				if len(s.lines) == 0 {
					return ""
				}
				return strings.Join(s.lines, "\n") + "\n"
			}
			d.Fatalf(t, "unknown directive %s", d.Cmd)
			return ""
		})
		s.c.Shutdown()
		s.settle()
		require.Empty(t, s.open, "calls left without an answer")
	})
}

// identity is what a client remembers between calls.
type identity struct {
	member string
	gen    int32
	owned  assignment
}

type script struct {
	*world
	who  map[string]*identity
	args map[string][]string
	d    []datadriven.CmdArg
}

func (s *script) configure(a datadriven.CmdArg) {
	seconds := func() time.Duration {
		d, err := time.ParseDuration(a.Vals[0])
		require.NoError(s.t, err)
		return d
	}
	number := func() int {
		n, err := strconv.Atoi(a.Vals[0])
		require.NoError(s.t, err)
		return n
	}
	switch a.Key {
	case "initial-delay":
		s.cfg.InitialRebalanceDelay = seconds()
	case "max-members":
		s.cfg.MaxMembers = number()
	case "max-groups":
		s.cfg.MaxGroups = number()
	case "max-metadata":
		s.cfg.MaxMetadataBytes = number()
	case "max-member-bytes":
		s.cfg.MaxMemberBytes = number()
	case "retention":
		s.cfg.OffsetRetention = seconds()
	case "hasty":
		s.cfg.ConsumerTimes = func(group string) (session, heartbeat time.Duration) {
			if group == a.Vals[0] {
				return 10 * time.Second, time.Second
			}
			return 45 * time.Second, 5 * time.Second
		}
	case "hidden":
		s.cfg.Visible = func(who Client, topic string) bool { return who.Principal == "root" || topic != a.Vals[0] }
	default:
		require.FailNow(s.t, "unknown option", a.Key)
	}
}

func (s *script) str(key, def string) string {
	if v, ok := s.args[key]; ok && len(v) > 0 {
		return v[0]
	}
	return def
}

func (s *script) num(key string, def int64) int64 {
	if v, ok := s.args[key]; ok {
		n, err := strconv.ParseInt(v[0], 10, 64)
		require.NoError(s.t, err)
		return n
	}
	return def
}

func (s *script) dur(key string, def time.Duration) time.Duration {
	if v, ok := s.args[key]; ok {
		d, err := time.ParseDuration(v[0])
		require.NoError(s.t, err)
		return d
	}
	return def
}

func (s *script) ptr(key string) *string {
	if v, ok := s.args[key]; ok {
		if len(v) == 0 {
			return kmsg.StringPtr("")
		}
		return kmsg.StringPtr(strings.Trim(v[0], `"`))
	}
	return nil
}

// bare is the n-th argument without a value.
func (s *script) bare(n int) string {
	for _, a := range s.d {
		if len(a.Vals) == 0 && !strings.HasSuffix(a.Key, "=") {
			if n == 0 {
				return strings.Trim(a.Key, `"`)
			}
			n--
		}
	}
	return ""
}

func (s *script) identity(by string) *identity {
	if s.who[by] == nil {
		s.who[by] = &identity{gen: -1}
	}
	return s.who[by]
}

func (s *script) do(line string) {
	if line == "" || strings.HasPrefix(line, "#") {
		return
	}
	cmd, args, err := datadriven.ParseLine(line)
	require.NoError(s.t, err, line)
	s.d, s.args = args, make(map[string][]string)
	for _, a := range args {
		s.args[a.Key] = a.Vals
	}
	by := s.str("by", "admin")
	me := s.identity(by)
	from := Client{ID: by, Host: "/127.0.0.1", Principal: s.str("as", "")}
	if id := s.ptr("member"); id != nil {
		me.member = *id
	}
	gen := int32(s.num("gen", int64(me.gen)))
	label := by + " " + cmd
	switch cmd {
	case "tick":
		d, err := time.ParseDuration(s.bare(0))
		require.NoError(s.t, err)
		s.advance(d)
	case "restart":
		clear(s.open) // their connections are gone
		s.load()
	case "shutdown":
		s.c.Shutdown()
		s.settle()
	case "join":
		s.call(label, from, s.joinRequest(me), func(resp kmsg.Response) { s.joined(label, me, resp.(*kmsg.JoinGroupResponse)) })
	case "sync":
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version = int16(s.num("v", 5))
		req.Group, req.MemberID, req.Generation, req.InstanceID = s.bare(0), me.member, gen, s.ptr("instance")
		req.ProtocolType, req.Protocol = s.ptr("type"), s.ptr("protocol")
		for _, a := range s.args["assign"] {
			id, data, _ := strings.Cut(a, ":")
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: []byte(data)})
		}
		s.call(label, from, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.SyncGroupResponse)
			if r.ErrorCode != 0 {
				s.printf("%s: %s", label, errName(r.ErrorCode))
				return
			}
			s.printf("%s: %s/%s assignment=%q", label, *r.ProtocolType, *r.Protocol, r.MemberAssignment)
		})
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version = 4
		req.Group, req.MemberID, req.Generation, req.InstanceID = s.bare(0), me.member, gen, s.ptr("instance")
		s.call(label, from, req, func(resp kmsg.Response) {
			s.printf("%s: %s", label, errName(resp.(*kmsg.HeartbeatResponse).ErrorCode))
		})
	case "leave":
		s.leave(label, from, me)
	case "commit", "txn-commit":
		s.commit(label, cmd, from, me, gen)
	case "end":
		s.c.EndTransaction(s.num("producer", 0), s.bare(0) == "commit", nil, func() { s.printf("%s: durable", label) })
		s.settle()
	case "fetch":
		s.fetch(label, from)
	case "delete-offsets":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = s.bare(0)
		for _, p := range s.args["at"] {
			topic, index := parsePartition(s.t, p)
			req.Topics = append(req.Topics, kmsg.OffsetDeleteRequestTopic{
				Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: index}}})
		}
		s.call(label, from, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.OffsetDeleteResponse)
			s.printf("%s: %s", label, errName(r.ErrorCode))
			for _, t := range r.Topics {
				s.printf("  %s/%d %s", t.Topic, t.Partitions[0].Partition, errName(t.Partitions[0].ErrorCode))
			}
		})
	case "delete-topic":
		s.c.TopicDeleted(s.bare(0), func() { s.printf("%s: durable", label) })
		s.settle()
	case "delete":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{s.bare(0)}
		s.call(label, from, req, func(resp kmsg.Response) {
			s.printf("%s: %s", label, errName(resp.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode))
		})
	case "describe":
		s.describe(label, from)
	case "topics":
		s.setTopics()
	case "beat":
		s.beat(label, from, me)
	case "describe-consumer":
		s.describeConsumer(label, from)
	case "list":
		req := kmsg.NewPtrListGroupsRequest()
		req.Version = 5
		req.StatesFilter, req.TypesFilter = s.args["states"], s.args["types"]
		s.call(label, from, req, func(resp kmsg.Response) {
			for _, g := range resp.(*kmsg.ListGroupsResponse).Groups {
				s.printf("%s: %s type=%s protocol-type=%q %s", label, g.Group, g.GroupType, g.ProtocolType, g.GroupState)
			}
		})
	case "disk":
		for _, k := range slices.Sorted(maps.Keys(s.disk)) {
			s.printf("%q (%d bytes)", k, len(s.disk[k]))
		}
	default:
		require.FailNow(s.t, "unknown command", cmd)
	}
}

func (s *script) joinRequest(me *identity) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = int16(s.num("v", 9))
	req.Group = s.bare(0)
	req.MemberID, req.InstanceID = me.member, s.ptr("instance")
	req.SessionTimeoutMillis = int32(s.dur("session", 10*time.Second).Milliseconds())
	req.RebalanceTimeoutMillis = int32(s.dur("rebalance", 30*time.Second).Milliseconds())
	req.ProtocolType = s.str("type", "consumer")
	protocols, ok := s.args["protocols"]
	if !ok {
		protocols = []string{"range:" + s.str("by", "admin")}
	}
	for _, p := range protocols {
		name, meta, ok := strings.Cut(p, ":")
		if !ok {
			continue
		}
		rp := kmsg.NewJoinGroupRequestProtocol()
		rp.Name, rp.Metadata = name, []byte(meta)
		if topics, ok := s.args["topics"]; ok {
			m := kmsg.NewConsumerMemberMetadata()
			m.Topics = topics
			rp.Metadata = m.AppendTo(nil)
		}
		req.Protocols = append(req.Protocols, rp)
	}
	return req
}

func (s *script) joined(label string, me *identity, r *kmsg.JoinGroupResponse) {
	if r.ErrorCode != 0 {
		s.printf("%s: %s member=%q", label, errName(r.ErrorCode), r.MemberID)
		if r.ErrorCode == kerr.MemberIDRequired.Code || r.ErrorCode == kerr.UnknownMemberID.Code {
			me.member = r.MemberID
		}
		return
	}
	me.member, me.gen = r.MemberID, r.Generation
	out := fmt.Sprintf("%s: member=%s gen=%d %s/%s leader=%s", label, r.MemberID, r.Generation, *r.ProtocolType, *r.Protocol, r.LeaderID)
	if r.SkipAssignment {
		out += " skip-assignment"
	}
	for _, m := range r.Members {
		out += fmt.Sprintf(" [%s %q]", m.MemberID, m.ProtocolMetadata)
	}
	s.printf("%s", out)
}

func (s *script) leave(label string, from Client, me *identity) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version = int16(s.num("v", 5))
	req.Group = s.bare(0)
	req.MemberID = me.member
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: me.member, InstanceID: s.ptr("instance")}}
	if ids, ok := s.args["instances"]; ok {
		req.Members = nil
		for _, id := range ids {
			req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{InstanceID: &id})
		}
	}
	s.call(label, from, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.LeaveGroupResponse)
		out := fmt.Sprintf("%s: %s", label, errName(r.ErrorCode))
		for _, m := range r.Members {
			out += " " + errName(m.ErrorCode)
		}
		s.printf("%s", out)
	})
}

// parsePartition takes "topic/1" apart.
func parsePartition(t require.TestingT, s string) (string, int32) {
	topic, index, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(index)
	require.NoError(t, err)
	return topic, int32(n)
}

func (s *script) commit(label, cmd string, from Client, me *identity, gen int32) {
	member := me.member
	if _, ok := s.args["outside"]; ok {
		member, gen = "", -1
	}
	print := func(topic string, index int32, code int16) {
		s.printf("%s: %s/%d %s", label, topic, index, errName(code))
	}
	if cmd == "txn-commit" {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version = 3
		req.Group, req.MemberID, req.Generation, req.InstanceID = s.bare(0), member, gen, s.ptr("instance")
		req.ProducerID = s.num("producer", 0)
		for _, a := range s.args["at"] {
			p, off, _ := strings.Cut(a, ":")
			topic, index := parsePartition(s.t, p)
			n, _ := strconv.ParseInt(off, 10, 64)
			req.Topics = append(req.Topics, kmsg.TxnOffsetCommitRequestTopic{Topic: topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{
				{Partition: index, Offset: n, LeaderEpoch: -1, Metadata: s.ptr("metadata")}}})
		}
		s.call(label, from, req, func(resp kmsg.Response) {
			for _, t := range resp.(*kmsg.TxnOffsetCommitResponse).Topics {
				print(t.Topic, t.Partitions[0].Partition, t.Partitions[0].ErrorCode)
			}
		})
		return
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version = int16(s.num("v", 9))
	req.Group, req.MemberID, req.Generation, req.InstanceID = s.bare(0), member, gen, s.ptr("instance")
	req.RetentionTimeMillis = -1
	if _, ok := s.args["retention"]; ok {
		req.RetentionTimeMillis = s.dur("retention", 0).Milliseconds()
	}
	for _, a := range s.args["at"] {
		p, off, _ := strings.Cut(a, ":")
		topic, index := parsePartition(s.t, p)
		n, _ := strconv.ParseInt(off, 10, 64)
		req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{
			{Partition: index, Offset: n, LeaderEpoch: int32(s.num("epoch", -1)), Metadata: s.ptr("metadata")}}})
	}
	s.call(label, from, req, func(resp kmsg.Response) {
		for _, t := range resp.(*kmsg.OffsetCommitResponse).Topics {
			print(t.Topic, t.Partitions[0].Partition, t.Partitions[0].ErrorCode)
		}
	})
}

func (s *script) fetch(label string, from Client) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = int16(s.num("v", 8))
	_, req.RequireStable = s.args["stable"]
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group = s.bare(0)
	req.Group = rg.Group
	if at, ok := s.args["at"]; ok {
		for _, p := range at {
			topic, index := parsePartition(s.t, p)
			rg.Topics = append(rg.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: topic, Partitions: []int32{index}})
			req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: topic, Partitions: []int32{index}})
		}
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{rg}
	s.call(label, from, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.OffsetFetchResponse)
		code, print := r.ErrorCode, func(topic string, index int32, at int64, epoch int32, metadata *string, code int16) {
			s.printf("%s: %s/%d at=%d epoch=%d metadata=%q %s", label, topic, index, at, epoch, *metadata, errName(code))
		}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				print(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
			}
		}
		for _, g := range r.Groups {
			code = g.ErrorCode
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					print(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode)
				}
			}
		}
		if code != 0 {
			s.printf("%s: %s", label, errName(code))
		}
	})
}

func (s *script) describe(label string, from Client) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Version = int16(s.num("v", 6))
	req.Groups = []string{s.bare(0)}
	s.call(label, from, req, func(resp kmsg.Response) {
		for _, g := range resp.(*kmsg.DescribeGroupsResponse).Groups {
			s.printf("%s: %s %s %s/%s", label, errName(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
			for _, m := range g.Members {
				instance := ""
				if m.InstanceID != nil {
					instance = " instance=" + *m.InstanceID
				}
				s.printf("  %s%s client=%s%s metadata=%q assignment=%q", m.MemberID, instance, m.ClientID, m.ClientHost, m.ProtocolMetadata, m.MemberAssignment)
			}
		}
	})
}

// setTopics takes topics as name:partitions; the id is the name's first byte.
func (s *script) setTopics() {
	var topics []Topic
	for _, a := range s.d {
		name, n, _ := strings.Cut(a.Key, ":")
		partitions, err := strconv.Atoi(n)
		require.NoError(s.t, err)
		topics = append(topics, Topic{Name: name, ID: topicID{name[0]}, Partitions: int32(partitions)})
	}
	s.topics = topics
	s.c.SetTopics(topics)
}

// printAssignment writes t:0,1 u:0 for topics whose ids are letters.
func printAssignment(a assignment) string {
	var out []string
	for _, id := range a.topics() {
		out = append(out, fmt.Sprintf("%c:%s", id[0], strings.Trim(strings.ReplaceAll(fmt.Sprint(a[id]), " ", ","), "[]")))
	}
	return "{" + strings.Join(out, " ") + "}"
}

// beat is a heartbeat of a consumer group. With `join` it is a full one with
// epoch 0; `owned=all` reports what the last answers gave, `owned=()` nothing.
func (s *script) beat(label string, from Client, me *identity) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = int16(s.num("v", 1))
	req.Group = s.bare(0)
	req.MemberID, req.InstanceID, req.RackID = me.member, s.ptr("instance"), s.ptr("rack")
	req.MemberEpoch = int32(s.num("epoch", int64(max(me.gen, 0))))
	req.RebalanceTimeoutMillis = -1
	req.ServerAssignor = s.ptr("assignor")
	if t, ok := s.args["topics"]; ok {
		req.SubscribedTopicNames = append([]string{}, t...)
	}
	req.SubscribedTopicRegex = s.ptr("regex")
	if _, ok := s.args["join"]; ok {
		req.MemberEpoch = 0
		me.owned = assignment{}
	}
	if _, ok := s.args["full"]; ok || req.MemberEpoch == 0 {
		req.RebalanceTimeoutMillis = int32(s.dur("rebalance", 30*time.Second).Milliseconds())
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	if v, ok := s.args["owned"]; ok {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		if len(v) > 0 && v[0] == "all" {
			for _, id := range me.owned.topics() {
				req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: me.owned[id]})
			}
		}
	}
	s.call(label, from, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
		if r.ErrorCode != 0 {
			s.printf("%s: %s (%s)", label, errName(r.ErrorCode), *r.ErrorMessage)
			return
		}
		if _, lost := s.args["lost"]; lost {
			s.printf("%s: answer lost", label)
			return
		}
		me.member, me.gen = *r.MemberID, r.MemberEpoch
		out := fmt.Sprintf("%s: member=%s epoch=%d", label, *r.MemberID, r.MemberEpoch)
		if r.Assignment != nil {
			me.owned = assignment{}
			for _, t := range r.Assignment.Topics {
				me.owned[t.TopicID] = t.Partitions
			}
			out += " " + printAssignment(me.owned)
		}
		s.printf("%s", out)
	})
}

func (s *script) describeConsumer(label string, from Client) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Version = 1
	req.Groups = []string{s.bare(0)}
	print := func(a kmsg.Assignment) string {
		var out []string
		for _, t := range a.TopicPartitions {
			out = append(out, fmt.Sprintf("%s:%v", t.Topic, t.Partitions))
		}
		return "{" + strings.Join(out, " ") + "}"
	}
	s.call(label, from, req, func(resp kmsg.Response) {
		for _, g := range resp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
			if g.ErrorCode != 0 {
				s.printf("%s: %s", label, errName(g.ErrorCode))
				continue
			}
			s.printf("%s: %s epoch=%d assignment-epoch=%d %s", label, g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName)
			for _, m := range g.Members {
				s.printf("  %s epoch=%d client=%s%s topics=%v assigned=%s target=%s", m.MemberID, m.MemberEpoch, m.ClientID, m.ClientHost,
					m.SubscribedTopics, print(m.Assignment), print(m.TargetAssignment))
			}
		}
	})
}
