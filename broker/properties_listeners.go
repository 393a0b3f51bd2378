package broker

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var listenerProperties = []string{
	"listeners", "advertised.listeners", "listener.security.protocol.map", "controller.listener.names",
	"sasl.enabled.mechanisms", "ssl.client.auth",
}

var tlsProperties = []string{
	"ssl.keystore.type", "ssl.keystore.location", "ssl.truststore.type", "ssl.truststore.location",
}

// listeners takes what is about how clients connect. There is one listener; those of controllers are left out.
func (r *propertyReader) listeners() {
	all, ok := r.take("listeners")
	if !ok {
		r.protocol(r.implied(), "")
		return
	}
	protocols, _ := r.take("listener.security.protocol.map")
	controllers, _ := r.take("controller.listener.names")
	var name string
	for l := range strings.SplitSeq(all, ",") {
		n, addr, ok := strings.Cut(strings.TrimSpace(l), "://")
		switch {
		case !ok:
			r.fail("listeners", fmt.Errorf("%q is not of the form NAME://host:port", l))
		case n == "CONTROLLER" || slices.Contains(strings.Split(controllers, ","), n):
			r.notes = append(r.notes, fmt.Sprintf("listener %s has no meaning here: the broker is its own controller", n))
		case name != "":
			r.fail("listeners", fmt.Errorf("%s and %s are two listeners, want one", name, n))
		default:
			name, r.cfg.Listen = n, addr
		}
	}
	if name == "" {
		return
	}
	if all, ok := r.take("advertised.listeners"); ok {
		for l := range strings.SplitSeq(all, ",") {
			if n, addr, ok := strings.Cut(strings.TrimSpace(l), "://"); ok && n == name {
				r.cfg.Advertised = addr
			}
		}
	}
	r.own(name)
	r.protocol(name, protocols)
}

// implied is the protocol of a listener that is not described: what there are settings for is used.
func (r *propertyReader) implied() string {
	var s Security
	if _, ok := r.props["sasl.enabled.mechanisms"]; ok {
		s.Mechanisms = []string{"PLAIN"}
	}
	s.CertFile = r.props["ssl.keystore.location"]
	return s.Protocol()
}

// own makes the configurations of the one listener general ones.
func (r *propertyReader) own(listener string) {
	prefix := "listener.name." + strings.ToLower(listener) + "."
	for name, v := range r.props {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			delete(r.props, name)
			r.props[rest] = v
		}
	}
}

// protocol takes what the listener's security protocol asks for.
func (r *propertyReader) protocol(listener, protocols string) {
	protocol := listener
	for entry := range strings.SplitSeq(protocols, ",") {
		if n, p, ok := strings.Cut(strings.TrimSpace(entry), ":"); ok && n == listener {
			protocol = p
		}
	}
	mechanisms, _ := r.take("sasl.enabled.mechanisms")
	clientAuth, _ := r.take("ssl.client.auth")
	sasl, tls := false, false
	switch protocol {
	case "PLAINTEXT":
	case "SSL":
		tls = true
	case "SASL_PLAINTEXT":
		sasl = true
	case "SASL_SSL":
		sasl, tls = true, true
	default:
		r.fail("listeners", fmt.Errorf("listener %s has no security protocol: name it PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, or add it to listener.security.protocol.map", listener))
	}
	if sasl {
		for m := range strings.SplitSeq(mechanisms, ",") {
			if m = strings.TrimSpace(m); m != "" {
				r.cfg.Security.Mechanisms = append(r.cfg.Security.Mechanisms, m)
			}
		}
		if len(r.cfg.Security.Mechanisms) == 0 {
			r.fail("sasl.enabled.mechanisms", errors.New("want some of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"))
		}
		r.users()
	}
	if !tls {
		for _, name := range tlsProperties {
			r.take(name)
		}
		return
	}
	if _, ok := r.props["ssl.keystore.location"]; !ok {
		r.fail("ssl.keystore.location", errors.New("an encrypted listener needs a PEM file with its certificate and key"))
	}
	switch strings.ToLower(clientAuth) {
	case "", "none":
		r.take("ssl.truststore.location")
	case "required":
		r.cfg.Security.RequireClientCert = true
	case "requested":
	default:
		r.fail("ssl.client.auth", fmt.Errorf("%q is none of none, requested, required", clientAuth))
	}
}

// jaasUser finds the users in a line of JAAS configuration: user_alice="secret".
var jaasUser = regexp.MustCompile(`\buser_([^\s="]+)\s*=\s*"((?:[^"\\]|\\.)*)"`)

// users takes the users of PLAIN, which Kafka has in the words of a Java login module. Nothing but names and passwords
// is read of it.
func (r *propertyReader) users() {
	for _, name := range []string{"plain.sasl.jaas.config", "sasl.jaas.config"} {
		line, ok := r.take(name)
		if !ok {
			continue
		}
		for _, m := range jaasUser.FindAllStringSubmatch(line, -1) {
			if r.cfg.Security.Users == nil {
				r.cfg.Security.Users = make(map[string]Secret)
			}
			password, err := unescape(m[2])
			r.fail(name, err)
			r.cfg.Security.Users[m[1]] = Secret(password)
		}
	}
	for name := range r.props {
		if strings.HasSuffix(name, ".sasl.jaas.config") {
			delete(r.props, name)
			r.notes = append(r.notes, name+" has no meaning here: users of SCRAM are made with Kafka's tools")
		}
	}
}

// tls takes the files of certificates.
func (r *propertyReader) tls() {
	for _, store := range []struct {
		name string
		set  func(string)
	}{
		{"ssl.keystore", func(f string) { r.cfg.Security.CertFile, r.cfg.Security.KeyFile = f, f }},
		{"ssl.truststore", func(f string) { r.cfg.Security.ClientCAFile = f }},
	} {
		kind, _ := r.take(store.name + ".type")
		file, ok := r.take(store.name + ".location")
		if !ok {
			continue
		}
		if !strings.EqualFold(kind, "PEM") {
			r.fail(store.name+".type", fmt.Errorf("%q is not read: convert %s to PEM and set it to PEM", kind, file))
			continue
		}
		store.set(file)
	}
}
