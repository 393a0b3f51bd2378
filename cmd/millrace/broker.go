package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace-go/millrace/broker"
)

const brokerHelp = `Run a broker that speaks the Kafka protocol: one process, one directory, nothing
else to install. What it acknowledges survives the end of the process, however
it ends.

It listens on this machine only, and asks nobody who they are. To serve others,
give it certificates and a way to log in, or say --insecure.

Settings come from --config, a server.properties file in Kafka's words, then
from --set, one setting each, then from the flags; the later one counts. A name
that Kafka does not have is an error.`

const brokerExamples = `  # Try it: the data is in memory and gone when the broker stops.
  millrace broker

  # Keep the data, and let topics keep it for a day.
  millrace broker --data ./data --set log.retention.hours=24

  # Be safe against loss of power, too.
  millrace broker --data ./data --sync always

  # Serve other machines: encrypted, and with a password for everybody.
  millrace broker --data ./data --listen 0.0.0.0:9093 --advertise kafka.example.org:9093 \
    --tls-cert cert.pem --tls-key key.pem --sasl SCRAM-SHA-512 --users users.properties --super-user admin`

// brokerFlags are the flags of the broker command.
type brokerFlags struct {
	data, listen, advertise string
	config                  string
	set                     []string
	sync                    string
	insecure                bool
	tlsCert, tlsKey, tlsCA  string
	sasl, superUsers        []string
	users                   string
	logLevel, logFormat     string
}

func brokerCommand(stop <-chan os.Signal) *cobra.Command {
	var f brokerFlags
	cmd := &cobra.Command{
		Use: "broker", Short: "Run a broker", Long: brokerHelp, Example: brokerExamples,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runBroker(cmd, f, stop) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.data, "data", "", "`directory` of the data, made if need be (default: in memory)")
	fs.StringVar(&f.listen, "listen", "127.0.0.1:9092", "`address` to listen on; port 0 takes a free one\n(several: --set listeners=NAME://address,...)")
	fs.StringVar(&f.advertise, "advertise", "", "`address` that clients are told to connect to (default: the one listened on)")
	fs.StringVar(&f.config, "config", "", "a server.properties `file`")
	fs.StringArrayVar(&f.set, "set", nil, "a setting in Kafka's words, `name=value`; may be repeated")
	fs.StringVar(&f.sync, "sync", "never", "`when` data is forced to the disk: never, interval or always (safe against loss of power)")
	fs.BoolVar(&f.insecure, "insecure", false, "serve other machines although nothing protects the broker")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "PEM `file` of the server's certificate chain: clients have to use TLS")
	fs.StringVar(&f.tlsKey, "tls-key", "", "PEM `file` of the certificate's key")
	fs.StringVar(&f.tlsCA, "tls-client-ca", "", "PEM `file` of authorities: clients have to have a certificate of theirs")
	fs.StringSliceVar(&f.sasl, "sasl", nil, "`ways` to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; clients have to use one")
	fs.StringVar(&f.users, "users", "", "`file` of users, a line name=password for each")
	fs.StringSliceVar(&f.superUsers, "super-user", nil, "`users` that may do everything; others need access control lists")
	fs.StringVar(&f.logLevel, "log-level", "info", "`what` is logged to standard error: debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", "`how` it is logged: text or json")
	return cmd
}

