package broker_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/millrace-go/millrace/broker"
)

var allMechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// secured is a broker on loopback whose clients log in; root is its super user.
func secured(c *broker.Config) {
	c.Listen = "127.0.0.1:0"
	c.Security = broker.Security{
		Mechanisms: allMechanisms,
		Users:      map[string]broker.Secret{"root": "canary-root", "alice": "canary-alice"},
		SuperUsers: []string{"root"},
	}
}

// raw is a client that says exactly what it is told to.
type raw struct {
	t    require.TestingT
	conn net.Conn
	id   int32
}

func dialRaw(t *testing.T, b *broker.Broker) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &raw{t: t, conn: conn}
}

// try sends a request and returns its answer, or the error of a connection that the broker closed.
func (c *raw) try(req kmsg.Request) (kmsg.Response, error) {
	c.id++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw")).AppendRequest(nil, req, c.id)
	if _, err := c.conn.Write(frame); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	body = body[4:]
	resp := req.ResponseKind()
	if resp.IsFlexible() && req.Key() != kmsg.ApiVersions.Int16() {
		body = body[1:] // no tags in our response headers
	}
	return resp, resp.ReadFrom(body)
}

func (c *raw) ask(req kmsg.Request) kmsg.Response {
	resp, err := c.try(req)
	require.NoError(c.t, err)
	return resp
}

// logIn is PLAIN.
func (c *raw) logIn(user, password string) int16 {
	h := kmsg.NewPtrSASLHandshakeRequest()
	h.Version, h.Mechanism = 1, "PLAIN"
	require.Zero(c.t, c.ask(h).(*kmsg.SASLHandshakeResponse).ErrorCode)
	a := kmsg.NewPtrSASLAuthenticateRequest()
	a.Version, a.SASLAuthBytes = 2, []byte("\x00"+user+"\x00"+password)
	return c.ask(a).(*kmsg.SASLAuthenticateResponse).ErrorCode
}

func tcpClient(t *testing.T, b *broker.Broker, m sasl.Mechanism, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.RequestRetries(0), kgo.RetryTimeout(5 * time.Second)}, opts...)
	if m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	c, err := kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	b := start(t, secured)
	for _, c := range []struct {
		name string
		m    sasl.Mechanism
		ok   bool
	}{
		{"PLAIN", plain.Auth{User: "alice", Pass: "canary-alice"}.AsMechanism(), true},
		{"PLAIN, wrong password", plain.Auth{User: "alice", Pass: "canary-root"}.AsMechanism(), false},
		{"PLAIN for somebody else", plain.Auth{Zid: "root", User: "alice", Pass: "canary-alice"}.AsMechanism(), false},
		{"SCRAM-SHA-256", scram.Auth{User: "alice", Pass: "canary-alice"}.AsSha256Mechanism(), true},
		{"SCRAM-SHA-512", scram.Auth{User: "alice", Pass: "canary-alice"}.AsSha512Mechanism(), true},
		{"SCRAM, wrong password", scram.Auth{User: "alice", Pass: "x"}.AsSha512Mechanism(), false},
		{"SCRAM, unknown user", scram.Auth{User: "mallory", Pass: "x"}.AsSha512Mechanism(), false},
		{"no log-in", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := tcpClient(t, b, c.m).Ping(ctx(t))
			require.Equal(t, c.ok, err == nil, "%v", err)
		})
	}
}

// TestNothingBeforeLogIn: until a client has said who it is, it can ask for versions and log in, and everything else
// ends the connection.
func TestNothingBeforeLogIn(t *testing.T) {
	t.Parallel()
	b := start(t, secured)
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "raw", "1"
	for _, k := range dialRaw(t, b).ask(versions).(*kmsg.ApiVersionsResponse).ApiKeys {
		req := kmsg.RequestForKey(k.ApiKey)
		req.SetVersion(k.MaxVersion)
		switch req.(type) {
		case *kmsg.ApiVersionsRequest, *kmsg.SASLHandshakeRequest, *kmsg.SASLAuthenticateRequest:
			continue
		}
		_, err := dialRaw(t, b).try(req)
		require.Error(t, err, kmsg.NameForKey(k.ApiKey))
	}
}

