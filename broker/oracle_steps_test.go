package broker_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// oracle tells one broker the steps of a scenario and writes down its answers, with the names of the run taken out.
type oracle struct {
	t       *testing.T
	addr    string
	prefix  string
	clients map[string]*oracleClient
	names   map[string]string // member ids to names
	seen    map[string]int    // how many members with a client or instance id there were
	log     []string
}

type oracleClient struct {
	conn   net.Conn
	name   string
	member string
	gen    int32
	owned  []kmsg.ConsumerGroupHeartbeatRequestTopic
	id     int32
	wait   func() // takes in the answer that is open
}

func (o *oracle) client(name string) *oracleClient {
	if o.clients[name] == nil {
		conn, err := net.Dial("tcp", o.addr)
		require.NoError(o.t, err)
		o.t.Cleanup(func() { _ = conn.Close() })
		o.clients[name] = &oracleClient{conn: conn, name: name, gen: -1}
	}
	return o.clients[name]
}

// send sends a request; the answer is taken in by await.
func (o *oracle) send(c *oracleClient, req kmsg.Request, got func(kmsg.Response)) {
	require.Nil(o.t, c.wait, "%s has a request open", c.name)
	c.id++
	_, err := c.conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(c.name)).AppendRequest(nil, req, c.id))
	require.NoError(o.t, err)
	c.wait = func() {
		c.wait = nil
		require.NoError(o.t, c.conn.SetReadDeadline(time.Now().Add(patience)))
		var size [4]byte
		_, err := io.ReadFull(c.conn, size[:])
		require.NoError(o.t, err)
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		_, err = io.ReadFull(c.conn, body)
		require.NoError(o.t, err)
		body = body[4:]
		resp := req.ResponseKind()
		if resp.IsFlexible() && req.Key() != kmsg.ApiVersions.Int16() {
			body = body[1:]
		}
		require.NoError(o.t, resp.ReadFrom(body))
		got(resp)
	}
}

func (o *oracle) await(names ...string) {
	for _, n := range names {
		c := o.client(n)
		require.NotNil(o.t, c.wait, "%s waits for nothing", n)
		c.wait()
	}
}

func (o *oracle) say(format string, args ...any) { o.log = append(o.log, fmt.Sprintf(format, args...)) }

func code(c int16) string {
	if c == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(c).Message
}

// member is a member id without what is random in it.
func (o *oracle) member(id string) string {
	const random = len("-00000000-0000-0000-0000-000000000000")
	if len(id) <= random || strings.HasPrefix(id, o.prefix) {
		return fmt.Sprintf("%q", strings.TrimPrefix(id, o.prefix))
	}
	if o.names[id] == "" {
		base := id[:len(id)-random]
		o.seen[base]++
		o.names[id] = fmt.Sprintf("%s/%d", base, o.seen[base])
	}
	return o.names[id]
}

// oJoin is what a join says; the zero value is a dynamic consumer with one protocol.
type oJoin struct {
	version   int16
	group     string
	instance  string
	kind      string
	protocols []string // name:metadata
	session   int32
	member    *string
}

func (o *oracle) join(name string, j oJoin) {
	c := o.client(name)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = cmp.Or(j.version, 9)
	req.Group = o.prefix + cmp.Or(j.group, "g")
	req.MemberID = c.member
	if j.member != nil {
		req.MemberID = *j.member
	}
	if j.instance != "" {
		req.InstanceID = &j.instance
	}
	req.ProtocolType = cmp.Or(j.kind, "consumer")
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = cmp.Or(j.session, 10_000), 30_000
	if j.protocols == nil {
		j.protocols = []string{"range:" + name}
	}
	for _, p := range j.protocols {
		pn, meta, _ := strings.Cut(p, ":")
		m := kmsg.NewConsumerMemberMetadata()
		m.Topics, m.UserData = []string{o.prefix + "t"}, []byte(meta)
		req.Protocols = append(req.Protocols, kmsg.JoinGroupRequestProtocol{Name: pn, Metadata: m.AppendTo(nil)})
	}
	o.send(c, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.JoinGroupResponse)
		if r.ErrorCode != 0 {
			o.say("%s join: %s member=%s", name, code(r.ErrorCode), o.member(r.MemberID))
			if r.ErrorCode == kerr.MemberIDRequired.Code {
				c.member = r.MemberID
			}
			return
		}
		c.member, c.gen = r.MemberID, r.Generation
		var members []string
		for _, m := range r.Members {
			members = append(members, o.member(m.MemberID))
		}
		slices.Sort(members)
		o.say("%s join: gen=%d %s leader=%s member=%s skip=%v members=%v", name, r.Generation, *r.Protocol, o.member(r.LeaderID), o.member(r.MemberID), r.SkipAssignment, members)
	})
}