func runBroker(cmd *cobra.Command, f brokerFlags, stop <-chan os.Signal) error {
	begun := time.Now()
	out := cmd.OutOrStdout()
	log, err := newLogger(cmd.ErrOrStderr(), f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	cfg, notes, err := brokerConfig(cmd, f)
	if err != nil {
		return err
	}
	cfg.Logger = log
	if cfg.Dir != "" {
		if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	b, err := broker.Start(cfg)
	if err != nil {
		return err
	}
	if err := describe(out, cfg, b, notes, time.Since(begun)); err != nil {
		return errors.Join(err, b.Close())
	}
	return stopOnSignal(out, stop, b.Close)
}

// stopOnSignal waits for a signal, then for closing; a second signal ends the wait.
func stopOnSignal(out io.Writer, stop <-chan os.Signal, closing func() error) error {
	<-stop
	asked := time.Now()
	closed := make(chan error, 1)
	go func() { closed <- closing() }()
	_, err := fmt.Fprintln(out, "stopping; a second signal stops at once")
	for {
		select {
		case closeErr := <-closed:
			if err := errors.Join(err, closeErr); err != nil {
				return fmt.Errorf("stop: %w", err)
			}
			_, err := fmt.Fprintln(out, "stopped")
			return err
		case <-stop:
			if time.Since(asked) >= sameSignal {
				return errors.New("stopped at once; the next start has more to check")
			}
		}
	}
}

// sameSignal is how close together two signals are one: some programs send theirs to a process and to its group.
const sameSignal = 100 * time.Millisecond

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q is none of debug, info, warn, error", level)}
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usageError{fmt.Errorf("--log-format %q is neither text nor json", format)}
}

// brokerConfig puts the configuration together, and says which settings have no meaning.
func brokerConfig(cmd *cobra.Command, f brokerFlags) (broker.Config, []string, error) {
	props := make(map[string]string)
	if f.config != "" {
		var err error
		if props, err = readProperties("config", f.config); err != nil {
			return broker.Config{}, nil, err
		}
	}
	for _, s := range f.set {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return broker.Config{}, nil, usageError{fmt.Errorf("--set %q is not of the form name=value", s)}
		}
		props[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	cfg, notes, err := broker.ConfigFromProperties(props)
	if err != nil {
		return cfg, nil, usageError{err}
	}
	return cfg, notes, applyFlags(cmd, f, &cfg)
}

// applyFlags lets flags that were given count before properties, and fills in what neither has said.
func applyFlags(cmd *cobra.Command, f brokerFlags, cfg *broker.Config) error {
	given := cmd.Flags().Changed
	if given("listen") {
		if f.listen == "" {
			return usageError{errors.New("--listen is empty: no client could reach the broker; 127.0.0.1:9092 is the usual address")}
		}
		cfg.Listeners = nil
	} else if len(cfg.Listeners) > 0 {
		f.listen = "" // the properties say where
		if given("advertise") {
			return usageError{errors.New("--advertise is for one listener: with several, set advertised.listeners")}
		}
	}
	for _, s := range []struct {
		flag, value string
		to          *string
	}{
		{"data", f.data, &cfg.Dir}, {"listen", f.listen, &cfg.Listen}, {"advertise", f.advertise, &cfg.Advertised},
		{"tls-cert", f.tlsCert, &cfg.Security.CertFile}, {"tls-key", f.tlsKey, &cfg.Security.KeyFile},
		{"tls-client-ca", f.tlsCA, &cfg.Security.ClientCAFile},
	} {
		if given(s.flag) || *s.to == "" {
			*s.to = s.value
		}
	}
	if given("listen") && !given("advertise") {
		cfg.Advertised = "" // it was about the address that is not listened on now
	}
	cfg.Insecure = f.insecure
	cfg.Security.RequireClientCert = cfg.Security.RequireClientCert || given("tls-client-ca")
	if given("sasl") {
		cfg.Security.Mechanisms = f.sasl
	}
	if given("super-user") {
		cfg.Security.SuperUsers = f.superUsers
	}
	if given("sync") {
		switch f.sync {
		case "never":
			cfg.Sync = broker.SyncNever
		case "interval":
			cfg.Sync = broker.SyncInterval
		case "always":
			cfg.Sync = broker.SyncAlways
		default:
			return usageError{fmt.Errorf("--sync %q is none of never, interval, always", f.sync)}
		}
	}
	if f.users == "" {
		return nil
	}
	users, err := readProperties("users", f.users)
	if err != nil {
		return err
	}
	if cfg.Security.Users == nil {
		cfg.Security.Users = make(map[string]broker.Secret)
	}
	for name, password := range users {
		cfg.Security.Users[name] = broker.Secret(password)
	}
	return nil
}

// readProperties reads the file that a flag names.
func readProperties(flag, name string) (_ map[string]string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	props, err := broker.ParseProperties(file)
	if err != nil {
		return nil, usageError{fmt.Errorf("--%s: %s: %w", flag, name, err)}
	}
	return props, nil
}

// describe says what runs: everything that somebody who looks for a mistake would ask for first.
func describe(w io.Writer, cfg broker.Config, b *broker.Broker, notes []string, took time.Duration) error {
	data := cfg.Dir
	if data == "" {
		data = "in memory, gone when the broker stops (--data keeps it)"
	}
	var s strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&s, "  %-11s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(&s, "millrace broker %s\n", versionLine())
	line("data", "%s", data)
	for _, l := range b.Listeners() {
		name := l.Protocol
		if l.Name != name {
			name = l.Name + " (" + name + ")"
		}
		line("listener", "%s on %s, advertised as %s", name, l.Listen, l.Advertised)
	}
	line("durability", "%s", durability(cfg))
	line("security", "%s", protection(cfg))
	line("cluster id", "%s", b.ClusterID())
	for _, n := range notes {
		line("note", "%s", n)
	}
	fmt.Fprintf(&s, "ready in %d ms, stop with Ctrl-C\n", took.Milliseconds())
	_, err := io.WriteString(w, s.String())
	return err
}

func durability(cfg broker.Config) string {
	switch {
	case cfg.Dir == "":
		return "none"
	case cfg.Sync == broker.SyncAlways:
		return "what is acknowledged survives a crash and a loss of power"
	case cfg.Sync == broker.SyncInterval:
		return "what is acknowledged survives a crash; a loss of power may take the last moments"
	}
	return "what is acknowledged survives a crash, not always a loss of power (--sync always)"
}

func protection(cfg broker.Config) string {
	s := cfg.Security
	var parts []string
	if s.CertFile != "" {
		parts = append(parts, "TLS")
	}
	if len(s.Mechanisms) > 0 {
		parts = append(parts, "log-in by "+strings.Join(s.Mechanisms, ", "))
		if len(s.Users) > 0 {
			parts = append(parts, "users "+strings.Join(slices.Sorted(maps.Keys(s.Users)), ", "))
		}
	}
	switch {
	case s.RequireClientCert:
		parts = append(parts, "client certificates")
	case s.ClientCAFile != "":
		parts = append(parts, "client certificates, if they have one")
	}
	if len(s.SuperUsers) > 0 {
		parts = append(parts, "super users "+strings.Join(s.SuperUsers, ", ")+"; others by access control lists")
	}
	if s.AllowWithoutRules && (s.Authorize || len(s.SuperUsers) > 0) {
		parts = append(parts, "what no access control list is about is open to everybody")
	}
	if cfg.Insecure {
		parts = append(parts, "INSECURE: other machines may reach it unprotected")
	}
	if len(parts) == 0 {
		return "none: every program on this machine may do everything"
	}
	return strings.Join(parts, "; ")
}