func TestLogInOutOfTurn(t *testing.T) {
	t.Parallel()
	b := start(t, secured)
	authenticate := kmsg.NewPtrSASLAuthenticateRequest()
	authenticate.Version, authenticate.SASLAuthBytes = 2, []byte("\x00alice\x00canary-alice")
	handshake := func(mechanism string) *kmsg.SASLHandshakeRequest {
		h := kmsg.NewPtrSASLHandshakeRequest()
		h.Version, h.Mechanism = 1, mechanism
		return h
	}
	t.Run("authenticate without handshake", func(t *testing.T) {
		c := dialRaw(t, b)
		require.Equal(t, kerr.IllegalSaslState.Code, c.ask(authenticate).(*kmsg.SASLAuthenticateResponse).ErrorCode)
		_, err := c.try(authenticate)
		require.Error(t, err, "the connection goes on")
	})
	t.Run("unknown mechanism", func(t *testing.T) {
		c := dialRaw(t, b)
		resp := c.ask(handshake("GSSAPI")).(*kmsg.SASLHandshakeResponse)
		require.Equal(t, kerr.UnsupportedSaslMechanism.Code, resp.ErrorCode)
		require.Equal(t, allMechanisms, resp.SupportedMechanisms)
		_, err := c.try(handshake("PLAIN"))
		require.Error(t, err, "the connection goes on")
	})
	t.Run("a second handshake", func(t *testing.T) {
		c := dialRaw(t, b)
		require.Zero(t, c.logIn("alice", "canary-alice"))
		require.Equal(t, kerr.IllegalSaslState.Code, c.ask(handshake("PLAIN")).(*kmsg.SASLHandshakeResponse).ErrorCode)
	})
	t.Run("a second try after a failure", func(t *testing.T) {
		c := dialRaw(t, b)
		at := time.Now()
		require.Equal(t, kerr.SaslAuthenticationFailed.Code, c.logIn("alice", "wrong"))
		require.GreaterOrEqual(t, time.Since(at), 100*time.Millisecond, "guessing is too quick")
		_, err := c.try(authenticate)
		require.Error(t, err, "the connection goes on")
	})
	t.Run("where nobody logs in", func(t *testing.T) {
		open := start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
		require.Equal(t, kerr.IllegalSaslState.Code, dialRaw(t, open).ask(handshake("PLAIN")).(*kmsg.SASLHandshakeResponse).ErrorCode)
	})
}

