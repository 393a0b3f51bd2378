package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
)

// PEM is a server's certificate and key, and whom it believes about clients.
type PEM struct {
	Cert []byte // the certificate, then its chain
	Key  []byte
	// ClientCA are the authorities of client certificates. Without any, clients
	// are not asked for one.
	ClientCA []byte
	// RequireClient refuses clients without a certificate; otherwise they are
	// anonymous.
	RequireClient bool
}

// ServerTLS makes the configuration of a listener: TLS 1.2 or later.
func ServerTLS(p PEM) (*tls.Config, error) {
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if len(p.ClientCA) == 0 {
		if p.RequireClient {
			return nil, errors.New("client certificates are required, but no authority for them is given")
		}
		return c, nil
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(p.ClientCA) {
		return nil, errors.New("authorities of client certificates: no certificate in the PEM text")
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	if p.RequireClient {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// ReloadingTLS is a configuration that can be replaced while a listener uses
// it; new connections get the newest.
type ReloadingTLS struct {
	current atomic.Pointer[tls.Config]
}

// NewReloadingTLS starts with c.
func NewReloadingTLS(c *tls.Config) *ReloadingTLS {
	r := &ReloadingTLS{}
	r.current.Store(c)
	return r
}

// Replace puts c in place of what was.
func (r *ReloadingTLS) Replace(c *tls.Config) { r.current.Store(c) }

// Config is for the listener.
func (r *ReloadingTLS) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return r.current.Load(), nil
		},
	}
}

// ClientPrincipal is who a connection's client certificate says it is;
// Anonymous without one.
func ClientPrincipal(state tls.ConnectionState, rules *PrincipalRules) (Principal, error) {
	if len(state.VerifiedChains) == 0 {
		return Anonymous, nil
	}
	dn, err := DistinguishedName(state.PeerCertificates[0])
	if err != nil {
		return "", err
	}
	return rules.Principal(dn), nil
}
