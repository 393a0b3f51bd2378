package security

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs certificates in tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func newAuthority(t *testing.T) *authority {
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &authority{cert, key, certPEM(der)}
}

func (a *authority) issue(t *testing.T, subject []byte) (cert, key []byte) {
	k := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), RawSubject: subject, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	require.NoError(t, err)
	kder, err := x509.MarshalECPrivateKey(k)
	require.NoError(t, err)
	return certPEM(der), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kder})
}

func subject(t *testing.T, parts ...pkix.AttributeTypeAndValue) []byte {
	var s pkix.RDNSequence
	for _, p := range parts {
		s = append(s, pkix.RelativeDistinguishedNameSET{p})
	}
	der, err := asn1.Marshal(s)
	require.NoError(t, err)
	return der
}

func attr(oid asn1.ObjectIdentifier, v string) pkix.AttributeTypeAndValue {
	return pkix.AttributeTypeAndValue{Type: oid, Value: v}
}

var (
	oidCountry = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidOrg     = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidCommon  = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidDomain  = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidTitle   = asn1.ObjectIdentifier{2, 5, 4, 12}
)

func TestDistinguishedName(t *testing.T) {
	for _, c := range []struct {
		parts []pkix.AttributeTypeAndValue
		want  string
	}{
		{[]pkix.AttributeTypeAndValue{attr(oidCountry, "DE"), attr(oidOrg, "Mill, Race"), attr(oidCommon, "alice")}, `CN=alice,O=Mill\, Race,C=DE`},
		{[]pkix.AttributeTypeAndValue{attr(oidDomain, "org"), attr(oidDomain, "example"), attr(oidCommon, "#a ")}, `CN=\#a\ ,DC=example,DC=org`},
		{[]pkix.AttributeTypeAndValue{attr(oidTitle, "x"), attr(oidCommon, "a")}, `CN=a,2.5.4.12=#130178`},
		{[]pkix.AttributeTypeAndValue{attr(oidCommon, "a+b=c")}, `CN=a\+b=c`},
	} {
		got, err := DistinguishedName(&x509.Certificate{RawSubject: subject(t, c.parts...)})
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := DistinguishedName(&x509.Certificate{RawSubject: []byte{1, 2, 3}})
	require.Error(t, err)
}

func TestPrincipalRules(t *testing.T) {
	const dn = "CN=Alice.Smith,OU=Dev,O=Acme,C=US"
	for _, c := range []struct{ rules, dn, want string }{
		{"", dn, dn},
		{"DEFAULT", dn, dn},
		{"RULE:CN=([^,]+),.*/$1/", dn, "Alice.Smith"},
		{"RULE:CN=([^,]+),.*/$1/L", dn, "alice.smith"},
		{"RULE:CN=([^,]+),OU=([^,]+),.*/$1@$2/U", dn, "ALICE.SMITH@DEV"},
		{"RULE:CN=nobody/x/, RULE:CN=([^.]+).*/$1x/L,DEFAULT", dn, "alicex"},
		{"RULE:CN=/x/,DEFAULT", dn, dn},
		{`RULE:CN=a\/b/$0\/c/`, "CN=a/b", "CN=a/b/c"},
		{`RULE:CN=(\w+)\.(\w+),.*/$2.$1/`, dn, "Smith.Alice"},
	} {
		r, err := ParsePrincipalRules(c.rules)
		require.NoError(t, err, c.rules)
		require.Equal(t, User(c.want), r.Principal(c.dn), c.rules)
	}
	for _, bad := range []string{"RULE:", "RULE:a", "RULE:a/b", "RULE:(/b/", "DEFAULT DEFAULT", "nonsense", "RULE:a/b/X", "RULE:a/b/,,"} {
		_, err := ParsePrincipalRules(bad)
		require.Error(t, err, bad)
	}
	var none *PrincipalRules
	require.Equal(t, User(dn), none.Principal(dn))
}

// handshake connects a client to a server and returns who the server takes it for.
func handshake(t *testing.T, server, client *tls.Config) (Principal, error) {
	t.Helper()
	a, b := net.Pipe()
	defer func() { require.NoError(t, a.Close()) }()
	clientErr := make(chan error, 1)
	go func() {
		c := tls.Client(b, client)
		err := c.Handshake()
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		clientErr <- err
	}()
	s := tls.Server(a, server)
	if err := s.Handshake(); err != nil {
		return "", err
	}
	_, err := s.Write([]byte{1})
	require.NoError(t, err)
	require.NoError(t, <-clientErr)
	return ClientPrincipal(s.ConnectionState(), nil)
}

func TestServerTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue(t, subject(t, attr(oidCommon, "localhost")))
	aliceCert, aliceKey := ca.issue(t, subject(t, attr(oidOrg, "Acme"), attr(oidCommon, "alice")))
	foreignCert, foreignKey := other.issue(t, subject(t, attr(oidCommon, "alice")))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca.pem))
	pair := func(c, k []byte) []tls.Certificate {
		p, err := tls.X509KeyPair(c, k)
		require.NoError(t, err)
		return []tls.Certificate{p}
	}
	nobody := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	someone := &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: pair(aliceCert, aliceKey)}
	stranger := &tls.Config{RootCAs: roots, ServerName: "localhost", GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &pair(foreignCert, foreignKey)[0], nil
	}}
	old := &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}

	oneWay, err := ServerTLS(PEM{Cert: cert, Key: key})
	require.NoError(t, err)
	mutual, err := ServerTLS(PEM{Cert: cert, Key: key, ClientCA: ca.pem, RequireClient: true})
	require.NoError(t, err)
	asked, err := ServerTLS(PEM{Cert: cert, Key: key, ClientCA: ca.pem})
	require.NoError(t, err)
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		want           Principal
	}{
		{"nobody is asked", oneWay, nobody, Anonymous},
		{"a certificate that nobody asked for", oneWay, someone, Anonymous},
		{"required and shown", mutual, someone, "User:CN=alice,O=Acme"},
		{"required and not shown", mutual, nobody, ""},
		{"of another authority", mutual, stranger, ""},
		{"asked for and shown", asked, someone, "User:CN=alice,O=Acme"},
		{"asked for and not shown", asked, nobody, Anonymous},
		{"asked for, of another authority", asked, stranger, ""},
		{"TLS 1.1", oneWay, old, ""},
		{"through a reloading one", NewReloadingTLS(mutual).Config(), someone, "User:CN=alice,O=Acme"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := handshake(t, c.server, c.client)
			require.Equal(t, c.want == "", err != nil, "%v", err)
			require.Equal(t, c.want, got)
		})
	}

	r := NewReloadingTLS(oneWay)
	r.Replace(mutual)
	_, err = handshake(t, r.Config(), nobody)
	require.Error(t, err, "the configuration that was replaced is still used")

	for name, p := range map[string]PEM{
		"no certificate":    {Key: key},
		"key of another":    {Cert: cert, Key: aliceKey},
		"no authority":      {Cert: cert, Key: key, RequireClient: true},
		"garbage authority": {Cert: cert, Key: key, ClientCA: []byte("x")},
	} {
		_, err := ServerTLS(p)
		require.Error(t, err, name)
	}
}

func TestAuditBoundsRefusals(t *testing.T) {
	now := time.Unix(1000, 0)
	var buf bytes.Buffer
	audit := LogAudit(slog.New(slog.NewTextHandler(&buf, nil)), func() time.Time { return now })
	for range 100 {
		audit(Event{Kind: Denied, Principal: alice, Host: "h", Operation: "Read", Resource: "Topic:orders"})
	}
	audit(Event{Kind: LoggedIn, Principal: alice, Host: "h", Mechanism: PlainName})
	audit(Event{Kind: Changed, Principal: alice, Host: "h", Operation: "CreateAcls", Reason: "one more"})
	require.Equal(t, auditPerSecond, strings.Count(buf.String(), "msg=denied"))
	require.Equal(t, 1, strings.Count(buf.String(), "msg=log-in"))
	require.Contains(t, buf.String(), `msg=changed principal=User:alice host=h operation=CreateAcls reason="one more"`)
	now = now.Add(time.Second)
	audit(Event{Kind: LogInFailed, Host: "h", Mechanism: PlainName, Reason: "why"})
	require.Contains(t, buf.String(), "count=80")
	require.Contains(t, buf.String(), `msg="log-in failed"`)
}
