package security

import (
	"fmt"
	"strings"
)

// Principal is who a client is, as Kafka writes it: "User:alice".
type Principal string

const userPrefix = "User:"

// Anonymous is the principal of a client that has not said who it is.
const Anonymous = Principal(userPrefix + "ANONYMOUS")

// User is the principal of a user's name.
func User(name string) Principal { return Principal(userPrefix + name) }

// ParsePrincipal reads "User:name". Other types of principals are refused, as
// none is ever made.
func ParsePrincipal(s string) (Principal, error) {
	name, ok := strings.CutPrefix(s, userPrefix)
	if !ok || name == "" {
		return "", fmt.Errorf("principal %q is not of the form User:name", s)
	}
	return Principal(s), nil
}

// Name is the principal without its type.
func (p Principal) Name() string { return strings.TrimPrefix(string(p), userPrefix) }