// enter is a join of a dynamic member that may wait: the id comes first.
func (o *oracle) enter(name string, j oJoin) {
	o.join(name, j)
	if j.instance == "" && o.client(name).member == "" {
		o.await(name)
		o.join(name, j)
	}
}

func (o *oracle) sync(name string, instance string, assign ...string) {
	c := o.client(name)
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, o.prefix+"g", c.member, c.gen
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	if instance != "" {
		req.InstanceID = &instance
	}
	for _, a := range assign {
		who, what, _ := strings.Cut(a, ":")
		ma := kmsg.NewConsumerMemberAssignment()
		ma.UserData = []byte(what)
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: o.client(who).member, MemberAssignment: ma.AppendTo(nil)})
	}
	o.send(c, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.SyncGroupResponse)
		what := ""
		if len(r.MemberAssignment) > 0 {
			ma := kmsg.NewConsumerMemberAssignment()
			require.NoError(o.t, ma.ReadFrom(r.MemberAssignment))
			what = string(ma.UserData)
		}
		o.say("%s sync: %s %q", name, code(r.ErrorCode), what)
	})
}

func (o *oracle) heartbeat(name, instance string, gen int32) {
	c := o.client(name)
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 4, o.prefix+"g", c.member, gen
	if instance != "" {
		req.InstanceID = &instance
	}
	o.send(c, req, func(resp kmsg.Response) {
		o.say("%s heartbeat: %s", name, code(resp.(*kmsg.HeartbeatResponse).ErrorCode))
	})
	o.await(name)
}

// until sends heartbeats until the answer is err: the others have arrived.
func (o *oracle) until(name, instance string, err *kerr.Error) {
	c := o.client(name)
	for came := false; !came; {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation = 4, o.prefix+"g", c.member, c.gen
		if instance != "" {
			req.InstanceID = &instance
		}
		o.send(c, req, func(resp kmsg.Response) { came = resp.(*kmsg.HeartbeatResponse).ErrorCode == err.Code })
		o.await(name)
	}
}

// untilMembers waits until the group has so many members, those whose joins wait for others included: joins of several
// connections may be handled in any order.
func (o *oracle) untilMembers(n int) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Version, req.Groups = 5, []string{o.prefix + "g"}
	for there := false; !there; {
		o.send(o.client("admin"), req, func(resp kmsg.Response) {
			there = len(resp.(*kmsg.DescribeGroupsResponse).Groups[0].Members) == n
		})
		o.await("admin")
	}
}

func (o *oracle) leave(name string, instances ...string) {
	c := o.client(name)
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = 5, o.prefix+"g"
	for _, i := range instances {
		req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{InstanceID: &i})
	}
	if instances == nil {
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.member}}
	}
	o.send(c, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.LeaveGroupResponse)
		out := code(r.ErrorCode)
		for _, m := range r.Members {
			out += " " + code(m.ErrorCode)
		}
		o.say("%s leave: %s", name, out)
	})
	o.await(name)
}

func (o *oracle) commit(name, member, instance string, gen int32, at int64, metadata string) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 9, o.prefix+"g", member, gen
	if instance != "" {
		req.InstanceID = &instance
	}
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic = o.prefix + "t"
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset, rp.Metadata = at, &metadata
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	o.send(o.client(name), req, func(resp kmsg.Response) {
		o.say("%s commit: %s", name, code(resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode))
	})
	o.await(name)
}

