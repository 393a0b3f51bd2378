package broker_test

import (
	"crypto/x509/pkix"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace-go/millrace/broker"
)

// TestListeners: clients of each listener connect in its way, and are told to connect to its address.
func TestListeners(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	ca.issue("server", pkix.Name{CommonName: "server"})
	ca.issue("alice", pkix.Name{CommonName: "alice"})
	b := start(t, func(c *broker.Config) {
		secured(c)
		c.Listen, c.Advertised = "127.0.0.1:0", "first.example.org:1234"
		c.Security.CertFile, c.Security.KeyFile, c.Security.ClientCAFile = ca.file("server.pem"), ca.file("server.key"), ca.file("ca.pem")
		c.Listeners = []broker.Listener{
			{Listen: "127.0.0.1:0", Protocol: "PLAINTEXT"},
			{Name: "INSIDE", Listen: "127.0.0.1:0", Protocol: "SASL_PLAINTEXT", Advertised: "inside:9092"},
			{Listen: "127.0.0.1:0", Protocol: "SSL"},
		}
	})
	ls := b.Listeners()
	require.Len(t, ls, 4)
	require.Equal(t, []string{"SASL_SSL", "PLAINTEXT", "INSIDE", "SSL"}, []string{ls[0].Name, ls[1].Name, ls[2].Name, ls[3].Name})
	require.Equal(t, []string{"first.example.org:1234"}, b.Seeds())
	require.Equal(t, ls[0].Listen, b.Addr())
	root := scram.Auth{User: "root", Pass: "canary-root"}.AsSha256Mechanism()
	createTopic(t, b, "t", 1, nil)
	for i, c := range []struct {
		opts      []kgo.Opt
		host      string
		forbidden bool
	}{
		{[]kgo.Opt{kgo.SASL(root), kgo.DialTLSConfig(ca.client(""))}, "first.example.org", false},
		{nil, "127.0.0.1", true}, // User:ANONYMOUS
		{[]kgo.Opt{kgo.SASL(root)}, "inside", false},
		{[]kgo.Opt{kgo.DialTLSConfig(ca.client("alice"))}, "127.0.0.1", true}, // User:CN=alice
	} {
		req := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr("t")
		req.Topics = append(req.Topics, topic)
		cl := tcpClient(t, b, nil, append(c.opts, kgo.SeedBrokers(ls[i].Listen))...)
		got, err := cl.SeedBrokers()[0].Request(ctx(t), req)
		require.NoError(t, err, ls[i].Name)
		md := got.(*kmsg.MetadataResponse)
		require.Equal(t, c.host, md.Brokers[0].Host, ls[i].Name)
		if ls[i].Advertised == ls[i].Listen {
			host, port, err := net.SplitHostPort(ls[i].Listen)
			require.NoError(t, err)
			require.Equal(t, host, md.Brokers[0].Host)
			require.Equal(t, port, fmt.Sprint(md.Brokers[0].Port))
		}
		require.Equal(t, c.forbidden, md.Topics[0].ErrorCode == kerr.TopicAuthorizationFailed.Code, ls[i].Name)
		// The other ways in are closed.
		for j, other := range [][]kgo.Opt{{kgo.SASL(root)}, {kgo.DialTLSConfig(ca.client(""))}} {
			wrong := j == 0 && ls[i].Protocol != "SASL_PLAINTEXT" || j == 1 && ls[i].Protocol != "SSL"
			if wrong {
				require.Error(t, tcpClient(t, b, nil, append(other, kgo.SeedBrokers(ls[i].Listen))...).Ping(ctx(t)), ls[i].Name)
			}
		}
	}
}

func TestListenersAreChecked(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]broker.Config{
		"two listeners are named PLAINTEXT": {Listen: "127.0.0.1:0", Listeners: []broker.Listener{{Listen: "127.0.0.1:0"}}},
		`has protocol "TLS"`:                {Listeners: []broker.Listener{{Listen: "127.0.0.1:0", Protocol: "TLS"}}},
		"set Security.CertFile":             {Listeners: []broker.Listener{{Listen: "127.0.0.1:0", Protocol: "SSL"}}},
		"set Security.Mechanisms":           {Listeners: []broker.Listener{{Listen: "127.0.0.1:0", Protocol: "SASL_PLAINTEXT"}}},
		"nothing protects the broker":       {Listeners: []broker.Listener{{Listen: "0.0.0.0:0"}}},
		"address to listen on":              {Listeners: []broker.Listener{{Name: "A"}}},
		"address to advertise":              {Listeners: []broker.Listener{{Listen: "127.0.0.1:0", Advertised: "nowhere"}}},
	} {
		_, err := broker.Start(c)
		require.ErrorIs(t, err, broker.ErrConfig, want)
		require.ErrorContains(t, err, want)
	}
	// One that is taken ends the others.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = broker.Start(broker.Config{Listen: "127.0.0.1:0", Listeners: []broker.Listener{{Name: "B", Listen: l.Addr().String()}}})
	require.ErrorContains(t, err, l.Addr().String())
}