// TestUsersAreKept: users that are made at run time can log in, also after the broker was killed; deleted ones cannot.
func TestUsersAreKept(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	run := func(f func(b *broker.Broker, root *kadm.Client)) {
		cfg := broker.Config{FS: disk, Dir: "d", Logger: logger(t)}
		secured(&cfg)
		b, err := broker.Start(cfg)
		require.NoError(t, err)
		f(b, kadm.NewClient(tcpClient(t, b, plain.Auth{User: "root", Pass: "canary-root"}.AsMechanism())))
		disk = corpse(disk, 100) // it is killed here
		require.NoError(t, b.Close())
	}
	in := func(b *broker.Broker, password string) error {
		return tcpClient(t, b, scram.Auth{User: "bob", Pass: password}.AsSha512Mechanism()).Ping(ctx(t))
	}
	run(func(b *broker.Broker, root *kadm.Client) {
		require.Error(t, in(b, "first"))
		_, err := root.AlterUserSCRAMs(ctx(t), nil, []kadm.UpsertSCRAM{{User: "bob", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "first"}})
		require.NoError(t, err)
		require.NoError(t, in(b, "first"))
		c := dialRaw(t, b)
		require.Zero(t, c.logIn("root", "canary-root"))
		weak := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		weak.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: "bob", Mechanism: 1, Iterations: 4095, Salt: []byte("s"), SaltedPassword: []byte("p")}}
		require.Equal(t, kerr.UnacceptableCredential.Code, c.ask(weak).(*kmsg.AlterUserSCRAMCredentialsResponse).Results[0].ErrorCode)
	})
	run(func(b *broker.Broker, root *kadm.Client) {
		require.NoError(t, in(b, "first"))
		us, err := root.DescribeUserSCRAMs(ctx(t))
		require.NoError(t, err)
		require.Len(t, us, 3)
		require.Equal(t, []kadm.CredInfo{{Mechanism: kadm.ScramSha512, Iterations: 4096}}, us["bob"].CredInfos)
		us, err = root.DescribeUserSCRAMs(ctx(t), "nobody")
		require.NoError(t, err)
		require.ErrorIs(t, us["nobody"].Err, kerr.ResourceNotFound)
		as, err := root.AlterUserSCRAMs(ctx(t), []kadm.DeleteSCRAM{{User: "bob", Mechanism: kadm.ScramSha512}, {User: "nobody", Mechanism: kadm.ScramSha256}}, nil)
		require.NoError(t, err)
		require.NoError(t, as["bob"].Err)
		require.ErrorIs(t, as["nobody"].Err, kerr.ResourceNotFound)
		require.Error(t, in(b, "first"))
	})
	run(func(b *broker.Broker, _ *kadm.Client) { require.Error(t, in(b, "first")) })
}

func TestRulesAreKept(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	mine := kadm.NewACLs().Topics("orders").ResourcePatternType(kadm.ACLPatternPrefixed).Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead)
	run := func(f func(b *broker.Broker, root, alice *kadm.Client)) {
		cfg := broker.Config{FS: disk, Dir: "d", Logger: logger(t)}
		secured(&cfg)
		b, err := broker.Start(cfg)
		require.NoError(t, err)
		f(b, kadm.NewClient(tcpClient(t, b, plain.Auth{User: "root", Pass: "canary-root"}.AsMechanism())),
			kadm.NewClient(tcpClient(t, b, scram.Auth{User: "alice", Pass: "canary-alice"}.AsSha256Mechanism())))
		disk = corpse(disk, 100) // it is killed here
		require.NoError(t, b.Close())
	}
	seen := func(b *broker.Broker, user string) []string {
		c := dialRaw(t, b)
		require.Zero(t, c.logIn(user, "canary-"+user))
		req := kmsg.NewPtrMetadataRequest()
		req.Version = 12
		var names []string
		for _, topic := range c.ask(req).(*kmsg.MetadataResponse).Topics {
			names = append(names, *topic.Topic)
		}
		return names
	}
	run(func(b *broker.Broker, root, alice *kadm.Client) {
		_, err := root.CreateTopics(ctx(t), 1, 1, nil, "orders-1", "bills")
		require.NoError(t, err)
		require.Empty(t, seen(b, "alice"), "names leak")
		rs, err := alice.CreateACLs(ctx(t), mine)
		require.NoError(t, err)
		require.ErrorIs(t, rs[0].Err, kerr.ClusterAuthorizationFailed)
		rs, err = root.CreateACLs(ctx(t), mine)
		require.NoError(t, err)
		require.NoError(t, rs[0].Err)
		require.Equal(t, []string{"orders-1"}, seen(b, "alice"))
		require.Equal(t, []string{"bills", "orders-1"}, seen(b, "root"))
	})
	run(func(b *broker.Broker, root, _ *kadm.Client) {
		require.Equal(t, []string{"orders-1"}, seen(b, "alice"))
		found, err := root.DescribeACLs(ctx(t), kadm.NewACLs().Topics("orders-7").ResourcePatternType(kadm.ACLPatternMatch).Allow().AllowHosts().Deny().DenyHosts().Operations())
		require.NoError(t, err)
		require.Len(t, found[0].Described, 1)
		require.Equal(t, "User:alice", found[0].Described[0].Principal)
		gone, err := root.DeleteACLs(ctx(t), mine)
		require.NoError(t, err)
		require.Len(t, gone[0].Deleted, 1)
		require.Empty(t, seen(b, "alice"))
	})
	run(func(b *broker.Broker, _, _ *kadm.Client) { require.Empty(t, seen(b, "alice")) })
}

