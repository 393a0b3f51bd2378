package broker

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// properties are Kafka's names for fields of a Config.
var properties = map[string]func(*Config, string) error{
	"log.dirs": setDir,
	"log.dir":  setDir,

	"num.partitions":                  number(func(c *Config, n int64) { c.NumPartitions = int32(n) }, 1, math.MaxInt32),
	"auto.create.topics.enable":       boolean(func(c *Config, v bool) { c.AutoCreateTopics = v }),
	"log.flush.interval.messages":     setFlushMessages,
	"log.flush.interval.ms":           setFlushEvery,
	"log.retention.check.interval.ms": millis(func(c *Config, d time.Duration) { c.RetentionEvery = d }, 1),
	"log.cleaner.backoff.ms":          millis(func(c *Config, d time.Duration) { c.MaintainEvery = max(d, time.Millisecond) }, 0),

	"group.min.session.timeout.ms":             millis(func(c *Config, d time.Duration) { c.Groups.MinSessionTimeout = d }, 1),
	"group.max.session.timeout.ms":             millis(func(c *Config, d time.Duration) { c.Groups.MaxSessionTimeout = d }, 1),
	"group.initial.rebalance.delay.ms":         millis(func(c *Config, d time.Duration) { c.Groups.InitialRebalanceDelay = d }, 0),
	"group.max.size":                           number(func(c *Config, n int64) { c.Groups.MaxMembers = int(n) }, 1, math.MaxInt32),
	"group.consumer.session.timeout.ms":        millis(func(c *Config, d time.Duration) { c.Groups.ConsumerSessionTimeout = d }, 1),
	"group.consumer.heartbeat.interval.ms":     millis(func(c *Config, d time.Duration) { c.Groups.ConsumerHeartbeatInterval = d }, 1),
	"group.consumer.min.session.timeout.ms":    millis(func(c *Config, d time.Duration) { c.Groups.MinConsumerSessionTimeout = d }, 1),
	"group.consumer.max.session.timeout.ms":    millis(func(c *Config, d time.Duration) { c.Groups.MaxConsumerSessionTimeout = d }, 1),
	"group.consumer.min.heartbeat.interval.ms": millis(func(c *Config, d time.Duration) { c.Groups.MinConsumerHeartbeatInterval = d }, 1),
	"group.consumer.max.heartbeat.interval.ms": millis(func(c *Config, d time.Duration) { c.Groups.MaxConsumerHeartbeatInterval = d }, 1),
	"offsets.retention.minutes":                number(func(c *Config, n int64) { c.Groups.OffsetRetention = time.Duration(n) * time.Minute }, 1, math.MaxInt32),

	"offset.metadata.max.bytes": number(func(c *Config, n int64) { c.Groups.MaxOffsetMetadata = int(n) }, 1, math.MaxInt32),

	"producer.id.expiration.ms":      millis(func(c *Config, d time.Duration) { c.Limits.ProducerIDExpiry = d }, 1),
	"transaction.max.timeout.ms":     millis(func(c *Config, d time.Duration) { c.Limits.TransactionMaxTimeout = d }, 1),
	"transactional.id.expiration.ms": millis(func(c *Config, d time.Duration) { c.Limits.TransactionalIDExpiry = d }, 1),

	"socket.request.max.bytes":     number(func(c *Config, n int64) { c.Limits.FrameBytes = int(n) }, 1024, math.MaxInt32),
	"queued.max.request.bytes":     number(setQueuedBytes, -1, math.MaxInt64),
	"fetch.max.bytes":              number(func(c *Config, n int64) { c.Limits.FetchBytes = int(n) }, 1024, math.MaxInt32),
	"max.connections":              number(func(c *Config, n int64) { c.Limits.Connections = int(n) }, 1, math.MaxInt32),
	"max.connections.per.ip":       number(func(c *Config, n int64) { c.Limits.ConnectionsPerIP = int(n) }, 1, math.MaxInt32),
	"max.connection.creation.rate": number(func(c *Config, n int64) { c.Limits.ConnectionsPerSec = float64(n) }, 1, math.MaxInt32),
	"connections.max.idle.ms":      millis(func(c *Config, d time.Duration) { c.Limits.IdleTimeout = d }, 1),
	"connections.max.reauth.ms":    millis(func(c *Config, d time.Duration) { c.Security.SessionLifetime = d }, 0),

	"super.users":                    setSuperUsers,
	"allow.everyone.if.no.acl.found": boolean(func(c *Config, v bool) { c.Security.AllowWithoutRules = v }),
	"ssl.principal.mapping.rules":    func(c *Config, v string) error { c.Security.PrincipalRules = v; return nil },
	"authorizer.class.name":          setAuthorizer,
	"ssl.keystore.key":               inline,
	"ssl.keystore.certificate.chain": inline,
	"ssl.truststore.certificates":    inline,
	"ssl.key.password":               refuseKeyPassword,
	"ssl.keystore.password":          refuseKeyPassword,
}

