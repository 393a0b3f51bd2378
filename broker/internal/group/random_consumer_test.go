package group

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// reader is a member of a consumer group in the random test: it reads what it
// was last given, until it is told otherwise or has not been heard for a
// session timeout.
type reader struct {
	name     string
	instance *string
	id       string
	epoch    int32
	full     bool // the next heartbeat says everything
	topics   []string
	reads    assignment
	heard    time.Time
}

type consumerSchedule struct {
	*world
	t       *rapid.T
	readers []*reader
	ids     int
}

func (s *consumerSchedule) beat(r *reader, lost bool) {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = 1
	req.Group, req.InstanceID = "g", r.instance
	if r.id == "" {
		s.ids++
		r.id, r.epoch, r.reads = fmt.Sprintf("%s.%d", r.name, s.ids), 0, assignment{}
	}
	req.MemberID, req.MemberEpoch = r.id, r.epoch
	req.RebalanceTimeoutMillis = -1
	if r.epoch == 0 || r.full {
		req.RebalanceTimeoutMillis = int32(time.Hour.Milliseconds())
		req.SubscribedTopicNames = r.topics
	}
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, id := range r.reads.topics() {
		req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: r.reads[id]})
	}
	s.call(r.name, Client{ID: r.name}, req, func(resp kmsg.Response) {
		if lost {
			r.full = true
			return
		}
		a := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
		if a.ErrorCode != 0 {
			// Fenced or unknown: begin anew with nothing.
			r.epoch, r.reads, r.id = 0, assignment{}, ""
			return
		}
		require.GreaterOrEqual(s.t, a.MemberEpoch, r.epoch, "an epoch goes back")
		r.epoch, r.full, r.heard = a.MemberEpoch, false, s.now
		if a.Assignment != nil {
			r.reads = assignment{}
			for _, t := range a.Assignment.Topics {
				r.reads[t.TopicID] = t.Partitions
			}
		}
	})
}

func (s *consumerSchedule) leave(r *reader) {
	if r.id == "" || r.epoch == 0 {
		return
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = 1
	req.Group, req.InstanceID, req.MemberID, req.MemberEpoch = "g", r.instance, r.id, -1
	if r.instance != nil {
		req.MemberEpoch = leftForNow
	}
	s.call(r.name, Client{ID: r.name}, req, func(kmsg.Response) {})
	r.id, r.epoch, r.reads = "", 0, assignment{}
}

// check is the law of the protocol: no partition has two readers.
func (s *consumerSchedule) check() {
	owner := make(map[topicPartition]string)
	for _, r := range s.readers {
		if s.now.Sub(r.heard) >= s.c.cfg.ConsumerSessionTimeout {
			r.epoch, r.reads = 0, assignment{} // it takes it that it has been given up on
		}
		for id, p := range r.reads.all() {
			tp := topicPartition{id, p}
			require.NotContains(s.t, owner, tp, "%s reads what %s reads", r.name, owner[tp])
			owner[tp] = r.name
		}
	}
}

func (s *consumerSchedule) drawTopics() {
	var topics []Topic
	for i, name := range []string{"t", "u", "v"} {
		if n := rapid.Int32Range(0, 6).Draw(s.t, "partitions"); n > 0 {
			topics = append(topics, Topic{Name: name, ID: testTopic(i + 1), Partitions: n})
		}
	}
	s.topics = topics
	s.c.SetTopics(topics)
}

func (s *consumerSchedule) calm() bool {
	k := s.c.groups["g"]
	if k == nil || k.consumer == nil || k.consumer.state() != "Stable" || len(k.consumer.members) != len(s.readers) {
		return false
	}
	for _, r := range s.readers {
		m := k.consumer.byID[r.id]
		if m == nil || r.epoch != m.epoch || !r.reads.equal(m.target) {
			return false
		}
	}
	return true
}

// TestRandomConsumerSchedules: however answers get lost, members come and go,
// topics change and the coordinator crashes, no partition has two readers, and
// in peace each comes to have one.
func TestRandomConsumerSchedules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &consumerSchedule{world: newWorld(rt, Config{}), t: rt}
		s.drawTopics()
		for i := range rapid.IntRange(1, 4).Draw(rt, "readers") {
			r := &reader{name: fmt.Sprintf("r%d", i), reads: assignment{}, topics: []string{"t", "u"}}
			if rapid.Bool().Draw(rt, "static") {
				r.instance = kmsg.StringPtr(fmt.Sprintf("i%d", i))
			}
			s.readers = append(s.readers, r)
		}
		for range rapid.IntRange(0, 80).Draw(rt, "steps") {
			r := s.readers[rapid.IntRange(0, len(s.readers)-1).Draw(rt, "reader")]
			switch rapid.IntRange(0, 24).Draw(rt, "kind") {
			case 0:
				s.load()
			case 1, 2:
				s.advance(rapid.SampledFrom([]time.Duration{time.Second, 20 * time.Second, 45 * time.Second}).Draw(rt, "time"))
			case 3:
				s.drawTopics()
			case 4:
				s.leave(r)
			case 5:
				r.topics = rapid.SampledFrom([][]string{{"t"}, {"u", "v"}, {"t", "u", "v"}}).Draw(rt, "topics")
				r.full = true
			case 6: // the process is killed
				r.id, r.epoch, r.reads = "", 0, assignment{}
			case 7, 8:
				s.beat(r, true)
			default:
				s.beat(r, false)
			}
			s.check()
		}
		for round := 0; round < 200 && (round == 0 || !s.calm()); round++ {
			for _, r := range s.readers {
				s.beat(r, false)
				s.check()
			}
			s.advance(time.Second)
		}
		require.True(rt, s.calm(), "the group does not come to rest")
		for _, t := range s.topics {
			read := 0
			for _, r := range s.readers {
				read += len(r.reads[t.ID])
			}
			if s.c.groups["g"].consumer.reads(t.Name) {
				require.Equal(rt, int(t.Partitions), read, "topic %s", t.Name)
			}
		}
	})
}