// TestRulesNeedAuthentication: where nobody says who they are, rules would mean nothing.
func TestRulesNeedAuthentication(t *testing.T) {
	t.Parallel()
	adm := kadm.NewClient(client(t, start(t, nil)))
	rs, err := adm.CreateACLs(ctx(t), kadm.NewACLs().Topics("t").Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead))
	require.NoError(t, err)
	require.ErrorIs(t, rs[0].Err, kerr.SecurityDisabled)
}

// TestSecretsAreNotShown runs log-ins, good and bad, with everything logged, and looks for passwords in the log.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	b := start(t, func(c *broker.Config) {
		secured(c)
		c.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		for _, s := range []string{fmt.Sprint(*c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", c.Security), fmt.Sprintf("%x %q", c.Security.Users, c.Security.Users)} {
			require.NotContains(t, s, "canary")
		}
		j, err := json.Marshal(c.Security)
		require.NoError(t, err)
		require.NotContains(t, string(j), "canary")
		c.Logger.Info("config", "security", c.Security, "user", c.Security.Users["root"])
	})
	for _, m := range []sasl.Mechanism{
		plain.Auth{User: "alice", Pass: "canary-alice"}.AsMechanism(), plain.Auth{User: "mallory", Pass: "canary-mallory"}.AsMechanism(),
		scram.Auth{User: "alice", Pass: "canary-alice"}.AsSha256Mechanism(), scram.Auth{User: "alice", Pass: "canary-wrong"}.AsSha256Mechanism(),
	} {
		_ = tcpClient(t, b, m).Ping(ctx(t)) // some fail, as TestLogIn says
	}
	text := log.String()
	require.NotContains(t, text, "canary")
	require.Contains(t, text, `"msg":"log-in"`)
	require.Contains(t, text, `"msg":"log-in failed"`)
	require.Contains(t, text, `"principal":"User:mallory"`)
}

// syncBuffer is a buffer that a logger of several goroutines can write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestSecurityConfigIsChecked(t *testing.T) {
	t.Parallel()
	users := map[string]broker.Secret{"root": "x"}
	for name, c := range map[string]broker.Config{
		"unknown mechanism":            {Security: broker.Security{Mechanisms: []string{"GSSAPI"}, SuperUsers: []string{"root"}}},
		"users without mechanism":      {Security: broker.Security{Users: users}},
		"super users without log-in":   {Security: broker.Security{SuperUsers: []string{"root"}}},
		"empty password":               {Security: broker.Security{Mechanisms: allMechanisms, SuperUsers: []string{"root"}, Users: map[string]broker.Secret{"a": ""}}},
		"no super user":                {Security: broker.Security{Mechanisms: allMechanisms, Users: users}},
		"certificate without key":      {Security: broker.Security{CertFile: "c"}},
		"client CA without TLS":        {Security: broker.Security{ClientCAFile: "c", SuperUsers: []string{"root"}}},
		"client cert without CA":       {Security: broker.Security{RequireClientCert: true}},
		"bad mapping":                  {Security: broker.Security{PrincipalRules: "RULE:"}},
		"no such file":                 {Listen: "127.0.0.1:0", Security: broker.Security{CertFile: "/nowhere/c", KeyFile: "/nowhere/k"}},
		"open to the world":            {Listen: "0.0.0.0:0"},
		"readable for the world":       {Listen: "0.0.0.0:0", Security: broker.Security{Mechanisms: allMechanisms, Users: users, SuperUsers: []string{"root"}}},
		"open to the world, encrypted": {Listen: "0.0.0.0:0", Security: broker.Security{CertFile: "c", KeyFile: "k"}},
	} {
		b, err := broker.Start(c)
		require.Error(t, err, name)
		require.Nil(t, b)
	}
}