func (o *oracle) fetch(name string, stable bool, group string, partitions ...int32) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 8, stable
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group = o.prefix + group
	if partitions != nil {
		rg.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: o.prefix + "t", Partitions: partitions}}
	}
	req.Groups = append(req.Groups, rg)
	o.send(o.client(name), req, func(resp kmsg.Response) {
		g := resp.(*kmsg.OffsetFetchResponse).Groups[0]
		out := code(g.ErrorCode)
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %d:%d/%d/%q/%s", p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata, code(p.ErrorCode))
			}
		}
		o.say("%s fetch: %s", name, out)
	})
	o.await(name)
}

func (o *oracle) describe(name string, version int16, group string) {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Version, req.Groups = version, []string{o.prefix + group}
	o.send(o.client(name), req, func(resp kmsg.Response) {
		g := resp.(*kmsg.DescribeGroupsResponse).Groups[0]
		var members []string
		for _, m := range g.Members {
			members = append(members, fmt.Sprintf("%s/%v/%v", o.member(m.MemberID), len(m.ProtocolMetadata) > 0, len(m.MemberAssignment) > 0))
		}
		slices.Sort(members)
		o.say("describe: %s %s type=%q protocol=%q %v", code(g.ErrorCode), g.State, g.ProtocolType, g.Protocol, members)
	})
	o.await(name)
}

func (o *oracle) list(name string) {
	req := kmsg.NewPtrListGroupsRequest()
	req.Version = 5
	o.send(o.client(name), req, func(resp kmsg.Response) {
		for _, g := range resp.(*kmsg.ListGroupsResponse).Groups {
			if id, ok := strings.CutPrefix(g.Group, o.prefix); ok {
				o.say("list: %s %s %s %q", id, g.GroupType, g.GroupState, g.ProtocolType)
			}
		}
	})
	o.await(name)
}

