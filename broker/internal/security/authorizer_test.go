package security

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

const (
	allow = kmsg.ACLPermissionTypeAllow
	deny  = kmsg.ACLPermissionTypeDeny

	literal  = kmsg.ACLResourcePatternTypeLiteral
	prefixed = kmsg.ACLResourcePatternTypePrefixed

	topic = kmsg.ACLResourceTypeTopic
	group = kmsg.ACLResourceTypeGroup

	all             = kmsg.ACLOperationAll
	read            = kmsg.ACLOperationRead
	write           = kmsg.ACLOperationWrite
	describe        = kmsg.ACLOperationDescribe
	describeConfigs = kmsg.ACLOperationDescribeConfigs
	alter           = kmsg.ACLOperationAlter
	alterConfigs    = kmsg.ACLOperationAlterConfigs
	del             = kmsg.ACLOperationDelete
	create          = kmsg.ACLOperationCreate
)

const alice, bob = Principal("User:alice"), Principal("User:bob")

func rule(perm kmsg.ACLPermissionType, p Principal, op kmsg.ACLOperation, pattern kmsg.ACLResourcePatternType, name string) ACL {
	return ACL{Type: topic, Name: name, Pattern: pattern, Principal: p, Host: Wildcard, Operation: op, Permission: perm}
}

func TestAuthorizer(t *testing.T) {
	fromHome := rule(allow, alice, read, literal, "orders")
	fromHome.Host = "10.0.0.1"
	ofGroup := rule(allow, alice, read, literal, "orders")
	ofGroup.Type = group
	for _, c := range []struct {
		name  string
		rules []ACL
		open  bool
		p     Principal
		op    kmsg.ACLOperation
		topic string
		want  bool
	}{
		{name: "without rules everything is denied", p: alice, op: read, topic: "orders"},
		{name: "unless it is open without rules", open: true, p: alice, op: read, topic: "orders", want: true},
		{name: "a rule closes its resource for others", open: true, rules: []ACL{rule(allow, bob, read, literal, "orders")}, p: alice, op: read, topic: "orders"},
		{name: "but no other resource", open: true, rules: []ACL{rule(allow, bob, read, literal, "orders")}, p: alice, op: read, topic: "bills", want: true},
		{name: "a super user needs no rule", p: "User:root", op: write, topic: "orders", want: true},
		{name: "and no rule stops it", rules: []ACL{rule(deny, Everyone, all, literal, "*")}, p: "User:root", op: write, topic: "orders", want: true},
		{name: "literal", rules: []ACL{rule(allow, alice, read, literal, "orders")}, p: alice, op: read, topic: "orders", want: true},
		{name: "literal is not a prefix", rules: []ACL{rule(allow, alice, read, literal, "orders")}, p: alice, op: read, topic: "orders-2"},
		{name: "prefixed", rules: []ACL{rule(allow, alice, read, prefixed, "ord")}, p: alice, op: read, topic: "orders", want: true},
		{name: "prefixed is the whole name too", rules: []ACL{rule(allow, alice, read, prefixed, "orders")}, p: alice, op: read, topic: "orders", want: true},
		{name: "prefix of another", rules: []ACL{rule(allow, alice, read, prefixed, "orders-2")}, p: alice, op: read, topic: "orders"},
		{name: "a prefixed star is a letter", rules: []ACL{rule(allow, alice, read, prefixed, "*")}, p: alice, op: read, topic: "orders"},
		{name: "wildcard", rules: []ACL{rule(allow, alice, read, literal, "*")}, p: alice, op: read, topic: "orders", want: true},
		{name: "everyone", rules: []ACL{rule(allow, Everyone, read, literal, "orders")}, p: alice, op: read, topic: "orders", want: true},
		{name: "somebody else", rules: []ACL{rule(allow, bob, read, literal, "orders")}, p: alice, op: read, topic: "orders"},
		{name: "another type", rules: []ACL{ofGroup}, p: alice, op: read, topic: "orders"},
		{name: "from another host", rules: []ACL{fromHome}, p: alice, op: read, topic: "orders"},
		{name: "all operations", rules: []ACL{rule(allow, alice, all, literal, "orders")}, p: alice, op: del, topic: "orders", want: true},
		{name: "another operation", rules: []ACL{rule(allow, alice, read, literal, "orders")}, p: alice, op: write, topic: "orders"},
		{name: "deny wins", rules: []ACL{rule(allow, alice, read, literal, "orders"), rule(deny, alice, read, prefixed, "o")}, p: alice, op: read, topic: "orders"},
		{name: "deny wins in the other order", rules: []ACL{rule(deny, alice, read, literal, "orders"), rule(allow, alice, read, prefixed, "o")}, p: alice, op: read, topic: "orders"},
		{name: "deny all", rules: []ACL{rule(allow, alice, read, literal, "orders"), rule(deny, Everyone, all, literal, "*")}, p: alice, op: read, topic: "orders"},
		{name: "read implies describe", rules: []ACL{rule(allow, alice, read, literal, "orders")}, p: alice, op: describe, topic: "orders", want: true},
		{name: "write implies describe", rules: []ACL{rule(allow, alice, write, literal, "orders")}, p: alice, op: describe, topic: "orders", want: true},
		{name: "delete implies describe", rules: []ACL{rule(allow, alice, del, literal, "orders")}, p: alice, op: describe, topic: "orders", want: true},
		{name: "alter implies describe", rules: []ACL{rule(allow, alice, alter, literal, "orders")}, p: alice, op: describe, topic: "orders", want: true},
		{name: "create does not", rules: []ACL{rule(allow, alice, create, literal, "orders")}, p: alice, op: describe, topic: "orders"},
		{name: "alter configs implies describe configs", rules: []ACL{rule(allow, alice, alterConfigs, literal, "orders")}, p: alice, op: describeConfigs, topic: "orders", want: true},
		{name: "alter does not", rules: []ACL{rule(allow, alice, alter, literal, "orders")}, p: alice, op: describeConfigs, topic: "orders"},
		{name: "to deny read denies no describe", rules: []ACL{rule(deny, alice, read, literal, "orders"), rule(allow, alice, describe, literal, "orders")}, p: alice, op: describe, topic: "orders", want: true},
		{name: "to deny describe denies no read", rules: []ACL{rule(deny, alice, describe, literal, "orders"), rule(allow, alice, read, literal, "orders")}, p: alice, op: read, topic: "orders", want: true},
		{name: "but describe by implication", rules: []ACL{rule(deny, alice, describe, literal, "orders"), rule(allow, alice, read, literal, "orders")}, p: alice, op: describe, topic: "orders"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := NewAuthorizer([]Principal{"User:root"}, c.open)
			a.Change(c.rules, nil)
			require.Equal(t, c.want, a.Allowed(c.p, "10.0.0.7", c.op, topic, c.topic))
		})
	}
}