// testCA signs certificates for tests.
type testCA struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestCA(t *testing.T) *testCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a := &testCA{t: t, dir: t.TempDir(), cert: c, key: key}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *testCA) file(name string) string { return filepath.Join(a.dir, name) }

func (a *testCA) write(name, kind string, der []byte) {
	require.NoError(a.t, os.WriteFile(a.file(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes name.pem and name.key.
func (a *testCA) issue(name string, subject pkix.Name) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	require.NoError(a.t, err)
	a.write(name+".pem", "CERTIFICATE", der)
	kder, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	a.write(name+".key", "EC PRIVATE KEY", kder)
}

func (a *testCA) client(name string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	c := &tls.Config{RootCAs: roots}
	if name != "" {
		pair, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+".key"))
		require.NoError(a.t, err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	ca.issue("server", pkix.Name{CommonName: "server"})
	ca.issue("root", pkix.Name{CommonName: "Root", Organization: []string{"Acme"}})
	ca.issue("alice", pkix.Name{CommonName: "Alice", Organization: []string{"Acme"}})
	b := start(t, func(c *broker.Config) {
		c.Listen = "127.0.0.1:0"
		c.Security = broker.Security{
			CertFile: ca.file("server.pem"), KeyFile: ca.file("server.key"), ClientCAFile: ca.file("ca.pem"), RequireClientCert: true,
			PrincipalRules: "RULE:CN=(\\w+),.*/$1/L", SuperUsers: []string{"root"},
		}
	})
	as := func(name string) *kadm.Client {
		return kadm.NewClient(tcpClient(t, b, nil, kgo.DialTLSConfig(ca.client(name))))
	}
	_, err := as("root").CreateTopic(ctx(t), 1, 1, nil, "t")
	require.NoError(t, err)
	_, err = as("alice").CreateTopic(ctx(t), 1, 1, nil, "u")
	require.ErrorIs(t, err, kerr.TopicAuthorizationFailed)
	rs, err := as("root").CreateACLs(ctx(t), kadm.NewACLs().Topics("u").Allow("User:alice").AllowHosts("127.0.0.1").Operations(kadm.OpCreate))
	require.NoError(t, err)
	require.NoError(t, rs[0].Err)
	_, err = as("alice").CreateTopic(ctx(t), 1, 1, nil, "u")
	require.NoError(t, err)
	_, err = as("").ListTopics(ctx(t))
	require.Error(t, err, "without a certificate")
	_, err = kadm.NewClient(tcpClient(t, b, nil)).ListTopics(ctx(t))
	require.Error(t, err, "without TLS")
}

func TestSASLOverTLS(t *testing.T) {
	t.Parallel()
	ca := newTestCA(t)
	ca.issue("server", pkix.Name{CommonName: "server"})
	b := start(t, func(c *broker.Config) {
		secured(c)
		c.Security.CertFile, c.Security.KeyFile = ca.file("server.pem"), ca.file("server.key")
	})
	encrypted := kgo.DialTLSConfig(ca.client(""))
	require.NoError(t, tcpClient(t, b, plain.Auth{User: "alice", Pass: "canary-alice"}.AsMechanism(), encrypted).Ping(ctx(t)))
	require.Error(t, tcpClient(t, b, nil, encrypted).Ping(ctx(t)))
	require.Error(t, tcpClient(t, b, plain.Auth{User: "alice", Pass: "canary-alice"}.AsMechanism()).Ping(ctx(t)))
	// Within the process nobody logs in, and everything is allowed.
	createTopic(t, b, "t", 1, nil)
}

// TestRulesForClientsWithoutAName: a broker whose clients do not say who they are can have access control lists, as
// Kafka's with an authorizer can.
func TestRulesForClientsWithoutAName(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *broker.Config) {
		c.Listen = "127.0.0.1:0"
		c.Security = broker.Security{Authorize: true, AllowWithoutRules: true}
	})
	createTopic(t, b, "shut", 1, nil)
	createTopic(t, b, "open", 1, nil)
	c := dialRaw(t, b)
	rule := versioned(&kmsg.CreateACLsRequest{Creations: []kmsg.CreateACLsRequestCreation{{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: "shut",
		ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Principal: "User:alice", Host: "*", Operation: opRead, PermissionType: kmsg.ACLPermissionTypeAllow}}}, 3)
	require.Zero(t, c.ask(rule).(*kmsg.CreateACLsResponse).Results[0].ErrorCode)
	for topic, code := range map[string]int16{"open": 0, "shut": kerr.TopicAuthorizationFailed.Code} {
		resp := c.ask(versioned(&kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: &topic}}}, 9)).(*kmsg.MetadataResponse)
		require.Equal(t, code, resp.Topics[0].ErrorCode, topic)
	}
	_, err := broker.Start(broker.Config{Security: broker.Security{Authorize: true}})
	require.ErrorContains(t, err, "SuperUsers")
}