func (o *oracle) remove(name, group string) {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Version, req.Groups = 2, []string{o.prefix + group}
	o.send(o.client(name), req, func(resp kmsg.Response) {
		o.say("delete: %s", code(resp.(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode))
	})
	o.await(name)
}

func (o *oracle) removeOffset(name, group string) {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = o.prefix + group
	req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: o.prefix + "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}}}}
	o.send(o.client(name), req, func(resp kmsg.Response) {
		r := resp.(*kmsg.OffsetDeleteResponse)
		out := code(r.ErrorCode)
		for _, t := range r.Topics {
			out += " " + code(t.Partitions[0].ErrorCode)
		}
		o.say("delete offset: %s", out)
	})
	o.await(name)
}

// oBeat is what a heartbeat of KIP-848 says beside member and epoch.
type oBeat struct {
	group    string
	instance string
	epoch    *int32
	join     bool
	owned    bool // say what it has, as it was told
	none     bool // say that it has nothing
	topics   []string
	regex    string
	assignor string
	lost     bool
	quiet    bool
}

func (o *oracle) beat(name string, b oBeat) {
	c := o.client(name)
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group = 1, o.prefix+cmp.Or(b.group, "c")
	if c.member == "" {
		c.member, c.gen = o.prefix+name, 0
	}
	req.MemberID, req.MemberEpoch = c.member, c.gen
	if b.epoch != nil {
		req.MemberEpoch = *b.epoch
	}
	if b.instance != "" {
		req.InstanceID = &b.instance
	}
	if b.assignor != "" {
		req.ServerAssignor = &b.assignor
	}
	if b.regex != "" {
		req.SubscribedTopicRegex = &b.regex
	}
	req.RebalanceTimeoutMillis = -1
	if b.join {
		req.MemberEpoch, req.RebalanceTimeoutMillis = 0, 30_000
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	if b.topics != nil {
		req.SubscribedTopicNames = []string{}
		for _, t := range b.topics {
			req.SubscribedTopicNames = append(req.SubscribedTopicNames, o.prefix+t)
		}
	}
	if b.none {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	if b.owned {
		req.Topics = append([]kmsg.ConsumerGroupHeartbeatRequestTopic{}, c.owned...)
	}
	o.send(c, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
		if r.ErrorCode != 0 {
			o.say("%s beat: %s", name, code(r.ErrorCode))
			return
		}
		// Epochs differ by when a broker assigns: at once, or for several changes together.
		out := "ok"
		var owned []kmsg.ConsumerGroupHeartbeatRequestTopic
		if r.Assignment != nil {
			for _, t := range r.Assignment.Topics {
				owned = append(owned, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
			}
		}
		if !b.quiet {
			o.say("%s beat: %s", name, out)
		}
		if !b.lost {
			c.member, c.gen = *r.MemberID, r.MemberEpoch
			if r.Assignment != nil {
				c.owned = owned
			}
		}
	})
	o.await(name)
}

func (o *oracle) describeConsumer(name, group string) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{o.prefix + group}
	o.send(o.client(name), req, func(resp kmsg.Response) {
		g := resp.(*kmsg.ConsumerGroupDescribeResponse).Groups[0]
		var members []string
		for _, m := range g.Members {
			n := 0
			for _, t := range m.Assignment.TopicPartitions {
				n += len(t.Partitions)
			}
			members = append(members, fmt.Sprintf("%s:%d", m.ClientID, n))
		}
		slices.Sort(members)
		o.say("describe: %s %s %s %v", code(g.ErrorCode), g.State, g.AssignorName, members)
	})
	o.await(name)
}

// settle lets members beat until the group is stable and they have all partitions between them.
func (o *oracle) settle(partitions int, b oBeat, names ...string) {
	b.owned, b.quiet = true, true
	describe := kmsg.NewPtrConsumerGroupDescribeRequest()
	describe.Groups = []string{o.prefix + cmp.Or(b.group, "c")}
	for stable := false; !stable; {
		n := 0
		for _, name := range names {
			o.beat(name, b)
			for _, t := range o.client(name).owned {
				n += len(t.Partitions)
			}
		}
		o.send(o.client("watcher"), describe, func(resp kmsg.Response) {
			stable = n == partitions && resp.(*kmsg.ConsumerGroupDescribeResponse).Groups[0].State == "Stable"
		})
		o.await("watcher")
	}
}

func (o *oracle) commitConsumer(name string, epoch int32, at int64) {
	member := ""
	if epoch >= 0 {
		member = o.client(name).member
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 9, o.prefix+"c", member, epoch
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic = o.prefix + "t"
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset = at
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	o.send(o.client(name), req, func(resp kmsg.Response) {
		o.say("%s commit: %s", name, code(resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode))
	})
	o.await(name)
}

// askInit asks for a producer until no transaction and no coordinator that is only starting is in the way.
func (o *oracle) askInit(id string, pid int64, epoch int16) (r *kmsg.InitProducerIDResponse) {
	init := kmsg.NewPtrInitProducerIDRequest()
	init.Version, init.TransactionalID, init.TransactionTimeoutMillis = 4, &id, 60_000
	init.ProducerID, init.ProducerEpoch = pid, epoch
	for again := true; again; {
		o.send(o.client("admin"), init, func(resp kmsg.Response) {
			r = resp.(*kmsg.InitProducerIDResponse)
			again = r.ErrorCode == kerr.ConcurrentTransactions.Code || r.ErrorCode == kerr.NotCoordinator.Code || r.ErrorCode == kerr.CoordinatorLoadInProgress.Code || r.ErrorCode == kerr.CoordinatorNotAvailable.Code
		})
		o.await("admin")
	}
	return r
}

// initProducer is an instance of the producer id that knows pid and epoch; -1, -1 is a new one. Producer ids are told by
// their order.
func (o *oracle) initProducer(id string, pid int64, epoch int16) *oTxn {
	r := o.askInit(o.prefix+id, pid, epoch)
	name := fmt.Sprint("producer ", r.ProducerID)
	if r.ProducerID >= 0 && o.names[name] == "" {
		o.seen["producer"]++
		o.names[name] = fmt.Sprint("producer ", o.seen["producer"])
	}
	o.say("init %s, epoch %d: %s, %s, epoch %d", id, epoch, code(r.ErrorCode), o.names[name], r.ProducerEpoch)
	return &oTxn{id: o.prefix + id, pid: r.ProducerID, epoch: r.ProducerEpoch}
}

// add registers a partition with the producer's transaction.
func (o *oracle) add(p *oTxn) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = 3, p.id, p.pid, p.epoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: o.prefix + "t", Partitions: []int32{0}}}
	var got int16
	for again := true; again; {
		o.send(o.client("admin"), req, func(resp kmsg.Response) {
			got = resp.(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode
			again = got == kerr.ConcurrentTransactions.Code
		})
		o.await("admin")
	}
	o.say("add: %s", code(got))
}

// oTxn is an open transaction.
type oTxn struct {
	id    string
	pid   int64
	epoch int16
}

func (o *oracle) newTxn(id string) *oTxn {
	p := &oTxn{id: o.prefix + id}
	r := o.askInit(p.id, -1, -1)
	require.Zero(o.t, r.ErrorCode, code(r.ErrorCode))
	p.pid, p.epoch = r.ProducerID, r.ProducerEpoch
	c := o.client("admin")
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.Version, add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = 3, p.id, p.pid, p.epoch, o.prefix+"g"
	for again := true; again; {
		o.send(c, add, func(resp kmsg.Response) {
			e := resp.(*kmsg.AddOffsetsToTxnResponse).ErrorCode
			again = e == kerr.ConcurrentTransactions.Code
			require.True(o.t, again || e == 0, code(e))
		})
		o.await("admin")
	}
	return p
}

func (o *oracle) stage(name string, p *oTxn, member, instance string, gen int32, at int64) {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = 3, p.id, o.prefix+"g", p.pid, p.epoch
	req.MemberID, req.Generation = member, gen
	rt := kmsg.NewTxnOffsetCommitRequestTopic()
	rt.Topic = o.prefix + "t"
	rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	rp.Offset = at
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	o.send(o.client(name), req, func(resp kmsg.Response) {
		o.say("%s stage: %s", name, code(resp.(*kmsg.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode))
	})
	o.await(name)
}

func (o *oracle) end(name string, p *oTxn, commit bool) {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = 3, p.id, p.pid, p.epoch, commit
	o.send(o.client(name), req, func(resp kmsg.Response) { o.say("end: %s", code(resp.(*kmsg.EndTxnResponse).ErrorCode)) })
	o.await(name)
	// The offsets move a moment after the answer.
	for unstable := true; unstable; {
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version, fetch.RequireStable = 7, true
		fetch.Group = o.prefix + "g"
		fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: o.prefix + "t", Partitions: []int32{0}}}
		o.send(o.client(name), fetch, func(resp kmsg.Response) {
			unstable = resp.(*kmsg.OffsetFetchResponse).Topics[0].Partitions[0].ErrorCode == kerr.UnstableOffsetCommit.Code
		})
		o.await(name)
	}
}

