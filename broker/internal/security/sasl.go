package security

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"
)

// ErrMechanism is returned by Begin for a mechanism that is not enabled.
var ErrMechanism = errors.New("SASL mechanism is not enabled")

// FailedText is all that a client learns of a log-in that failed.
const FailedText = "Authentication failed: invalid credentials"

// Failure is a log-in that failed. Its text is for the operator, never for the
// client, which gets FailedText.
type Failure struct {
	User   string // as far as it said
	Reason string
}

func (f *Failure) Error() string { return fmt.Sprintf("log-in of user %q: %s", f.User, f.Reason) }

// Authenticator checks who clients are. It is safe for concurrent use.
type Authenticator struct {
	users      *Users
	mechanisms []string
	secret     []byte
}

// NewAuthenticator makes an authenticator for some of PLAIN, SCRAM-SHA-256 and
// SCRAM-SHA-512. The secret makes the salts of users that do not exist: it must
// stay the same over restarts, or one could tell them by their salts changing.
func NewAuthenticator(users *Users, mechanisms []string, secret []byte) (*Authenticator, error) {
	for _, m := range mechanisms {
		if m != PlainName && m != SCRAMSHA256Name && m != SCRAMSHA512Name {
			return nil, fmt.Errorf("SASL mechanism %q is not known: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are", m)
		}
	}
	if len(secret) < 16 {
		return nil, fmt.Errorf("the secret has %d bytes, want at least 16", len(secret))
	}
	return &Authenticator{users: users, mechanisms: slices.Clone(mechanisms), secret: slices.Clone(secret)}, nil
}

// Mechanisms are those that clients can ask for.
func (a *Authenticator) Mechanisms() []string { return slices.Clone(a.mechanisms) }

// Exchange is one log-in. It is not safe for concurrent use.
type Exchange struct {
	mechanism string
	step      func(in []byte) (out []byte, user string, done bool, err error)
	user      string
	done      bool
}

// Begin starts a log-in.
func (a *Authenticator) Begin(mechanism string) (*Exchange, error) {
	e := &Exchange{mechanism: mechanism}
	if !slices.Contains(a.mechanisms, mechanism) {
		return nil, fmt.Errorf("%w: %q", ErrMechanism, mechanism)
	}
	switch mechanism {
	case PlainName:
		e.step = a.plain
	case SCRAMSHA256Name:
		e.step = a.scram(SCRAMSHA256, scram.SHA256)
	case SCRAMSHA512Name:
		e.step = a.scram(SCRAMSHA512, scram.SHA512)
	}
	return e, nil
}

// Mechanism is the one that the exchange was begun with.
func (e *Exchange) Mechanism() string { return e.mechanism }

// Step takes what the client sent and returns what it is to get. When done is
// true the client is who it says: see User. An error is a *Failure and ends
// the exchange; nothing is to be sent but FailedText.
func (e *Exchange) Step(in []byte) (out []byte, done bool, err error) {
	if e.step == nil {
		return nil, false, &Failure{Reason: "a message after the end of the exchange"}
	}
	out, e.user, e.done, err = e.step(in)
	if err != nil || e.done {
		e.step = nil
	}
	if err != nil {
		e.done = false
		return nil, false, err
	}
	return out, e.done, nil
}

// User is the name of the user, once the exchange is done.
func (e *Exchange) User() (string, bool) { return e.user, e.done }

// plain is RFC 4616: one message, "authzid NUL authcid NUL password".
func (a *Authenticator) plain(in []byte) ([]byte, string, bool, error) {
	parts := strings.Split(string(in), "\x00")
	if len(parts) != 3 {
		return nil, "", false, &Failure{Reason: "the PLAIN message does not have three parts"}
	}
	authzid, user, password := parts[0], parts[1], parts[2]
	switch {
	case user == "" || password == "":
		return nil, user, false, &Failure{user, "the PLAIN message has no user or no password"}
	case authzid != "" && authzid != user:
		return nil, user, false, &Failure{user, "it asks to act for somebody else"}
	}
	m := SCRAMSHA512
	c, ok := a.users.Lookup(user, m)
	if !ok {
		if weaker, has := a.users.Lookup(user, SCRAMSHA256); has {
			m, c, ok = SCRAMSHA256, weaker, true
		}
	}
	if !ok {
		c = a.stranger(user, m)
	}
	if !c.verify(m, password) || !ok {
		return nil, user, false, &Failure{user, "unknown user or wrong password"}
	}
	return nil, user, true, nil
}

// stranger is the credential of a user that does not exist: always the same
// for a name, and made of no password that anybody knows.
func (a *Authenticator) stranger(user string, m Mechanism) Credential {
	of := func(what string) []byte {
		h := hmac.New(sha256.New, a.secret)
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", what, m, user) // a hash takes everything
		return h.Sum(nil)
	}
	return fromSalted(m, of("password"), of("salt")[:24], DefaultIterations)
}

// scram is RFC 5802, two messages from either side.
func (a *Authenticator) scram(m Mechanism, gen scram.HashGeneratorFcn) func(in []byte) ([]byte, string, bool, error) {
	known := false
	var conv *scram.ServerConversation
	server, newErr := gen.NewServer(func(user string) (scram.StoredCredentials, error) {
		c, ok := a.users.Lookup(user, m)
		known = ok
		if !ok {
			c = a.stranger(user, m)
		}
		return scram.StoredCredentials{
			KeyFactors: scram.KeyFactors{Salt: string(c.Salt), Iters: c.Iterations},
			StoredKey:  c.StoredKey, ServerKey: c.ServerKey,
		}, nil
	})
	if newErr == nil {
		conv = server.NewConversation()
	}
	return func(in []byte) ([]byte, string, bool, error) {
		if newErr != nil {
			return nil, "", false, &Failure{Reason: newErr.Error()}
		}
		out, err := conv.Step(string(in))
		user := conv.Username()
		switch {
		case err != nil:
			return nil, user, false, &Failure{user, err.Error()}
		case conv.AuthzID() != "" && conv.AuthzID() != user:
			return nil, user, false, &Failure{user, "it asks to act for somebody else"}
		case conv.Done() && (!conv.Valid() || !known):
			return nil, user, false, &Failure{user, "unknown user or wrong password"}
		}
		return []byte(out), user, conv.Done(), nil
	}
}
