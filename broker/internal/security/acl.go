package security

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ACL is one rule: who may, or may not, do what to which resources, and from
// where. It is comparable; two equal ones are one.
type ACL struct {
	Type       kmsg.ACLResourceType
	Name       string                      // of a resource, the start of one, or "*"
	Pattern    kmsg.ACLResourcePatternType // literal or prefixed
	Principal  Principal                   // or "User:*"
	Host       string                      // an address, or "*"
	Operation  kmsg.ACLOperation           // or ALL
	Permission kmsg.ACLPermissionType      // allow or deny
}

// Wildcard stands for every resource, and every host.
const Wildcard = "*"

// Everyone stands for every user.
const Everyone = Principal(userPrefix + Wildcard)

// ClusterName is the name of the one resource of type cluster.
const ClusterName = "kafka-cluster"

// twoPhaseCommit is the operation TWO_PHASE_COMMIT (KIP-939), the last one that rules can have. Package kmsg has no name for it.
const twoPhaseCommit kmsg.ACLOperation = 15

// Check reports what is wrong with a rule that somebody wants to add.
func (a ACL) Check() error {
	switch {
	case !slices.Contains(resourceTypes, a.Type):
		return fmt.Errorf("resource type %v cannot have rules", a.Type)
	case a.Pattern != kmsg.ACLResourcePatternTypeLiteral && a.Pattern != kmsg.ACLResourcePatternTypePrefixed:
		return fmt.Errorf("pattern type %v cannot be of a rule: LITERAL and PREFIXED can", a.Pattern)
	case a.Name == "":
		return fmt.Errorf("resource name is empty")
	case a.Type == kmsg.ACLResourceTypeCluster && a.Name != ClusterName && a.Name != Wildcard:
		return fmt.Errorf("the only name of a cluster resource is %s", ClusterName)
	case a.Host == "":
		return fmt.Errorf("host is empty: * is every host")
	case a.Permission != kmsg.ACLPermissionTypeAllow && a.Permission != kmsg.ACLPermissionTypeDeny:
		return fmt.Errorf("permission %v cannot be of a rule: ALLOW and DENY can", a.Permission)
	case a.Operation < kmsg.ACLOperationAll || a.Operation > twoPhaseCommit:
		return fmt.Errorf("operation %v cannot be of a rule", a.Operation)
	}
	_, err := ParsePrincipal(string(a.Principal))
	return err
}

// resourceTypes are those that can have rules.
var resourceTypes = []kmsg.ACLResourceType{
	kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup, kmsg.ACLResourceTypeCluster,
	kmsg.ACLResourceTypeTransactionalId, kmsg.ACLResourceTypeDelegationToken, kmsg.ACLResourceTypeUser,
}

// String is the rule in one line, for logs.
func (a ACL) String() string {
	return fmt.Sprintf("%v %v to %v %v:%q (%v) from %s", a.Permission, a.Principal, operationName(a.Operation), a.Type, a.Name, a.Pattern, a.Host)
}

func operationName(op kmsg.ACLOperation) string {
	if op == twoPhaseCommit {
		return "TWO_PHASE_COMMIT"
	}
	return op.String()
}

func compareACL(a, b ACL) int {
	return cmp.Or(
		cmp.Compare(a.Type, b.Type), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host),
		cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Permission, b.Permission))
}

// covers reports whether the rule is about this resource.
func (a ACL) covers(kind kmsg.ACLResourceType, name string) bool {
	if a.Type != kind {
		return false
	}
	if a.Pattern == kmsg.ACLResourcePatternTypePrefixed {
		return strings.HasPrefix(name, a.Name)
	}
	return a.Name == name || a.wildcard()
}

func (a ACL) wildcard() bool {
	return a.Pattern == kmsg.ACLResourcePatternTypeLiteral && a.Name == Wildcard
}

// concerns reports whether the rule is about this client doing this.
func (a ACL) concerns(p Principal, host string, op kmsg.ACLOperation) bool {
	return (a.Principal == p || a.Principal == Everyone) && (a.Host == host || a.Host == Wildcard) && a.means(op)
}

// means reports whether the rule's operation includes op. Who may read or
// change a thing may also see it; who may not see it may still read it.
func (a ACL) means(op kmsg.ACLOperation) bool {
	if a.Operation == op || a.Operation == kmsg.ACLOperationAll {
		return true
	}
	if a.Permission != kmsg.ACLPermissionTypeAllow {
		return false
	}
	switch op {
	case kmsg.ACLOperationDescribe:
		return slices.Contains(implyDescribe, a.Operation)
	case kmsg.ACLOperationDescribeConfigs:
		return a.Operation == kmsg.ACLOperationAlterConfigs
	}
	return false
}

var implyDescribe = []kmsg.ACLOperation{
	kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter,
}

// Filter selects rules. A nil field, or one of the ANY values, selects all; a
// pattern of type MATCH selects the rules that cover the resource named.
type Filter struct {
	Type       kmsg.ACLResourceType
	Name       *string
	Pattern    kmsg.ACLResourcePatternType
	Principal  *string
	Host       *string
	Operation  kmsg.ACLOperation
	Permission kmsg.ACLPermissionType
}

// Check reports whether a filter has values that this broker does not know.
func (f Filter) Check() error {
	switch {
	case f.Type < kmsg.ACLResourceTypeAny || f.Type > kmsg.ACLResourceTypeUser:
		return fmt.Errorf("resource type %d is not known", f.Type)
	case f.Pattern < kmsg.ACLResourcePatternTypeAny || f.Pattern > kmsg.ACLResourcePatternTypePrefixed:
		return fmt.Errorf("pattern type %d is not known", f.Pattern)
	case f.Operation < kmsg.ACLOperationAny || f.Operation > twoPhaseCommit:
		return fmt.Errorf("operation %d is not known", f.Operation)
	case f.Permission < kmsg.ACLPermissionTypeAny || f.Permission > kmsg.ACLPermissionTypeAllow:
		return fmt.Errorf("permission %d is not known", f.Permission)
	}
	return nil
}

// Matches reports whether the filter selects a rule.
func (f Filter) Matches(a ACL) bool {
	return (f.Type == kmsg.ACLResourceTypeAny || f.Type == a.Type) &&
		f.matchesName(a) &&
		(f.Principal == nil || *f.Principal == string(a.Principal)) &&
		(f.Host == nil || *f.Host == a.Host) &&
		(f.Operation == kmsg.ACLOperationAny || f.Operation == a.Operation) &&
		(f.Permission == kmsg.ACLPermissionTypeAny || f.Permission == a.Permission)
}

func (f Filter) matchesName(a ACL) bool {
	switch f.Pattern {
	case kmsg.ACLResourcePatternTypeAny:
		return f.Name == nil || *f.Name == a.Name
	case kmsg.ACLResourcePatternTypeMatch:
		return f.Name == nil || a.covers(a.Type, *f.Name)
	}
	return f.Pattern == a.Pattern && (f.Name == nil || *f.Name == a.Name)
}
