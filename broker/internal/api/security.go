package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/millrace-go/millrace/broker/internal/metadb"
	"github.com/millrace-go/millrace/broker/internal/security"
	"github.com/millrace-go/millrace/broker/internal/wire"
)

// SecurityConfig says who clients can be and what they may do.
type SecurityConfig struct {
	Mechanisms []string          // of SASL; none means that nobody can log in
	Users      map[string]string // of the configuration: password by name
	Rules      *security.PrincipalRules
	// SessionLifetime is how long a log-in counts; 0: as long as the connection.
	SessionLifetime time.Duration

	Authorize bool // otherwise everybody may do everything
	Super     []security.Principal
	Open      bool // what no rule is about is open to everyone
}

// guard is the node's security: who clients are, and what they may do.
type guard struct {
	cfg   SecurityConfig
	auth  *security.Authenticator
	users *security.Users
	acls  *security.Authorizer
	audit security.Audit
	db    *metadb.DB

	mu sync.Mutex // held while users or rules change
}

func openGuard(cfg SecurityConfig, db *metadb.DB, audit security.Audit) (*guard, error) {
	g := &guard{cfg: cfg, users: security.NewUsers(), acls: security.NewAuthorizer(cfg.Super, cfg.Open), audit: audit, db: db}
	l := security.Loader{Users: g.users}
	prefix := metadb.Key(metadb.TableSecurity)
	if err := db.Scan(prefix, func(k, v []byte) error { return l.Add(k[len(prefix):], v) }); err != nil {
		return nil, fmt.Errorf("load users and rules: %w", err)
	}
	g.acls.Change(l.ACLs, nil)
	for name, password := range cfg.Users {
		if err := g.users.Configure(name, password); err != nil {
			return nil, fmt.Errorf("user %q: %w", name, err)
		}
	}
	if l.Secret == nil {
		l.Secret = make([]byte, 32)
		if _, err := rand.Read(l.Secret); err != nil {
			return nil, fmt.Errorf("make a secret: %w", err)
		}
		var b metadb.Batch
		b.Set(metadb.Key(metadb.TableSecurity, security.SecretKey()), l.Secret)
		if err := db.Commit(&b); err != nil {
			return nil, fmt.Errorf("keep a secret: %w", err)
		}
	}
	var err error
	g.auth, err = security.NewAuthenticator(g.users, cfg.Mechanisms, l.Secret)
	return g, err
}

// identity is what a connection knows of its client. The connection's reader owns it; what other goroutines ask for is
// set before the first request that they see.
type identity struct {
	principal security.Principal
	exchange  *security.Exchange // a log-in that is going on
	mechanism string             // of the log-in that counts, empty if there was none
	ends      time.Time          // when it does not count any more; zero: never
}

// expired reports whether the client had to log in again by now.
func (id *identity) expired(now func() time.Time) bool {
	return !id.ends.IsZero() && now().After(id.ends)
}

// identity returns what is known of the client of a connection.
func (g *guard) identity(c *wire.Conn) *identity {
	if id, ok := c.Auth.(*identity); ok {
		return id
	}
	id := &identity{principal: security.Anonymous}
	if state, ok := c.TLS(); ok && !c.Listener.Authenticate {
		p, err := security.ClientPrincipal(state, g.cfg.Rules)
		if err != nil {
			g.audit(security.Event{Kind: security.LogInFailed, Host: c.Host(), Mechanism: "TLS", Reason: err.Error()})
		} else if id.principal = p; p != security.Anonymous {
			g.audit(security.Event{Kind: security.LoggedIn, Principal: p, Host: c.Host(), Mechanism: "TLS"})
		}
	}
	c.Auth = id
	return id
}

// mechanisms are those that a client can use on its connection: no password goes over a wire that others can read.
func (g *guard) mechanisms(c *wire.Conn) []string {
	m := g.auth.Mechanisms()
	if !c.Listener.Encrypted && !c.Loopback() {
		m = slices.DeleteFunc(m, func(s string) bool { return s == security.PlainName })
	}
	return m
}

// errSecurityDisabled answers the administration of rules that nobody would look at.
var errSecurityDisabled = errors.New("no authorizer is configured on the broker")

// store makes changes of users or rules durable.
func (g *guard) store(write func(*metadb.Batch) error) error {
	var b metadb.Batch
	if err := write(&b); err != nil {
		return err
	}
	return g.db.Commit(&b)
}

func topicResource(name string) string { return kmsg.ACLResourceTypeTopic.String() + ":" + name }

// changed tells of a change that was made.
func (n *Node) changed(r *wire.Request, operation, resource, what string) {
	n.guard.audit(security.Event{Kind: security.Changed, Principal: n.principal(r), Host: r.Conn.Host(), Operation: operation, Resource: resource, Reason: what})
}

// principal is who sent a request.
func (n *Node) principal(r *wire.Request) security.Principal {
	return n.guard.identity(r.Conn).principal
}

// securityCode is Kafka's code for an error of the storage of users and rules.
func (n *Node) securityCode(err error) int16 {
	n.log.Error("users and rules were not stored", "err", err)
	return kerr.KafkaStorageError.Code
}