// naive is the authorizer as one would say it.
type naive struct {
	open bool
	acls map[ACL]bool
}

func (n naive) allowed(p Principal, host string, op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	any, yes := false, false
	for a := range n.acls {
		if a.Type != kind {
			continue
		}
		if a.Pattern == literal && a.Name != name && a.Name != "*" || a.Pattern == prefixed && !strings.HasPrefix(name, a.Name) {
			continue
		}
		any = true
		if a.Principal != p && a.Principal != "User:*" || a.Host != host && a.Host != "*" {
			continue
		}
		same := a.Operation == op || a.Operation == all
		implied := op == describe && (a.Operation == read || a.Operation == write || a.Operation == del || a.Operation == alter) ||
			op == describeConfigs && a.Operation == alterConfigs
		if a.Permission == deny && same {
			return false
		}
		if a.Permission == allow && (same || implied) {
			yes = true
		}
	}
	return yes || !any && n.open
}

func drawACL(t *rapid.T) ACL {
	return ACL{
		Type:       rapid.SampledFrom([]kmsg.ACLResourceType{topic, group}).Draw(t, "type"),
		Name:       rapid.SampledFrom([]string{"*", "a", "ab", "abc", "b", "ba"}).Draw(t, "name"),
		Pattern:    rapid.SampledFrom([]kmsg.ACLResourcePatternType{literal, prefixed}).Draw(t, "pattern"),
		Principal:  rapid.SampledFrom([]Principal{alice, bob, Everyone}).Draw(t, "principal"),
		Host:       rapid.SampledFrom([]string{"*", "h1", "h2"}).Draw(t, "host"),
		Operation:  rapid.SampledFrom([]kmsg.ACLOperation{all, read, write, describe, describeConfigs, alter, alterConfigs, del}).Draw(t, "operation"),
		Permission: rapid.SampledFrom([]kmsg.ACLPermissionType{allow, allow, deny}).Draw(t, "permission"),
	}
}

