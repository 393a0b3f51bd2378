package security

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// attributeNames are the attribute types that RFC 2253 names.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
	"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}

// DistinguishedName is the subject of a certificate in the text form of RFC
// 2253, most specific part first, as Kafka has it.
func DistinguishedName(cert *x509.Certificate) (string, error) {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &rdns); err != nil {
		return "", fmt.Errorf("subject of the client certificate: %w", err)
	} else if len(rest) > 0 {
		return "", errors.New("subject of the client certificate: trailing bytes")
	}
	parts := make([]string, 0, len(rdns))
	for i := len(rdns) - 1; i >= 0; i-- {
		var values []string
		for _, a := range rdns[i] {
			v, err := attribute(a)
			if err != nil {
				return "", err
			}
			values = append(values, v)
		}
		parts = append(parts, strings.Join(values, "+"))
	}
	return strings.Join(parts, ","), nil
}

func attribute(a pkix.AttributeTypeAndValue) (string, error) {
	s, text := a.Value.(string)
	if name, ok := attributeNames[a.Type.String()]; ok && text {
		return name + "=" + escape(s), nil
	}
	der, err := asn1.Marshal(a.Value)
	if err != nil {
		return "", fmt.Errorf("subject of the client certificate: attribute %s: %w", a.Type, err)
	}
	return a.Type.String() + "=#" + hex.EncodeToString(der), nil
}

// escape is RFC 2253 section 2.4.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		first, last := i == 0, i+len(string(r)) == len(s)
		if strings.ContainsRune(`,+"\<>;`, r) || r == ' ' && (first || last) || r == '#' && first {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// PrincipalRules turn a certificate's distinguished name into a user's name.
// The first rule that matches decides; a name that no rule matches is kept as
// it is.
type PrincipalRules struct {
	rules []principalRule
}

type principalRule struct {
	pattern *regexp.Regexp // nil for DEFAULT
	replace string
	to      func(string) string
}

// ParsePrincipalRules reads ssl.principal.mapping.rules: a comma-separated list
// of "DEFAULT" and "RULE:pattern/replacement/" with an L or U at the end for
// lower or upper case. Patterns are Go's (RE2) and match the whole name, $1 in a
// replacement is a group, \/ a slash.
func ParsePrincipalRules(s string) (*PrincipalRules, error) {
	p := &PrincipalRules{}
	for rest := strings.TrimSpace(s); rest != ""; {
		var r principalRule
		var err error
		switch {
		case strings.HasPrefix(rest, "DEFAULT"):
			rest = rest[len("DEFAULT"):]
		case strings.HasPrefix(rest, "RULE:"):
			if r, rest, err = parseRule(rest[len("RULE:"):]); err != nil {
				return nil, fmt.Errorf("ssl.principal.mapping.rules %q: %w", s, err)
			}
		default:
			return nil, fmt.Errorf("ssl.principal.mapping.rules %q: %q is neither DEFAULT nor RULE:pattern/replacement/", s, rest)
		}
		p.rules = append(p.rules, r)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			break
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("ssl.principal.mapping.rules %q: %q follows a rule, want a comma", s, rest)
		}
		rest = strings.TrimSpace(rest[1:])
	}
	return p, nil
}

var groupReference = regexp.MustCompile(`\$(\d+)`)

func parseRule(s string) (principalRule, string, error) {
	pattern, s, ok := cutSlash(s)
	if !ok {
		return principalRule{}, "", errors.New("a pattern does not end with /")
	}
	replace, s, ok := cutSlash(s)
	if !ok {
		return principalRule{}, "", errors.New("a replacement does not end with /")
	}
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return principalRule{}, "", fmt.Errorf("pattern: %w", err)
	}
	r := principalRule{pattern: re, replace: groupReference.ReplaceAllString(replace, "$${$1}"), to: func(s string) string { return s }}
	switch {
	case strings.HasPrefix(s, "L"):
		r.to, s = strings.ToLower, s[1:]
	case strings.HasPrefix(s, "U"):
		r.to, s = strings.ToUpper, s[1:]
	}
	return r, s, nil
}

// cutSlash cuts at the first slash that is not escaped.
func cutSlash(s string) (before, after string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '/':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] != '/' {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return "", s, false
}

// Principal maps a distinguished name. A nil receiver keeps it.
func (p *PrincipalRules) Principal(dn string) Principal {
	if p != nil {
		for _, r := range p.rules {
			if r.pattern == nil {
				return User(dn)
			}
			if m := r.pattern.FindStringSubmatchIndex(dn); m != nil {
				return User(r.to(string(r.pattern.ExpandString(nil, r.replace, dn, m))))
			}
		}
	}
	return User(dn)
}
