package broker

import (
	"errors"
	"fmt"
	"maps"
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

// listeners takes what is about how clients connect. Listeners of controllers are left out. What several listeners
// have settings for is one setting of the broker: they have to agree.
func (r *propertyReader) listeners() {
	all, ok := r.take("listeners")
	if !ok {
		r.security(r.implied())
		return
	}
	protocols, _ := r.take("listener.security.protocol.map")
	advertised, _ := r.take("advertised.listeners")
	controllers, _ := r.take("controller.listener.names")
	addresses := r.named("advertised.listeners", advertised)
	var ls []Listener
	for _, l := range r.named("listeners", all) {
		if l.Name == "CONTROLLER" || slices.Contains(strings.Split(controllers, ","), l.Name) {
			r.notes = append(r.notes, fmt.Sprintf("listener %s has no meaning here: the broker is its own controller", l.Name))
			continue
		}
		l.Protocol = r.protocol(l.Name, protocols)
		if i := slices.IndexFunc(addresses, func(a Listener) bool { return a.Name == l.Name }); i >= 0 {
			l.Advertised = addresses[i].Listen
			addresses = slices.Delete(addresses, i, i+1)
		}
		ls = append(ls, l)
	}
	for _, a := range addresses {
		r.fail("advertised.listeners", fmt.Errorf("there is no listener %s", a.Name))
	}
	if len(ls) == 0 {
		return
	}
	r.own(ls)
	r.security(slices.ContainsFunc(ls, Listener.logIn), slices.ContainsFunc(ls, Listener.encrypted))
	if len(ls) == 1 {
		r.cfg.Listen, r.cfg.Advertised = ls[0].Listen, ls[0].Advertised
		return
	}
	r.cfg.Listeners = ls
}

// named reads NAME://host:port,NAME://host:port.
func (r *propertyReader) named(property, list string) []Listener {
	var ls []Listener
	for l := range strings.SplitSeq(list, ",") {
		if l = strings.TrimSpace(l); l == "" {
			continue
		}
		name, addr, ok := strings.Cut(l, "://")
		if !ok {
			r.fail(property, fmt.Errorf("%q is not of the form NAME://host:port", l))
			continue
		}
		ls = append(ls, Listener{Name: name, Listen: addr})
	}
	return ls
}

// implied says how clients connect to a listener that is not described: what there are settings for is used.
func (r *propertyReader) implied() (logIn, encrypted bool) {
	_, logIn = r.props["sasl.enabled.mechanisms"]
	_, encrypted = r.props["ssl.keystore.location"]
	return logIn, encrypted
}

// own makes the configurations of single listeners general ones.
func (r *propertyReader) own(ls []Listener) {
	for _, l := range ls {
		prefix := "listener.name." + strings.ToLower(l.Name) + "."
		for _, name := range slices.Sorted(maps.Keys(r.props)) {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			v, _ := r.take(name)
			if at, twice := r.owned[rest]; twice && r.props[rest] != v {
				r.fail(name, fmt.Errorf("%q differs from listener %s: listeners share this setting", v, at))
			}
			r.props[rest] = v
			r.owned[rest] = l.Name
		}
	}
}

// protocol is the listener's security protocol.
func (r *propertyReader) protocol(listener, protocols string) string {
	protocol := listener
	for entry := range strings.SplitSeq(protocols, ",") {
		if n, p, ok := strings.Cut(strings.TrimSpace(entry), ":"); ok && n == listener {
			protocol = p
		}
	}
	switch protocol {
	case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
	default:
		r.fail("listeners", fmt.Errorf("listener %s has no security protocol: name it PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, or add it to listener.security.protocol.map", listener))
	}
	return protocol
}

// security takes what the listeners' protocols ask for: a way to log in, encryption.
func (r *propertyReader) security(logIn, encrypted bool) {
	mechanisms, _ := r.take("sasl.enabled.mechanisms")
	clientAuth, _ := r.take("ssl.client.auth")
	if logIn {
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
	if !encrypted {
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