// TestLogInsEnd: a log-in counts for as long as the broker says; a client that logs in again goes on on its connection, as the
// same user and by the same mechanism only, and one that does not is cut off.
func TestLogInsEnd(t *testing.T) {
	t.Parallel()
	const lifetime = time.Hour
	begun := time.Now()
	var passed atomic.Int64 // the broker's clock stands still otherwise
	advance := func(d time.Duration) { passed.Add(int64(d)) }
	b := start(t, func(c *broker.Config) {
		secured(c)
		c.Security.SessionLifetime = lifetime
		c.Now = func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	})
	lists := func(c *raw) error {
		_, err := c.try(versioned(&kmsg.ListGroupsRequest{}, 4))
		return err
	}
	handshake := func(c *raw, mechanism string) int16 {
		return c.ask(versioned(&kmsg.SASLHandshakeRequest{Mechanism: mechanism}, 1)).(*kmsg.SASLHandshakeResponse).ErrorCode
	}
	logIn := func(c *raw) {
		require.Zero(t, handshake(c, "PLAIN"))
		resp := c.ask(versioned(&kmsg.SASLAuthenticateRequest{SASLAuthBytes: []byte("\x00alice\x00canary-alice")}, 2)).(*kmsg.SASLAuthenticateResponse)
		require.Zero(t, resp.ErrorCode)
		require.Equal(t, lifetime.Milliseconds(), resp.SessionLifetimeMillis)
	}
	again, lazy, other, way := dialRaw(t, b), dialRaw(t, b), dialRaw(t, b), dialRaw(t, b)
	for _, c := range []*raw{again, lazy, other, way} {
		logIn(c)
	}
	advance(lifetime - time.Second)
	for _, c := range []*raw{again, lazy, other, way} {
		require.NoError(t, lists(c))
	}
	logIn(again)
	require.Equal(t, kerr.SaslAuthenticationFailed.Code, other.logIn("root", "canary-root"))
	require.Error(t, lists(other), "it said that it was somebody else")
	require.Equal(t, kerr.IllegalSaslState.Code, handshake(way, "SCRAM-SHA-256"))
	require.Error(t, lists(way))
	advance(2 * time.Second)
	require.NoError(t, lists(again))
	require.Error(t, lists(lazy))
	advance(lifetime)
	logIn(again) // which is all that it may do now
	require.NoError(t, lists(again))
}

