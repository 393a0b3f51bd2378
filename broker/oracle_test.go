package broker_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/broker"
)

// kafkaAddr names an Apache Kafka that may be used: TestOracle then asks it and the broker the same and compares what
// they say. It makes topics and groups with names of its own, and deletes them.
const kafkaAddr = "MILLRACE_KAFKA"

// TestOracle compares the groups and producers of the broker with those of Apache Kafka.
func TestOracle(t *testing.T) {
	kafka := os.Getenv(kafkaAddr)
	if kafka == "" {
		t.Skipf("%s does not name a Kafka to compare with", kafkaAddr)
	}
	b := start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tell(t, kafka, scenario), tell(t, b.Addr(), scenario))
		})
	}
}

func tell(t *testing.T, addr string, scenario func(*oracle)) []string {
	o := &oracle{t: t, addr: addr, prefix: fmt.Sprintf("oracle-%d-", time.Now().UnixNano()), clients: map[string]*oracleClient{}, names: map[string]string{}, seen: map[string]int{}}
	o.createTopic()
	defer o.cleanUp()
	scenario(o)
	return o.log
}

// scenarios are told to both brokers.
var scenarios = map[string]func(o *oracle){
	"join, sync, leave": func(o *oracle) {
		o.join("a", oJoin{})
		o.await("a")
		o.join("a", oJoin{})
		o.await("a")
		o.heartbeat("a", "", o.client("a").gen)
		o.commit("a", o.client("a").member, "", o.client("a").gen, 1, "")
		o.sync("a", "", "a:all")
		o.await("a")
		o.heartbeat("a", "", 7)
		o.describe("admin", 6, "g")
		o.enter("b", oJoin{})
		o.until("a", "", kerr.RebalanceInProgress)
		o.sync("a", "")
		o.await("a")
		o.commit("a", o.client("a").member, "", o.client("a").gen, 2, "")
		o.describe("admin", 5, "g")
		o.join("a", oJoin{})
		o.await("a", "b")
		o.sync("b", "")
		o.sync("a", "", "a:one")
		o.await("a", "b")
		o.join("b", oJoin{}) // again with the same: answered at once
		o.await("b")
		o.join("b", oJoin{protocols: []string{"range:other"}})
		o.until("a", "", kerr.RebalanceInProgress)
		o.join("a", oJoin{})
		o.await("a", "b")
		o.sync("a", "", "a:x", "b:y")
		o.await("a")
		o.sync("b", "")
		o.await("b")
		o.leave("b")
		o.leave("b")
		o.heartbeat("a", "", o.client("a").gen)
		o.leave("a")
		o.describe("admin", 6, "g")
		o.list("admin")
	},
	"refusals of joins": func(o *oracle) {
		stranger := "stranger"
		o.join("a", oJoin{member: &stranger})
		o.await("a")
		o.join("a", oJoin{session: 1})
		o.await("a")
		o.join("a", oJoin{session: 1 << 30})
		o.await("a")
		o.join("a", oJoin{version: 3})
		o.await("a")
		o.join("b", oJoin{kind: "connect"})
		o.await("b")
		o.join("b", oJoin{protocols: []string{"sticky:b"}})
		o.await("b")
		o.join("b", oJoin{member: &stranger})
		o.await("b")
		o.heartbeat("nobody", "", 1)
		o.leave("nobody")
		o.leave("a")
	},
	"protocol by votes": func(o *oracle) {
		o.join("a", oJoin{version: 3, protocols: []string{"sticky:1", "range:1"}})
		o.await("a")
		o.join("b", oJoin{version: 3, protocols: []string{"range:2", "sticky:2", "other:2"}})
		o.join("c", oJoin{version: 3, protocols: []string{"range:3", "sticky:3"}})
		o.until("a", "", kerr.RebalanceInProgress)
		o.untilMembers(3)
		o.join("a", oJoin{protocols: []string{"sticky:1", "range:1"}})
		o.await("a", "b", "c")
		o.leave("a")
		o.leave("b")
		o.leave("c")
	},
	"static members": func(o *oracle) {
		o.join("a", oJoin{instance: "i1"})
		o.await("a")
		o.sync("a", "i1", "a:all")
		o.await("a")
		o.join("b", oJoin{instance: "i2"})
		o.until("a", "i1", kerr.RebalanceInProgress)
		o.join("a", oJoin{instance: "i1"})
		o.await("a", "b")
		o.sync("a", "i1", "a:x", "b:y")
		o.sync("b", "i2")
		o.await("a", "b")
		o.join("b2", oJoin{instance: "i2"})
		o.await("b2")
		o.sync("b2", "i2")
		o.await("b2")
		o.heartbeat("b", "i2", o.client("b").gen)
		o.commit("b", o.client("b").member, "i2", o.client("b").gen, 3, "")
		o.heartbeat("a", "i1", o.client("a").gen)
		o.heartbeat("a", "nowhere", o.client("a").gen)
		o.join("a2", oJoin{instance: "i1"})
		o.await("a2")
		o.join("a3", oJoin{instance: "i1", version: 8})
		o.await("a3")
		o.sync("a3", "i1")
		o.await("a3")
		o.describe("admin", 6, "g")
		o.enter("c", oJoin{})
		o.until("a3", "i1", kerr.RebalanceInProgress)
		o.join("b2", oJoin{instance: "i2"})
		o.until("a3", "i1", kerr.RebalanceInProgress)
		o.join("b3", oJoin{instance: "i2"})
		o.await("b2")
		o.join("a3", oJoin{instance: "i1"})
		o.await("a3", "b3", "c")
		o.heartbeat("b3", "i2", o.client("b3").gen)
		o.sync("b3", "i2")
		o.join("b4", oJoin{instance: "i2"})
		o.await("b3")
		o.until("c", "", kerr.RebalanceInProgress)
		o.join("c", oJoin{})
		o.join("a3", oJoin{instance: "i1"})
		o.await("a3", "b4", "c")
		o.leave("admin", "i1", "i2", "i9")
		o.leave("c")
		o.list("admin")
	},
	"offsets": func(o *oracle) {
		o.fetch("admin", false, "g")
		o.fetch("admin", false, "g", 0, 9)
		o.commit("admin", "", "", 3, 1, "")
		o.commit("admin", "", "", -1, 5, "hello")
		o.commit("admin", "", "", -1, 6, strings.Repeat("x", 4097))
		o.commit("admin", "someone", "", -1, 6, "six")
		o.fetch("admin", false, "g")
		o.fetch("admin", true, "g", 0, 1)
		o.describe("admin", 6, "g")
		o.describe("admin", 5, "none")
		o.describe("admin", 6, "none")
		o.list("admin")
		o.removeOffset("admin", "none")
		o.join("a", oJoin{version: 3})
		o.await("a")
		o.commit("admin", "", "", -1, 7, "")
		o.commit("a", "stranger", "", 1, 7, "")
		o.commit("a", o.client("a").member, "", 9, 7, "")
		o.sync("a", "", "a:all")
		o.await("a")
		o.commit("admin", "", "", -1, 7, "")
		o.commit("a", o.client("a").member, "", 1, 8, "")
		o.removeOffset("admin", "g")
		o.remove("admin", "g")
		o.leave("a")
		o.removeOffset("admin", "g")
		o.fetch("admin", false, "g")
		o.remove("admin", "g")
		o.remove("admin", "g")
	},
	"consumer protocol": func(o *oracle) {
		epoch := func(e int32) *int32 { return &e }
		o.beat("a", oBeat{join: true, topics: []string{"t"}})
		o.settle(4, oBeat{}, "a")
		o.describeConsumer("admin", "c")
		first := o.client("a").gen
		o.beat("b", oBeat{join: true, topics: []string{"t"}})
		o.settle(4, oBeat{}, "a", "b")
		o.describeConsumer("admin", "c")
		o.beat("a", oBeat{epoch: epoch(77)})
		o.beat("a", oBeat{epoch: &first})
		o.beat("a", oBeat{epoch: &first, none: true})
		o.settle(4, oBeat{}, "a", "b")
		o.beat("stranger", oBeat{epoch: epoch(1)})
		o.beat("a", oBeat{group: "none", epoch: epoch(1)})
		o.beat("a", oBeat{group: "none", epoch: epoch(-1)})
		o.beat("c", oBeat{join: true})
		o.beat("c", oBeat{join: true, topics: []string{"t"}, assignor: "nonsense"})
		o.beat("c", oBeat{join: true, regex: "("})
		o.beat("c", oBeat{epoch: epoch(-3)})
		o.commitConsumer("a", o.client("a").gen, 5)
		o.commitConsumer("a", 77, 6)
		o.commitConsumer("admin", -1, 6)
		o.fetch("admin", false, "c")
		o.list("admin")
		o.describe("admin", 6, "c")
		o.removeOffset("admin", "c")
		o.remove("admin", "c")
		o.beat("b", oBeat{epoch: epoch(-1)})
		o.settle(4, oBeat{}, "a")
		o.beat("a", oBeat{topics: []string{"elsewhere"}})
		o.settle(0, oBeat{}, "a")
		o.beat("a", oBeat{epoch: epoch(-1)})
		o.describeConsumer("admin", "c")
		o.describeConsumer("admin", "none")
		o.remove("admin", "c")
	},
	"consumer protocol, begun anew": func(o *oracle) {
		o.beat("a", oBeat{join: true, topics: []string{"t"}})
		o.settle(4, oBeat{}, "a")
		o.beat("a", oBeat{join: true, topics: []string{"t"}})
		o.settle(4, oBeat{}, "a")
		o.describeConsumer("admin", "c")
	},
	"consumer protocol, static": func(o *oracle) {
		epoch := func(e int32) *int32 { return &e }
		i1 := oBeat{instance: "i1"}
		o.beat("a", oBeat{join: true, instance: "i1", topics: []string{"t"}})
		o.settle(4, i1, "a")
		o.beat("b", oBeat{join: true, instance: "i1", topics: []string{"t"}})
		o.beat("a", oBeat{instance: "i1", epoch: epoch(-2)})
		o.describeConsumer("admin", "c")
		o.beat("b", oBeat{join: true, instance: "i1", topics: []string{"t"}})
		o.settle(4, i1, "b")
		o.describeConsumer("admin", "c")
		o.beat("a", oBeat{instance: "i1"})
		o.beat("b", oBeat{instance: "i9"})
		o.beat("b", oBeat{epoch: epoch(-2)})
		o.beat("a", oBeat{instance: "i1", epoch: epoch(-1)})
		o.beat("b", oBeat{instance: "i1", epoch: epoch(-1)})
		o.describeConsumer("admin", "c")
	},
	"groups change sides when they are empty": func(o *oracle) {
		o.commit("admin", "", "", -1, 5, "")
		o.beat("a", oBeat{group: "g", join: true, topics: []string{"t"}})
		o.settle(4, oBeat{group: "g"}, "a")
		o.list("admin")
		o.fetch("admin", false, "g")
		gone := int32(-1)
		o.beat("a", oBeat{group: "g", epoch: &gone})
		o.enter("x", oJoin{})
		o.await("x")
		o.list("admin")
		o.fetch("admin", false, "g")
		o.beat("a", oBeat{group: "g", epoch: &gone})
		o.leave("x")
	},
	"new and old instances of a producer": func(o *oracle) {
		none := func(id string) *oTxn { return o.initProducer(id, -1, -1) }
		again := func(id string, p *oTxn) *oTxn { return o.initProducer(id, p.pid, p.epoch) }
		p := o.initProducer("unknown", 7777, 5) // nobody has used the id
		again("unknown", p)

		old := none("fenced")
		p = none("fenced")
		again("fenced", old)
		o.end("admin", old, true)
		again("fenced", p)
		again("fenced", p)

		old = none("open")
		o.add(old)
		p = again("open", old)
		again("open", old)
		o.add(p)
		p = none("open")
		again("open", old)
		o.add(old)
		o.add(p)
		o.end("admin", p, true)
		again("open", p)
	},
	"transactional offsets": func(o *oracle) {
		o.commit("admin", "", "", -1, 1, "")
		p := o.newTxn("x")
		o.stage("admin", p, "", "", -1, 5)
		o.fetch("admin", false, "g", 0)
		o.fetch("admin", true, "g", 0)
		o.end("admin", p, true)
		o.fetch("admin", false, "g", 0)
		o.join("a", oJoin{version: 3})
		o.await("a")
		p = o.newTxn("x")
		o.stage("a", p, o.client("a").member, "", 1, 6)
		o.stage("a", p, o.client("a").member, "", 4, 6)
		o.stage("a", p, "stranger", "", 1, 6)
		o.stage("a", p, "", "", -1, 7)
		o.end("admin", p, false)
		o.fetch("admin", false, "g", 0)
		o.leave("a")
	},
}