// A reason why a configuration of Kafka's does nothing here, for families of them and for single ones.
var (
	meaninglessPrefixes = []struct{ prefix, why string }{
		{"replica.", oneReplica}, {"follower.", oneReplica}, {"leader.", oneReplica},
		{"zookeeper.", "there is no ZooKeeper"},
		{"controller.", ownController}, {"controlled.", ownController}, {"metadata.", ownController},
		{"inter.broker.", oneBroker},
		{"group.share.", noShare}, {"group.streams.", "Kafka Streams groups (KIP-1071) are not served"}, {"share.", noShare},
		{"remote.", "there is no remote storage"},
		{"quota.", noQuotas}, {"client.quota.", noQuotas}, {"controller.quota.", noQuotas}, {"replication.quota.", noQuotas},
		{"delegation.token.", "there are no delegation tokens"},
		{"metrics.", notJava}, {"kafka.metrics.", notJava}, {"telemetry.", "client telemetry is not served"},
		{"sasl.kerberos.", plainAndSCRAM}, {"sasl.login.", plainAndSCRAM}, {"sasl.oauthbearer.", plainAndSCRAM}, {"sasl.server.", plainAndSCRAM},
		{"config.providers", noClasses}, {"confluent.", "it is Confluent's"},
	}
	meaninglessNames = namesByReason()
)

const (
	oneReplica    = "there is one replica of everything"
	oneBroker     = "there is one broker"
	ownController = "the broker is its own controller"
	alwaysOne     = "it is always 1"
	noPool        = "goroutines need no pool"
	noQuotas      = "there are no quotas"
	noShare       = "there are no share groups"
	notJava       = "metrics are not Java's"
	noClasses     = "there are no Java classes"
	noTopic       = "offsets and transactions are not kept in topics"
	noPurgatory   = "there is no purgatory"
	goTLS         = "TLS is Go's, with safe defaults"
	plainAndSCRAM = "PLAIN and SCRAM need no such setting"
	noSetting     = "this broker has no such setting"
	bySystem      = "the operating system decides"
	syncDecides   = "the broker's sync setting decides"
)

// namesByReason turns the lists below around.
func namesByReason() map[string]string {
	out := make(map[string]string)
	for why, names := range map[string]string{
		oneReplica:    "default.replication.factor num.replica.fetchers num.replica.alter.log.dirs.threads auto.leader.rebalance.enable",
		ownController: "process.roles initial.broker.registration.timeout.ms broker.heartbeat.interval.ms broker.session.timeout.ms",
		alwaysOne:     "node.id broker.id broker.id.generation.enable reserved.broker.max.id",
		oneBroker: "broker.rack security.inter.broker.protocol sasl.mechanism.inter.broker.protocol sasl.mechanism.controller.protocol " +
			"early.start.listeners request.timeout.ms",
		noPool:   "num.network.threads num.io.threads background.threads num.recovery.threads.per.data.dir",
		bySystem: "socket.send.buffer.bytes socket.receive.buffer.bytes socket.listen.backlog.size",
		noSetting: "log.cleaner.dedupe.buffer.size log.cleaner.enable log.cleaner.io.buffer.load.factor " +
			"log.cleaner.io.buffer.size log.cleaner.io.max.bytes.per.second log.cleaner.threads log.dir.failure.timeout.ms " +
			"log.initial.task.delay.ms delete.topic.enable connection.failed.authentication.delay.ms " +
			"max.connections.per.ip.overrides max.request.partition.size.limit max.incremental.fetch.session.cache.slots " +
			"queued.max.requests producer.id.expiration.check.interval.ms unstable.api.versions.enable " +
			"unstable.feature.versions.enable group.consumer.assignors " +
			"group.consumer.max.size group.consumer.migration.policy " +
			"group.consumer.regex.refresh.interval.ms group.coordinator.append.linger.ms group.coordinator.new.enable " +
			"group.coordinator.rebalance.protocols group.coordinator.threads " +
			"offsets.retention.check.interval.ms",
		syncDecides: "log.flush.offset.checkpoint.interval.ms log.flush.scheduler.interval.ms log.flush.start.offset.checkpoint.interval.ms",
		noTopic: "offsets.commit.required.acks offsets.commit.timeout.ms offsets.load.buffer.size offsets.topic.compression.codec " +
			"offsets.topic.num.partitions offsets.topic.replication.factor offsets.topic.segment.bytes " +
			"transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.remove.expired.transaction.cleanup.interval.ms " +
			"transaction.state.log.load.buffer.size transaction.state.log.min.isr transaction.state.log.num.partitions " +
			"transaction.state.log.replication.factor transaction.state.log.segment.bytes transaction.partition.verification.enable " +
			"transaction.two.phase.commit.enable",
		noQuotas:    "alter.log.dirs.replication.quota.window.num alter.log.dirs.replication.quota.window.size.seconds",
		notJava:     "metric.reporters auto.include.jmx.reporter",
		noClasses:   "create.topic.policy.class.name alter.config.policy.class.name security.providers principal.builder.class sasl.client.callback.handler.class",
		noPurgatory: "delete.records.purgatory.purge.interval.requests fetch.purgatory.purge.interval.requests producer.purgatory.purge.interval.requests",
		goTLS: "ssl.cipher.suites ssl.enabled.protocols ssl.endpoint.identification.algorithm ssl.engine.factory.class " +
			"ssl.keymanager.algorithm ssl.protocol ssl.provider ssl.secure.random.implementation ssl.trustmanager.algorithm " +
			"ssl.truststore.password ssl.allow.dn.changes ssl.allow.san.changes",
	} {
		for name := range strings.FieldsSeq(names) {
			out[name] = why
		}
	}
	return out
}