func TestAuthorizerAgainstNaiveOne(t *testing.T) {
	names := []string{"a", "ab", "abc", "abcd", "b", "ba", "c", "*"}
	rapid.Check(t, func(t *rapid.T) {
		open := rapid.Bool().Draw(t, "open")
		a, n := NewAuthorizer(nil, open), naive{open, make(map[ACL]bool)}
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			acl := drawACL(t)
			if n.acls[acl] && rapid.Bool().Draw(t, "remove") {
				a.Change(nil, []ACL{acl})
				delete(n.acls, acl)
			} else {
				a.Change([]ACL{acl}, nil)
				n.acls[acl] = true
			}
		}
		require.Equal(t, len(n.acls), a.Len())
		for _, kind := range []kmsg.ACLResourceType{topic, group} {
			for _, p := range []Principal{alice, bob} {
				for _, host := range []string{"h1", "h3"} {
					for _, op := range []kmsg.ACLOperation{read, write, describe, describeConfigs} {
						somewhere := false
						for _, name := range names {
							want := n.allowed(p, host, op, kind, name)
							require.Equal(t, want, a.Allowed(p, host, op, kind, name), "%v %v %v %v %v", p, host, op, kind, name)
							somewhere = somewhere || want
						}
						// It may promise more than these names show, never less.
						if somewhere {
							require.True(t, a.AllowedSomewhere(p, host, op, kind), "%v %v %v %v", p, host, op, kind)
						}
					}
				}
			}
		}
	})
}

func TestAllowedSomewhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []ACL
		open  bool
		want  bool
	}{
		{name: "no rules"},
		{name: "open", open: true, want: true},
		{name: "one topic", rules: []ACL{rule(allow, alice, write, literal, "a")}, want: true},
		{name: "denied one", rules: []ACL{rule(allow, alice, write, literal, "a"), rule(deny, alice, write, literal, "a")}},
		{name: "denied by prefix", rules: []ACL{rule(allow, alice, write, literal, "ab"), rule(deny, alice, all, prefixed, "a")}},
		{name: "longer prefix denied by prefix", rules: []ACL{rule(allow, alice, write, prefixed, "ab"), rule(deny, alice, all, prefixed, "a")}},
		{name: "shorter prefix is not", rules: []ACL{rule(allow, alice, write, prefixed, "a"), rule(deny, alice, all, prefixed, "ab")}, want: true},
		{name: "everything but some", rules: []ACL{rule(allow, alice, write, literal, "*"), rule(deny, alice, write, prefixed, "a")}, want: true},
		{name: "denied everything", rules: []ACL{rule(allow, alice, write, literal, "*"), rule(deny, Everyone, write, literal, "*")}},
		{name: "open, but a rule for all of it", open: true, rules: []ACL{rule(allow, bob, write, literal, "*")}},
		{name: "only to read", rules: []ACL{rule(allow, alice, read, literal, "*")}},
	} {
		a := NewAuthorizer(nil, c.open)
		a.Change(c.rules, nil)
		require.Equal(t, c.want, a.AllowedSomewhere(alice, "h", write, topic), c.name)
	}
}

