package security

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What is kept are pairs of bytes. Keys begin with what they are about; strings
// in them are length-prefixed with a uvarint. Values are JSON with a version.
//
//	u mechanism user    credential
//	a rule              nothing: the rule is the key
//	s                   the secret of the Authenticator
const (
	kindCredential = 'u'
	kindACL        = 'a'
	kindSecret     = 's'
)

const valueVersion = 1

type credentialRecord struct {
	Version    int    `json:"v"`
	Iterations int    `json:"iterations"`
	Salt       []byte `json:"salt"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
}

// SecretKey is the key of the authenticator's secret; its value is the secret.
func SecretKey() []byte { return []byte{kindSecret} }

// CredentialKey is the key of a credential.
func CredentialKey(user string, m Mechanism) []byte {
	return appendString([]byte{kindCredential, byte(m)}, user)
}

// EncodeCredential is the value of a credential.
func EncodeCredential(c Credential) ([]byte, error) {
	b, err := json.Marshal(credentialRecord{valueVersion, c.Iterations, c.Salt, c.StoredKey, c.ServerKey})
	if err != nil {
		return nil, fmt.Errorf("encode credential: %w", err)
	}
	return b, nil
}

// ACLKey is the key of a rule.
func ACLKey(a ACL) []byte {
	k := []byte{kindACL, valueVersion, byte(a.Type), byte(a.Pattern), byte(a.Operation), byte(a.Permission)}
	k = appendString(k, a.Name)
	k = appendString(k, string(a.Principal))
	return appendString(k, a.Host)
}

// ACLValue is the value of every rule.
func ACLValue() []byte { return []byte{valueVersion} }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	b = b[size:]
	return string(b[:n]), b[n:], true
}

// Loader takes in the pairs that were kept.
type Loader struct {
	Users  *Users
	ACLs   []ACL
	Secret []byte
}

// Add takes in one pair.
func (l *Loader) Add(key, value []byte) error {
	if len(key) == 0 {
		return fmt.Errorf("security: empty key")
	}
	switch key[0] {
	case kindSecret:
		l.Secret = append([]byte(nil), value...)
		return nil
	case kindCredential:
		return l.addCredential(key[1:], value)
	case kindACL:
		return l.addACL(key[1:])
	}
	return fmt.Errorf("security: unknown kind of key %q: written by a newer version?", key)
}

func (l *Loader) addCredential(key, value []byte) error {
	if len(key) == 0 || !Mechanism(key[0]).known() {
		return fmt.Errorf("security: malformed key of a credential")
	}
	user, rest, ok := cutString(key[1:])
	if !ok || len(rest) > 0 {
		return fmt.Errorf("security: malformed key of a credential")
	}
	var r credentialRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("security: credential of user %q: %w", user, err)
	}
	if r.Version != valueVersion {
		return fmt.Errorf("security: credential of user %q has version %d, which is not known", user, r.Version)
	}
	l.Users.Set(user, Mechanism(key[0]), Credential{r.Iterations, r.Salt, r.StoredKey, r.ServerKey})
	return nil
}

func (l *Loader) addACL(key []byte) error {
	if len(key) < 5 || key[0] != valueVersion {
		return fmt.Errorf("security: rule of an unknown version")
	}
	a := ACL{
		Type: kmsg.ACLResourceType(key[1]), Pattern: kmsg.ACLResourcePatternType(key[2]),
		Operation: kmsg.ACLOperation(key[3]), Permission: kmsg.ACLPermissionType(key[4]),
	}
	rest := key[5:]
	var principal string
	for _, to := range []*string{&a.Name, &principal, &a.Host} {
		var ok bool
		if *to, rest, ok = cutString(rest); !ok {
			return fmt.Errorf("security: malformed key of a rule")
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("security: malformed key of a rule")
	}
	a.Principal = Principal(principal)
	if err := a.Check(); err != nil {
		return fmt.Errorf("security: rule %v: %w", a, err)
	}
	l.ACLs = append(l.ACLs, a)
	return nil
}