// createTopic makes the scenario's topic and waits until it is there.
func (o *oracle) createTopic() {
	c := o.client("admin")
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 10_000
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = o.prefix+"t", 4, 1
	req.Topics = append(req.Topics, rt)
	o.send(c, req, func(resp kmsg.Response) {
		require.Zero(o.t, resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
	})
	o.await("admin")
	for there := false; !there; {
		meta := kmsg.NewPtrMetadataRequest()
		meta.Version, meta.Topics = 9, []kmsg.MetadataRequestTopic{{Topic: &rt.Topic}}
		o.send(c, meta, func(resp kmsg.Response) {
			t := resp.(*kmsg.MetadataResponse).Topics[0]
			there = t.ErrorCode == 0 && len(t.Partitions) == 4
		})
		o.await("admin")
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKeys = 4, []string{o.prefix + "g", o.prefix + "c"}
	for there := false; !there; {
		o.send(c, find, func(resp kmsg.Response) {
			there = !slices.ContainsFunc(resp.(*kmsg.FindCoordinatorResponse).Coordinators, func(c kmsg.FindCoordinatorResponseCoordinator) bool { return c.ErrorCode != 0 })
		})
		o.await("admin")
	}
}

func (o *oracle) cleanUp() {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TimeoutMillis, req.TopicNames = 5, 10_000, []string{o.prefix + "t"}
	o.send(o.client("cleaner"), req, func(kmsg.Response) {})
	o.await("cleaner")
	groups := kmsg.NewPtrDeleteGroupsRequest()
	groups.Version, groups.Groups = 2, []string{o.prefix + "g", o.prefix + "c"}
	o.send(o.client("cleaner"), groups, func(kmsg.Response) {})
	o.await("cleaner")
}
