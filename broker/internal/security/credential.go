package security

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
)

// Mechanism is a SCRAM mechanism by Kafka's number (KIP-554).
type Mechanism int8

// The mechanisms of SCRAM.
const (
	SCRAMSHA256 Mechanism = 1
	SCRAMSHA512 Mechanism = 2
)

// Names of all SASL mechanisms, as clients ask for them.
const (
	PlainName       = "PLAIN"
	SCRAMSHA256Name = "SCRAM-SHA-256"
	SCRAMSHA512Name = "SCRAM-SHA-512"
)

// Bounds of the iterations of a credential: Kafka's. New ones are made with
// DefaultIterations.
const (
	MinIterations     = 4096
	MaxIterations     = 16384
	DefaultIterations = 15000
)

func (m Mechanism) known() bool { return m == SCRAMSHA256 || m == SCRAMSHA512 }

// String is the mechanism's SASL name.
func (m Mechanism) String() string {
	switch m {
	case SCRAMSHA256:
		return SCRAMSHA256Name
	case SCRAMSHA512:
		return SCRAMSHA512Name
	}
	return fmt.Sprintf("Mechanism(%d)", int8(m))
}

func (m Mechanism) hash() func() hash.Hash {
	if m == SCRAMSHA512 {
		return sha512.New
	}
	return sha256.New
}

// Credential is what is kept of a password for one mechanism: enough to check
// it, not enough to log in with it.
type Credential struct {
	Iterations int
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
}

// String hides the keys, which allow an offline search for the password.
func (c Credential) String() string { return fmt.Sprintf("iterations=%d", c.Iterations) }

// NewCredential makes a credential with a random salt.
func NewCredential(m Mechanism, password string, iterations int) (Credential, error) {
	salt := make([]byte, 24)
	if _, err := rand.Read(salt); err != nil {
		return Credential{}, fmt.Errorf("make a salt: %w", err)
	}
	return derive(m, password, salt, iterations)
}

// FromSaltedPassword makes a credential of what administration clients send.
func FromSaltedPassword(m Mechanism, salted, salt []byte, iterations int) (Credential, error) {
	switch {
	case !m.known():
		return Credential{}, fmt.Errorf("mechanism %d is not known", int8(m))
	case iterations < MinIterations || iterations > MaxIterations:
		return Credential{}, fmt.Errorf("iterations are %d, want %d to %d", iterations, MinIterations, MaxIterations)
	case len(salt) == 0 || len(salted) == 0:
		return Credential{}, fmt.Errorf("salt or salted password is empty")
	}
	return fromSalted(m, salted, salt, iterations), nil
}

func fromSalted(m Mechanism, salted, salt []byte, iterations int) Credential {
	sum := m.hash()()
	sum.Write(mac(m, salted, "Client Key"))
	return Credential{Iterations: iterations, Salt: salt, StoredKey: sum.Sum(nil), ServerKey: mac(m, salted, "Server Key")}
}

func mac(m Mechanism, key []byte, text string) []byte {
	h := hmac.New(m.hash(), key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func derive(m Mechanism, password string, salt []byte, iterations int) (Credential, error) {
	salted, err := pbkdf2.Key(m.hash(), password, salt, iterations, m.hash()().Size())
	if err != nil {
		return Credential{}, fmt.Errorf("derive a key: %w", err)
	}
	return fromSalted(m, salted, salt, iterations), nil
}

// verify reports whether a password is the one that c was made of.
func (c Credential) verify(m Mechanism, password string) bool {
	got, err := derive(m, password, c.Salt, c.Iterations)
	return err == nil && hmac.Equal(got.StoredKey, c.StoredKey)
}
