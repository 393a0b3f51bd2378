package broker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace-go/millrace/broker"
)

func TestParseProperties(t *testing.T) {
	t.Parallel()
	got, err := broker.ParseProperties(strings.NewReader(`
# a comment
! another
plain=value
 indented = spaced value  
colon: c
space s
empty=
none
equals=a=b:c
long = one,\
       two,\
       three
escaped\ key\=x = tab\there \\ back
unicode=\u00e9t\u00e9
even=two\\
last=\
`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"plain": "value", "indented": "spaced value", "colon": "c", "space": "s", "empty": "", "none": "", "equals": "a=b:c",
		"long": "one,two,three", "escaped key=x": "tab\there \\ back", "unicode": "été", "even": `two\`, "last": "",
	}, got)
	for _, bad := range []string{`a=\u12`, `a=\uzzzz`} {
		_, err := broker.ParseProperties(strings.NewReader(bad))
		require.ErrorContains(t, err, "line 1", bad)
	}
}

func TestConfigFromProperties(t *testing.T) {
	t.Parallel()
	cfg, notes, err := broker.ConfigFromProperties(map[string]string{
		"process.roles": "broker,controller", "node.id": "7", "controller.quorum.voters": "7@localhost:9093",
		"listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093", "advertised.listeners": "PLAINTEXT://example.org:9092",
		"controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                       "/data", "num.partitions": "3", "log.retention.hours": "168", "log.segment.bytes": "1048576", "log.roll.hours": "1",
		"group.initial.rebalance.delay.ms": "3000", "offsets.topic.replication.factor": "1", "auto.create.topics.enable": "false",
		"replica.lag.time.max.ms": "1", "zookeeper.connect": "localhost:2181", "socket.request.max.bytes": "2048",
		"offsets.retention.minutes": "10", "log.flush.interval.ms": "250", "max.connections": "7",
	})
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9092", cfg.Listen)
	require.Equal(t, "example.org:9092", cfg.Advertised)
	require.Equal(t, "/data", cfg.Dir)
	require.EqualValues(t, 3, cfg.NumPartitions)
	require.False(t, cfg.AutoCreateTopics)
	require.Equal(t, map[string]string{"log.retention.ms": "604800000", "log.segment.bytes": "1048576", "log.roll.ms": "3600000"}, cfg.Configs)
	require.Equal(t, broker.Groups{InitialRebalanceDelay: 3 * time.Second, OffsetRetention: 10 * time.Minute}, cfg.Groups)
	require.Equal(t, broker.Limits{FrameBytes: 2048, Connections: 7}, cfg.Limits)
	require.Equal(t, broker.SyncInterval, cfg.Sync)
	require.Equal(t, 250*time.Millisecond, cfg.SyncEvery)
	require.Equal(t, broker.Security{}, cfg.Security)
	for _, want := range []string{
		"replica.lag.time.max.ms has no meaning here: there is one replica of everything",
		"zookeeper.connect has no meaning here: there is no ZooKeeper",
		"node.id has no meaning here: it is always 1",
		"listener CONTROLLER has no meaning here: the broker is its own controller",
	} {
		require.Contains(t, notes, want)
	}
}

func TestConfigFromPropertiesOfSecurity(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		props map[string]string
		want  broker.Security
	}{
		"PLAIN users from JAAS": {map[string]string{
			"listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN, SCRAM-SHA-512", "super.users": "User:admin;User:CN=a,O=b",
			"listener.name.sasl_plaintext.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="x" user_admin="s3\"cret" user_alice="a b";`,
			"authorizer.class.name":                               "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		}, broker.Security{
			Mechanisms: []string{"PLAIN", "SCRAM-SHA-512"}, Users: map[string]broker.Secret{"admin": `s3"cret`, "alice": "a b"},
			SuperUsers: []string{"User:admin", "User:CN=a,O=b"}, Authorize: true,
		}},
		"client certificates": {map[string]string{
			"listeners": "MINE://127.0.0.1:0", "listener.security.protocol.map": "MINE:SSL", "ssl.keystore.type": "PEM", "ssl.keystore.location": "/k.pem",
			"ssl.truststore.type": "PEM", "ssl.truststore.location": "/t.pem", "listener.name.mine.ssl.client.auth": "required",
			"super.users": "User:root", "ssl.principal.mapping.rules": "DEFAULT", "allow.everyone.if.no.acl.found": "true",
		}, broker.Security{
			CertFile: "/k.pem", KeyFile: "/k.pem", ClientCAFile: "/t.pem", RequireClientCert: true, SuperUsers: []string{"User:root"},
			PrincipalRules: "DEFAULT", AllowWithoutRules: true,
		}},
		"certificates that nobody asks for": {map[string]string{
			"listeners": "SSL://127.0.0.1:0", "ssl.keystore.type": "PEM", "ssl.keystore.location": "/k.pem", "ssl.truststore.location": "/t.pem", "ssl.truststore.type": "PEM",
		}, broker.Security{CertFile: "/k.pem", KeyFile: "/k.pem"}},
		"settings of a protocol that the listener does not have": {map[string]string{
			"listeners": "PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN", "ssl.keystore.location": "/k.jks",
		}, broker.Security{}},
		"rules for clients without a name": {map[string]string{
			"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "allow.everyone.if.no.acl.found": "true",
		}, broker.Security{Authorize: true, AllowWithoutRules: true}},
		"without a listener the settings count": {map[string]string{
			"sasl.enabled.mechanisms": "PLAIN", "super.users": "User:root",
		}, broker.Security{Mechanisms: []string{"PLAIN"}, SuperUsers: []string{"User:root"}}},
	} {
		cfg, _, err := broker.ConfigFromProperties(c.props)
		require.NoError(t, err, name)
		require.Equal(t, c.want, cfg.Security, name)
	}
}

func TestConfigFromPropertiesRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ value, want string }{
		"log.retension.ms":             {"1", "did you mean log.retention.ms?"},
		"num.partition":                {"1", "did you mean num.partitions?"},
		"group.min.sesion.timeout.ms":  {"1", "did you mean group.min.session.timeout.ms?"},
		"sasl.enabled.mechanism":       {"PLAIN", "did you mean sasl.enabled.mechanisms?"},
		"something.else.altogether.xy": {"1", "is not a broker configuration"},
		"num.partitions":               {"many", `"many" is not a whole number`},
		"max.connections":              {"0", "whole number from 1"},
		"auto.create.topics.enable":    {"yes", "neither true nor false"},
		"log.retention.ms":             {"soon", "log.retention.ms"},
		"log.retention.hours":          {"x", "not a whole number"},
		"log.dirs":                     {"a,b", "several directories"},
		"listeners":                    {"PLAINTEXT://a:1,SSL://b:2", "PEM file"},
		"super.users":                  {"root", "User:name"},
		"authorizer.class.name":        {"com.example.Mine", "StandardAuthorizer"},
		"ssl.keystore.location":        {"/k.jks", "convert /k.jks to PEM"},
		"ssl.keystore.key":             {"x", "put the PEM text into a file"},
		"ssl.key.password":             {"x", "encrypted keys are not read"},
	} {
		_, _, err := broker.ConfigFromProperties(map[string]string{name: c.value})
		require.ErrorContains(t, err, c.want, name)
	}
	for _, listeners := range []string{"nonsense", "MINE://a:1", "SASL_PLAINTEXT://a:1", "SSL://a:1"} {
		_, _, err := broker.ConfigFromProperties(map[string]string{"listeners": listeners})
		require.Error(t, err, listeners)
	}
}

func TestConfigFromPropertiesOfSeveralListeners(t *testing.T) {
	t.Parallel()
	props := map[string]string{
		"listeners":                               "INSIDE://127.0.0.1:9092, OUTSIDE://0.0.0.0:9093,CONTROLLER://:9094",
		"advertised.listeners":                    "OUTSIDE://example.org:443",
		"listener.security.protocol.map":          "INSIDE:PLAINTEXT,OUTSIDE:SASL_SSL,CONTROLLER:PLAINTEXT",
		"sasl.enabled.mechanisms":                 "SCRAM-SHA-512",
		"listener.name.outside.ssl.keystore.type": "PEM", "listener.name.outside.ssl.keystore.location": "/k.pem", "super.users": "User:root",
	}
	cfg, _, err := broker.ConfigFromProperties(props)
	require.NoError(t, err)
	require.Empty(t, cfg.Listen)
	require.Equal(t, []broker.Listener{
		{Name: "INSIDE", Listen: "127.0.0.1:9092", Protocol: "PLAINTEXT"},
		{Name: "OUTSIDE", Listen: "0.0.0.0:9093", Advertised: "example.org:443", Protocol: "SASL_SSL"},
	}, cfg.Listeners)
	require.Equal(t, broker.Security{Mechanisms: []string{"SCRAM-SHA-512"}, CertFile: "/k.pem", KeyFile: "/k.pem", SuperUsers: []string{"User:root"}}, cfg.Security)

	props["advertised.listeners"] = "OUTSIED://example.org:443"
	_, _, err = broker.ConfigFromProperties(props)
	require.ErrorContains(t, err, "there is no listener OUTSIED")
	_, _, err = broker.ConfigFromProperties(map[string]string{
		"listeners": "A://127.0.0.1:1,B://127.0.0.1:2", "listener.security.protocol.map": "A:SASL_PLAINTEXT,B:SASL_PLAINTEXT", "super.users": "User:root",
		"listener.name.a.sasl.enabled.mechanisms": "PLAIN", "listener.name.b.sasl.enabled.mechanisms": "SCRAM-SHA-512",
	})
	require.ErrorContains(t, err, "listeners share this setting")
}

func FuzzParseProperties(f *testing.F) {
	f.Add("a=b\nc : d\\\n e")
	f.Fuzz(func(t *testing.T, text string) {
		props, err := broker.ParseProperties(strings.NewReader(text))
		if err == nil {
			_, _, _ = broker.ConfigFromProperties(props) // must not panic
		}
	})
}
