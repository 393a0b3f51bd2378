package broker

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace-go/millrace/broker/internal/api"
	"github.com/millrace-go/millrace/broker/internal/security"
)

// Security says who may connect over TCP and what they may do. The zero value asks nobody who they are and lets everybody
// do everything, which is why such a broker listens on the loopback address only.
//
// When clients can say who they are, by Mechanisms or by ClientCAFile, access control lists decide what they may do, and
// what no list allows is denied. Super users may do everything; so may clients within the process, through
// [Broker.Dialer].
type Security struct {
	// Mechanisms are the SASL mechanisms that clients log in with: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512. With any,
	// nobody gets in without. PLAIN is offered only on encrypted or loopback connections.
	Mechanisms []string
	// Users are passwords by user name. Further users, and other passwords for these, can be set at run time with
	// Kafka's administration requests for SCRAM credentials, and are kept.
	Users map[string]Secret
	// SessionLifetime is how long a log-in counts: clients log in again before it ends, on the same connection and as the
	// same user, or the connection is closed with their next request (KIP-368). 0: as long as the connection.
	SessionLifetime time.Duration

	// SuperUsers may do everything: names, or principals such as "User:CN=admin,O=Acme".
	SuperUsers []string
	// Authorize holds clients that do not say who they are to the access control lists, too, as User:ANONYMOUS. Those of
	// a broker with Mechanisms or a ClientCAFile always are.
	Authorize bool
	// AllowWithoutRules opens what no access control list is about to everyone: allow.everyone.if.no.acl.found.
	AllowWithoutRules bool

	// CertFile and KeyFile are the PEM files of the server's certificate chain and its key: with them, listeners
	// speak TLS. They are read again when they change.
	CertFile, KeyFile string
	// ClientCAFile is a PEM file of the authorities of client certificates. A client with a certificate is who the
	// certificate's subject says, unless it logs in as somebody else.
	ClientCAFile string
	// RequireClientCert refuses clients without a certificate.
	RequireClientCert bool
	// PrincipalRules turn a certificate's subject into a user name: ssl.principal.mapping.rules.
	PrincipalRules string
}

// reloadCertificates is how often the PEM files are looked at.
const reloadCertificates = 10 * time.Second

// encrypted reports whether listeners can speak TLS.
func (s Security) encrypted() bool { return s.CertFile != "" || s.KeyFile != "" }

// authenticates reports whether clients can say who they are.
func (s Security) authenticates() bool { return len(s.Mechanisms) > 0 || s.ClientCAFile != "" }

// Protocol is Kafka's name for how clients have to connect where a listener does not say: PLAINTEXT, SSL, SASL_PLAINTEXT or
// SASL_SSL.
func (s Security) Protocol() string {
	p := "PLAINTEXT"
	if s.encrypted() {
		p = "SSL"
	}
	if len(s.Mechanisms) > 0 {
		p = "SASL_" + p
	}
	return p
}

func (s Security) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Security."+format, args...)) }
	for _, m := range s.Mechanisms {
		if !slices.Contains([]string{security.PlainName, security.SCRAMSHA256Name, security.SCRAMSHA512Name}, m) {
			bad("Mechanisms has %q, want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", m)
		}
	}
	if len(s.Users) > 0 && len(s.Mechanisms) == 0 {
		bad("Users has users, but no Mechanisms for them to log in with")
	}
	if len(s.SuperUsers) > 0 && !s.authenticates() && !s.Authorize {
		bad("SuperUsers has users, but nothing tells who a client is, and everybody may do everything: set Mechanisms or a ClientCAFile")
	}
	for name, password := range s.Users {
		if name == "" || password == "" {
			bad("Users has a user %q with an empty name or password", name)
		}
	}
	if s.SessionLifetime < 0 {
		bad("SessionLifetime is %s, want 0 for no end, or more", s.SessionLifetime)
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		bad("CertFile and KeyFile go together")
	}
	if s.ClientCAFile != "" && !s.encrypted() {
		bad("ClientCAFile is set, but clients can show a certificate only if CertFile and KeyFile are too")
	}
	if s.RequireClientCert && s.ClientCAFile == "" {
		bad("RequireClientCert is set, but no ClientCAFile says whose certificates count")
	}
	if len(s.SuperUsers) == 0 && (s.authenticates() || s.Authorize && !s.AllowWithoutRules) {
		bad("SuperUsers is empty: what no access control list allows is denied, and nobody could make a list")
	}
	if _, err := security.ParsePrincipalRules(s.PrincipalRules); err != nil {
		bad("PrincipalRules: %w", err)
	}
	return errors.Join(errs...)
}

// node is what the node needs to know. The configuration has been checked.
func (s Security) node() api.SecurityConfig {
	rules, _ := security.ParsePrincipalRules(s.PrincipalRules) // checked with the configuration
	c := api.SecurityConfig{
		Mechanisms: s.Mechanisms, Users: make(map[string]string, len(s.Users)), Rules: rules,
		Authorize: s.authenticates() || s.Authorize, Open: s.AllowWithoutRules, SessionLifetime: s.SessionLifetime,
	}
	for name, password := range s.Users {
		c.Users[name] = string(password)
	}
	for _, name := range s.SuperUsers {
		if !strings.HasPrefix(name, "User:") {
			name = "User:" + name
		}
		c.Super = append(c.Super, security.Principal(name))
	}
	return c
}

// certificates reads the PEM files.
func (s Security) certificates() (security.PEM, error) {
	p := security.PEM{RequireClient: s.RequireClientCert}
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{s.CertFile, &p.Cert}, {s.KeyFile, &p.Key}, {s.ClientCAFile, &p.ClientCA}} {
		if f.name == "" {
			continue
		}
		b, err := os.ReadFile(f.name)
		if err != nil {
			return p, fmt.Errorf("read certificates: %w", err)
		}
		*f.to = b
	}
	return p, nil
}

// serverTLS returns the configuration of encrypted listeners and keeps its certificates fresh until ctx ends.
func (b *Broker) serverTLS(ctx context.Context) (*tls.Config, error) {
	s := b.cfg.Security
	pem, err := s.certificates()
	if err != nil {
		return nil, err
	}
	config, err := security.ServerTLS(pem)
	if err != nil {
		return nil, err
	}
	r := security.NewReloadingTLS(config)
	b.serving.Go(func() {
		t := time.NewTicker(reloadCertificates)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				pem = b.reload(r, pem)
			}
		}
	})
	return r.Config(), nil
}

// reload takes in certificates that have changed. Files that cannot be used leave things as they are: the next look may
// find them complete.
func (b *Broker) reload(r *security.ReloadingTLS, old security.PEM) security.PEM {
	pem, err := b.cfg.Security.certificates()
	if err == nil && bytes.Equal(pem.Cert, old.Cert) && bytes.Equal(pem.Key, old.Key) && bytes.Equal(pem.ClientCA, old.ClientCA) {
		return old
	}
	var config *tls.Config
	if err == nil {
		config, err = security.ServerTLS(pem)
	}
	if err != nil {
		b.cfg.Logger.Warn("changed certificates cannot be used, the old ones stay", "err", err)
		return old
	}
	r.Replace(config)
	b.cfg.Logger.Info("certificates changed", "file", b.cfg.Security.CertFile)
	return pem
}