// TestAdministrationIsAudited: each change has a line in the audit log, which is a log of its own, and names who made it.
func TestAdministrationIsAudited(t *testing.T) {
	t.Parallel()
	var audit, log syncBuffer
	b := start(t, func(c *broker.Config) {
		secured(c)
		c.AutoCreateTopics = true
		c.Logger, c.Audit = slog.New(slog.NewTextHandler(&log, nil)), slog.New(slog.NewTextHandler(&audit, nil))
	})
	c := tcpClient(t, b, plain.Auth{User: "root", Pass: "canary-root"}.AsMechanism(), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("auto"))
	root := kadm.NewClient(c)
	_, err := root.CreateTopic(ctx(t), 1, 1, map[string]*string{"segment.bytes": kmsg.StringPtr("1000")}, "t")
	require.NoError(t, err)
	require.NoError(t, c.ProduceSync(ctx(t), kgo.StringRecord("a"), &kgo.Record{Topic: "t", Value: []byte("a")}).FirstErr())
	_, err = root.UpdatePartitions(ctx(t), 3, "t")
	require.NoError(t, err)
	_, err = root.AlterTopicConfigs(ctx(t), []kadm.AlterConfig{{Name: "retention.ms", Value: kmsg.StringPtr("77")}}, "t")
	require.NoError(t, err)
	_, err = root.DeleteRecords(ctx(t), kadm.Offsets{"t": {0: {Topic: "t", At: 1}}})
	require.NoError(t, err)
	for _, group := range []string{"g", "h"} {
		_, err = root.CommitOffsets(ctx(t), group, kadm.Offsets{"t": {0: {Topic: "t", At: 1}}})
		require.NoError(t, err)
	}
	_, err = root.DeleteOffsets(ctx(t), "g", kadm.TopicsSet{"t": {0: {}}})
	require.NoError(t, err)
	_, err = root.DeleteGroups(ctx(t), "h", "nobody")
	require.NoError(t, err)
	pid, epoch := dialWire(t, b).initProducer("x")
	_, err = root.WriteTxnMarkers(ctx(t), kadm.TxnMarkers{ProducerID: pid, ProducerEpoch: epoch, Topics: kadm.TopicsSet{"t": {0: {}}}})
	require.NoError(t, err)
	_, err = root.CreateACLs(ctx(t), kadm.NewACLs().Topics("t").Allow("User:alice").AllowHosts("*").Operations(kadm.OpRead))
	require.NoError(t, err)
	_, err = root.AlterUserSCRAMs(ctx(t), nil, []kadm.UpsertSCRAM{{User: "bob", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "canary-bob"}})
	require.NoError(t, err)
	quotas := []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: kmsg.StringPtr("bob")}, {Type: "client-id"}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1000}},
	}}
	_, err = root.ValidateAlterClientQuotas(ctx(t), quotas)
	require.NoError(t, err)
	require.NotContains(t, audit.String(), "AlterClientQuotas", "nothing was changed")
	_, err = root.AlterClientQuotas(ctx(t), quotas)
	require.NoError(t, err)
	_, err = root.DeleteTopics(ctx(t), "t", "nope")
	require.NoError(t, err)
	text := audit.String()
	for _, want := range []string{
		`msg=log-in principal=User:root host=127.0.0.1 mechanism=PLAIN`,
		`operation=CreateTopics resource=TOPIC:t reason="1 partitions, map[segment.bytes:1000]"`,
		`operation=CreateTopics resource=TOPIC:auto`,
		`operation=CreatePartitions resource=TOPIC:t reason="3 partitions"`,
		`operation=AlterConfigs resource=TOPIC:t reason=[retention.ms]`,
		`operation=DeleteRecords resource=TOPIC:t reason="partition 0 up to offset 1"`,
		`operation=OffsetDelete resource=GROUP:g reason="offsets of topic t"`,
		`operation=DeleteGroups resource=GROUP:h`,
		`operation=WriteTxnMarkers resource=TOPIC:t`,
		`operation=CreateAcls`,
		`operation=AlterUserScramCredentials resource=User:bob`,
		`operation=AlterClientQuotas resource="ClientQuota:user=bob,client-id=<default>" reason=map[producer_byte_rate:1000]`,
		`msg=changed principal=User:root host=127.0.0.1 operation=DeleteTopics resource=TOPIC:t`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "nobody")
	require.NotContains(t, text, "TOPIC:nope")
	require.NotContains(t, text, "canary")
	require.NotContains(t, log.String(), "msg=changed")
}
