package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/millrace-go/millrace/broker/internal/wire"
)

// Listener is a TCP address that clients connect to.
type Listener struct {
	// Name is the listener's name in Kafka's sense, unique among the listeners. Default: its Protocol.
	Name string
	// Listen is the address to listen on; port 0 takes any free one. An address other than loopback needs a Protocol with
	// encryption and clients who say who they are, or [Config.Insecure].
	Listen string
	// Advertised is the address that clients of this listener are told to connect to, "host:port"; the default is its own.
	Advertised string
	// Protocol is Kafka's name for how clients have to connect: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. Default:
	// whatever [Security] has settings for. Clients of a PLAINTEXT listener are User:ANONYMOUS.
	Protocol string
}

func (l Listener) encrypted() bool { return l.Protocol == "SSL" || l.Protocol == "SASL_SSL" }

func (l Listener) logIn() bool { return l.Protocol == "SASL_PLAINTEXT" || l.Protocol == "SASL_SSL" }

// allListeners returns the listener of Listen and the further ones, with their defaults.
func (c Config) allListeners() []Listener {
	var all []Listener
	if c.Listen != "" {
		all = append(all, Listener{Listen: c.Listen, Advertised: c.Advertised})
	}
	all = append(all, c.Listeners...)
	for i := range all {
		setDefault(&all[i].Protocol, c.Security.Protocol())
		setDefault(&all[i].Name, all[i].Protocol)
	}
	return all
}

// checkListeners refuses what cannot be, and to serve other machines by accident.
func (c Config) checkListeners() error {
	var errs []error
	if c.Listen == "" && c.Advertised != "" {
		if _, _, err := splitHostPort(c.Advertised); err != nil {
			errs = append(errs, fmt.Errorf("address to advertise, %q: %w", c.Advertised, err))
		}
	}
	names := make(map[string]bool)
	for _, l := range c.Listeners {
		if names[l.Name] {
			errs = append(errs, fmt.Errorf("two listeners are named %s: give each a Name", l.Name))
		}
		names[l.Name] = true
		errs = append(errs, c.checkListener(l))
	}
	return errors.Join(errs...)
}

func (c Config) checkListener(l Listener) error {
	if l.Advertised != "" {
		if _, _, err := splitHostPort(l.Advertised); err != nil {
			return fmt.Errorf("address to advertise, %q: %w", l.Advertised, err)
		}
	}
	host, _, err := splitHostPort(l.Listen)
	if err != nil {
		return fmt.Errorf("address to listen on, %q: %w", l.Listen, err)
	}
	switch {
	case l.Protocol != "PLAINTEXT" && !l.encrypted() && !l.logIn():
		return fmt.Errorf("listener %s has protocol %q, want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", l.Name, l.Protocol)
	case l.encrypted() && !c.Security.encrypted():
		return fmt.Errorf("listener %s encrypts: set Security.CertFile and KeyFile", l.Name)
	case l.logIn() && len(c.Security.Mechanisms) == 0:
		return fmt.Errorf("clients of listener %s log in: set Security.Mechanisms", l.Name)
	}
	if ip := net.ParseIP(host); c.Insecure || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	authenticates := l.logIn() || l.encrypted() && c.Security.ClientCAFile != ""
	switch {
	case !l.encrypted() && !authenticates:
		return fmt.Errorf("listen address %q can be reached by other machines, and nothing protects the broker: listen on 127.0.0.1, configure Security, or set Insecure", l.Listen)
	case !l.encrypted():
		return fmt.Errorf("listen address %q can be reached by other machines, and nothing is encrypted: set Security.CertFile and KeyFile, or Insecure", l.Listen)
	case !authenticates:
		return fmt.Errorf("listen address %q can be reached by other machines, and nobody has to say who they are: set Security.Mechanisms or ClientCAFile, or Insecure", l.Listen)
	}
	return nil
}

// socket is an open listener. Its Listen and Advertised are the real ones.
type socket struct {
	Listener
	l net.Listener
}

// openSockets listens on every address. It is done before the recovery: an address that is taken should not cost its time.
func (b *Broker) openSockets(ctx context.Context) error {
	var config *tls.Config
	for _, spec := range b.cfg.Listeners {
		l, err := wire.Listen(ctx, spec.Listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", spec.Listen, err)
		}
		if spec.encrypted() && config == nil {
			if config, err = b.serverTLS(ctx); err != nil {
				return errors.Join(fmt.Errorf("listen on %s: %w", spec.Listen, err), l.Close())
			}
		}
		b.sockets = append(b.sockets, newSocket(spec, l, config))
	}
	return nil
}

func newSocket(spec Listener, l net.Listener, config *tls.Config) socket {
	s := socket{spec, l}
	if spec.encrypted() {
		s.l = tls.NewListener(l, config)
	}
	s.Listen = l.Addr().String()
	if s.Advertised != "" {
		return s
	}
	s.Advertised = s.Listen
	if a, ok := l.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		// Every address of this machine: clients need one that they can connect to.
		s.Advertised = net.JoinHostPort(hostname(), strconv.Itoa(a.Port))
	}
	return s
}

func (b *Broker) closeSockets() error {
	var errs []error
	for _, s := range b.sockets {
		errs = append(errs, s.l.Close())
	}
	return errors.Join(errs...)
}

// serve serves the clients of every listener.
func (b *Broker) serve() {
	for _, s := range b.sockets {
		host, port, _ := splitHostPort(s.Advertised) // checked with the config, or made by the net package
		info := &wire.Listener{Name: s.Name, Host: host, Port: port, Encrypted: s.encrypted(), Authenticate: s.logIn()}
		b.serving.Go(func() {
			if err := b.server.Serve(s.l, info); err != nil {
				b.cfg.Logger.Error("the listener failed", "listener", s.Name, "address", s.Listen, "err", err)
			}
		})
	}
}

// hostname is what other machines know this one by, as far as it knows.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// Listeners returns the TCP listeners, with the addresses that they really have.
func (b *Broker) Listeners() []Listener {
	all := make([]Listener, len(b.sockets))
	for i, s := range b.sockets {
		all[i] = s.Listener
	}
	return all
}

// Addr returns the address of the first TCP listener, "host:port", empty if there is none.
func (b *Broker) Addr() string {
	if len(b.sockets) == 0 {
		return ""
	}
	return b.sockets[0].Listen
}

// Seeds returns what a client is given as its bootstrap servers: the first listener's advertised address, or a name that
// only Dialer understands if there is no listener.
func (b *Broker) Seeds() []string {
	if len(b.sockets) == 0 {
		return []string{net.JoinHostPort(inProcessHost, strconv.Itoa(inProcessPort))}
	}
	return []string{b.sockets[0].Advertised}
}