// meaningless says why a configuration of Kafka's does nothing here; empty if Kafka has no such configuration.
func meaningless(name string) string {
	for _, m := range meaninglessPrefixes {
		if strings.HasPrefix(name, m.prefix) {
			return m.why
		}
	}
	return meaninglessNames[name]
}

// inline refuses what Kafka allows to be written into the properties themselves.
func inline(_ *Config, _ string) error {
	return errors.New("is not read here: put the PEM text into a file, and its name into ssl.keystore.location or ssl.truststore.location")
}

func refuseKeyPassword(_ *Config, v string) error {
	if v != "" {
		return errors.New("encrypted keys are not read: store the key unencrypted, readable by the broker's user only")
	}
	return nil
}

func number(set func(*Config, int64), low, high int64) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < low || n > high {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, low, high)
		}
		set(c, n)
		return nil
	}
}

func millis(set func(*Config, time.Duration), low int64) func(*Config, string) error {
	return number(func(c *Config, n int64) { set(c, time.Duration(n)*time.Millisecond) }, low, math.MaxInt64/int64(time.Millisecond))
}

func boolean(set func(*Config, bool)) func(*Config, string) error {
	return func(c *Config, v string) error {
		switch strings.ToLower(v) {
		case "true":
			set(c, true)
		case "false":
			set(c, false)
		default:
			return fmt.Errorf("%q is neither true nor false", v)
		}
		return nil
	}
}

func setDir(c *Config, v string) error {
	if strings.Contains(v, ",") {
		return fmt.Errorf("%q names several directories, want one", v)
	}
	c.Dir = v
	return nil
}

func setQueuedBytes(c *Config, n int64) {
	if n >= 1024 {
		c.Limits.InFlightBytes = n
	}
}

// setFlushMessages understands the one value that asks for a sync before each acknowledgement.
func setFlushMessages(c *Config, v string) error {
	if v == "1" {
		c.Sync = SyncAlways
	}
	return number(func(*Config, int64) {}, 1, math.MaxInt64)(c, v)
}

func setFlushEvery(c *Config, v string) error {
	return number(func(c *Config, n int64) {
		if c.Sync == SyncNever && n < math.MaxInt64/int64(time.Millisecond) {
			c.Sync, c.SyncEvery = SyncInterval, time.Duration(max(n, 1))*time.Millisecond
		}
	}, 0, math.MaxInt64)(c, v)
}

func setSuperUsers(c *Config, v string) error {
	for u := range strings.SplitSeq(v, ";") {
		if u = strings.TrimSpace(u); u == "" {
			continue
		} else if !strings.HasPrefix(u, "User:") {
			return fmt.Errorf("%q is not of the form User:name", u)
		}
		c.Security.SuperUsers = append(c.Security.SuperUsers, u)
	}
	return nil
}

// setAuthorizer takes the authorizers of Kafka that ours behaves like.
func setAuthorizer(c *Config, v string) error {
	switch v {
	case "":
		return nil
	case "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "kafka.security.authorizer.AclAuthorizer":
		c.Security.Authorize = true
		return nil
	}
	return errors.New("only Kafka's StandardAuthorizer is known")
}