func TestFilter(t *testing.T) {
	a := NewAuthorizer(nil, false)
	rules := []ACL{
		rule(allow, alice, read, literal, "abc"), rule(allow, alice, read, prefixed, "ab"),
		rule(deny, bob, write, literal, "*"), rule(allow, bob, read, literal, "x"),
	}
	a.Change(rules, nil)
	str := func(s string) *string { return &s }
	anything := Filter{Type: kmsg.ACLResourceTypeAny, Pattern: kmsg.ACLResourcePatternTypeAny, Operation: kmsg.ACLOperationAny, Permission: kmsg.ACLPermissionTypeAny}
	with := func(change func(*Filter)) Filter {
		f := anything
		change(&f)
		return f
	}
	for _, c := range []struct {
		name string
		f    Filter
		want int
	}{
		{"everything", anything, 4},
		{"by name of any pattern", with(func(f *Filter) { f.Name = str("abc") }), 1},
		{"those that cover a name", with(func(f *Filter) { f.Name, f.Pattern = str("abc"), kmsg.ACLResourcePatternTypeMatch }), 3},
		{"prefixed ones", with(func(f *Filter) { f.Pattern = prefixed }), 1},
		{"literal by name", with(func(f *Filter) { f.Name, f.Pattern = str("*"), literal }), 1},
		{"by principal", with(func(f *Filter) { f.Principal = str("User:bob") }), 2},
		{"by host", with(func(f *Filter) { f.Host = str("h") }), 0},
		{"by operation", with(func(f *Filter) { f.Operation = read }), 3},
		{"by permission", with(func(f *Filter) { f.Permission = deny }), 1},
		{"of another type", with(func(f *Filter) { f.Type = group }), 0},
	} {
		require.Len(t, a.List(c.f), c.want, c.name)
	}
	require.NoError(t, anything.Check())
	require.Error(t, Filter{}.Check())
}

func TestACLCheck(t *testing.T) {
	good := rule(allow, alice, read, literal, "a")
	require.NoError(t, good.Check())
	for name, change := range map[string]func(*ACL){
		"any type":        func(a *ACL) { a.Type = kmsg.ACLResourceTypeAny },
		"match pattern":   func(a *ACL) { a.Pattern = kmsg.ACLResourcePatternTypeMatch },
		"no name":         func(a *ACL) { a.Name = "" },
		"another cluster": func(a *ACL) { a.Type = kmsg.ACLResourceTypeCluster },
		"no host":         func(a *ACL) { a.Host = "" },
		"any permission":  func(a *ACL) { a.Permission = kmsg.ACLPermissionTypeAny },
		"any operation":   func(a *ACL) { a.Operation = kmsg.ACLOperationAny },
		"no operation":    func(a *ACL) { a.Operation = 16 },
		"no principal":    func(a *ACL) { a.Principal = "alice" },
		"group principal": func(a *ACL) { a.Principal = "Group:a" },
	} {
		bad := good
		change(&bad)
		require.Error(t, bad.Check(), name)
	}
}

// TestEveryOperationOfKafka: rules can have each of them, and filters look for each, those included that nothing here asks for.
func TestEveryOperationOfKafka(t *testing.T) {
	for op := kmsg.ACLOperationAll; op <= 15; op++ {
		a := rule(allow, alice, op, literal, "a")
		require.NoError(t, a.Check())
		f := Filter{Type: kmsg.ACLResourceTypeAny, Pattern: kmsg.ACLResourcePatternTypeAny, Operation: op, Permission: kmsg.ACLPermissionTypeAny}
		require.NoError(t, f.Check())
		require.NotContains(t, a.String(), "UNKNOWN")
	}
}

func TestPairsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawACL(t)
		want.Name = rapid.StringN(1, 10, 30).Draw(t, "name")
		l := Loader{Users: NewUsers()}
		require.NoError(t, l.Add(ACLKey(want), ACLValue()))
		require.Equal(t, []ACL{want}, l.ACLs)
	})
	c, err := NewCredential(SCRAMSHA512, "secret", MinIterations)
	require.NoError(t, err)
	v, err := EncodeCredential(c)
	require.NoError(t, err)
	l := Loader{Users: NewUsers()}
	require.NoError(t, l.Add(CredentialKey("alice", SCRAMSHA512), v))
	got, ok := l.Users.Lookup("alice", SCRAMSHA512)
	require.True(t, ok)
	require.Equal(t, c, got)
	require.NoError(t, l.Add(SecretKey(), []byte("s")))
	require.Equal(t, []byte("s"), l.Secret)

	for _, k := range [][]byte{nil, {'?'}, {'u'}, {'u', 9, 0}, {'u', 1, 5, 'a'}, append(CredentialKey("alice", SCRAMSHA256), 0), {'a', 1}, {'a', 2, 2, 3, 3, 3, 0, 0, 0}, ACLKey(ACL{})} {
		require.Error(t, l.Add(k, v), fmt.Sprintf("%q", k))
	}
	require.Error(t, l.Add(CredentialKey("alice", SCRAMSHA256), []byte("{")))
	require.Error(t, l.Add(CredentialKey("alice", SCRAMSHA256), []byte(`{"v":9}`)))
}
