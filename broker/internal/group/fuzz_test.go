package group

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzLoad: pairs that are not ours are an error, never a panic; what does load can be driven.
func FuzzLoad(f *testing.F) {
	w := newWorld(f, Config{})
	w.c.SetTopics([]Topic{{Name: "t", ID: topicID{1}, Partitions: 2}})
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.ProtocolType = 3, "g", 10_000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	var member string
	w.call("join", Client{ID: "a"}, join, func(r kmsg.Response) { member = r.(*kmsg.JoinGroupResponse).MemberID })
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = "g", member, 1
	w.call("sync", Client{}, sync, func(kmsg.Response) {})
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Version, beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis, beat.SubscribedTopicNames = 1, "c", "m", 1000, []string{"t"}
	w.call("beat", Client{}, beat, func(kmsg.Response) {})
	w.c.commit(w.c.group("g"), partition{"t", 0}, offset{at: 1, expires: -1})
	w.c.stage(w.c.group("g"), 7, partition{"t", 1}, offset{at: 1, expires: 5})
	w.settle()
	for k, v := range w.disk {
		f.Add([]byte(k), []byte(v))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		now := time.Unix(1_700_000_000, 0)
		c, err := Load(Config{}, now, func(yield func(k, v []byte) bool) { yield(key, value) })
		if err != nil {
			return
		}
		c.SetTopics([]Topic{{Name: "t", ID: topicID{1}, Partitions: 2}})
		list := kmsg.NewPtrListGroupsRequest()
		c.Handle(now, Client{}, list, func(kmsg.Response) {})
		c.Tick(now.Add(time.Hour))
		c.Shutdown()
		for _, release := range c.Take().Replies {
			release()
		}
	})
}
