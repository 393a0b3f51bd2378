package security

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLoader: pairs that are not ours are an error, never a panic; a rule that loads has the key that it came from.
func FuzzLoader(f *testing.F) {
	c, err := FromSaltedPassword(SCRAMSHA256, []byte("p"), []byte("s"), MinIterations)
	require.NoError(f, err)
	v, err := EncodeCredential(c)
	require.NoError(f, err)
	f.Add(CredentialKey("alice", SCRAMSHA256), v)
	f.Add(ACLKey(rule(allow, alice, read, prefixed, "a")), ACLValue())
	f.Add(SecretKey(), []byte("secret"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		l := Loader{Users: NewUsers()}
		if l.Add(key, value) == nil && len(l.ACLs) == 1 {
			again := Loader{Users: NewUsers()}
			require.NoError(t, again.Add(ACLKey(l.ACLs[0]), nil))
			require.Equal(t, l.ACLs, again.ACLs)
		}
	})
}

// FuzzPrincipalRules: rules are read or refused, and never fail on a name.
func FuzzPrincipalRules(f *testing.F) {
	f.Add(`RULE:CN=(\w+),.*/$1/L,DEFAULT`, "CN=alice,O=acme")
	f.Fuzz(func(t *testing.T, rules, dn string) {
		if r, err := ParsePrincipalRules(rules); err == nil {
			_ = r.Principal(dn) // must not panic
		}
	})
}
