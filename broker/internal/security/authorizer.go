package security

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Authorizer decides what clients may do. It is safe for concurrent use: a
// question sees the rules of one moment.
//
// A super user may do everything. Otherwise a rule that denies wins over one
// that allows, and what no rule allows is denied, but that a resource without
// any rule can be open to everyone.
type Authorizer struct {
	super map[Principal]bool
	open  bool
	rules atomic.Pointer[rules]
}

// rules is an immutable set of rules with what makes them quick to ask.
type rules struct {
	all    map[ACL]bool
	byType map[kmsg.ACLResourceType]*typeRules
}

type typeRules struct {
	literal  map[string][]ACL
	prefixed []ACL // by name: the prefixes of a name lie on the way to it
	wildcard []ACL
}

// NewAuthorizer makes an authorizer without rules. With openWithoutRules a
// resource that no rule is about is open to everyone
// (allow.everyone.if.no.acl.found).
func NewAuthorizer(super []Principal, openWithoutRules bool) *Authorizer {
	a := &Authorizer{super: make(map[Principal]bool), open: openWithoutRules}
	for _, p := range super {
		a.super[p] = true
	}
	a.rules.Store(newRules(nil))
	return a
}

func newRules(all map[ACL]bool) *rules {
	r := &rules{all: all, byType: make(map[kmsg.ACLResourceType]*typeRules)}
	for _, acl := range slices.SortedFunc(maps.Keys(all), compareACL) {
		t := r.byType[acl.Type]
		if t == nil {
			t = &typeRules{literal: make(map[string][]ACL)}
			r.byType[acl.Type] = t
		}
		switch {
		case acl.Pattern == kmsg.ACLResourcePatternTypePrefixed:
			t.prefixed = append(t.prefixed, acl)
		case acl.wildcard():
			t.wildcard = append(t.wildcard, acl)
		default:
			t.literal[acl.Name] = append(t.literal[acl.Name], acl)
		}
	}
	return r
}

// Change adds and removes rules, after the caller has kept that. Calls must
// not overlap.
func (a *Authorizer) Change(add, remove []ACL) {
	all := maps.Clone(a.rules.Load().all)
	if all == nil {
		all = make(map[ACL]bool)
	}
	for _, acl := range remove {
		delete(all, acl)
	}
	for _, acl := range add {
		all[acl] = true
	}
	a.rules.Store(newRules(all))
}

// List is the rules that a filter selects, in a fixed order.
func (a *Authorizer) List(f Filter) []ACL {
	var out []ACL
	for acl := range a.rules.Load().all {
		if f.Matches(acl) {
			out = append(out, acl)
		}
	}
	slices.SortFunc(out, compareACL)
	return out
}

// Len is the number of rules.
func (a *Authorizer) Len() int { return len(a.rules.Load().all) }

// Allowed reports whether a client may do something to a resource.
func (a *Authorizer) Allowed(p Principal, host string, op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	if a.super[p] {
		return true
	}
	found, allowed, denied := false, false, false
	look := func(acls []ACL) {
		for _, acl := range acls {
			found = true
			if acl.concerns(p, host, op) {
				allowed = allowed || acl.Permission == kmsg.ACLPermissionTypeAllow
				denied = denied || acl.Permission == kmsg.ACLPermissionTypeDeny
			}
		}
	}
	if t := a.rules.Load().byType[kind]; t != nil {
		look(t.literal[name])
		look(t.wildcard)
		look(t.prefixesOf(name))
	}
	if denied || !found && !a.open {
		return false
	}
	return allowed || !found
}

// prefixesOf is the rules whose name is a prefix of this one. What lies between
// two of them in the order is not a prefix, and there is little of it.
func (t *typeRules) prefixesOf(name string) []ACL {
	var out []ACL
	for n := 1; n <= len(name) && len(t.prefixed) > 0; n++ {
		at, ok := slices.BinarySearchFunc(t.prefixed, name[:n], func(acl ACL, s string) int { return strings.Compare(acl.Name, s) })
		if !ok {
			if at == len(t.prefixed) {
				break
			}
			continue
		}
		for ; at < len(t.prefixed) && t.prefixed[at].Name == name[:n]; at++ {
			out = append(out, t.prefixed[at])
		}
	}
	return out
}

// AllowedSomewhere reports whether there can be a resource of a type to which
// a client may do something: an idempotent producer, for one, needs to be
// allowed to write to some topic.
func (a *Authorizer) AllowedSomewhere(p Principal, host string, op kmsg.ACLOperation, kind kmsg.ACLResourceType) bool {
	if a.super[p] {
		return true
	}
	t := a.rules.Load().byType[kind]
	if t == nil {
		return a.open
	}
	var allow, deny []ACL
	sort := func(acls []ACL) {
		for _, acl := range acls {
			if !acl.concerns(p, host, op) {
				continue
			}
			if acl.Permission == kmsg.ACLPermissionTypeDeny {
				deny = append(deny, acl)
			} else {
				allow = append(allow, acl)
			}
		}
	}
	sort(t.wildcard)
	sort(t.prefixed)
	for _, acls := range t.literal {
		sort(acls)
	}
	// A rule allows nothing if one that denies is about as much or more.
	hidden := func(acl ACL) bool {
		return slices.ContainsFunc(deny, func(d ACL) bool {
			switch {
			case d.wildcard():
				return true
			case acl.wildcard():
				return false
			case d.Pattern == kmsg.ACLResourcePatternTypePrefixed:
				return strings.HasPrefix(acl.Name, d.Name)
			}
			return acl.Pattern == kmsg.ACLResourcePatternTypeLiteral && acl.Name == d.Name
		})
	}
	if slices.ContainsFunc(allow, func(acl ACL) bool { return !hidden(acl) }) {
		return true
	}
	// Open to everyone is every name that no rule is about, and there always
	// is one unless a wildcard is about all of them.
	return a.open && len(t.wildcard) == 0
}
