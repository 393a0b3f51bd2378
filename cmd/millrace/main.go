// Command millrace runs Millrace's broker as a program of its own, for applications in other processes and languages.
//
//	millrace broker --data ./data --listen 127.0.0.1:9092
//
// It ends with 0 after a clean stop, 1 when something failed, 2 when it was called in a wrong way.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/internal/version"
)

// The exit codes.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

func main() {
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, stop))
}

// run is the program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer, stop <-chan os.Signal) int {
	root := &cobra.Command{
		Use:   "millrace",
		Short: "Kafka Streams for Go: the embedded broker as a program",
		Long: `Millrace is a stream processing framework for Go with a broker that speaks the
Kafka protocol. This program runs the broker on its own. Start one with

  millrace broker

and point any Kafka client at 127.0.0.1:9092.`,
		Version:       versionLine(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("millrace {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(brokerCommand(stop))
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	text := strings.ReplaceAll(inFlags.Replace(err.Error()), "\n", "\nmillrace: ") // a line for each mistake
	if _, ok := errors.AsType[usageError](err); ok || errors.Is(err, broker.ErrConfig) {
		_, _ = fmt.Fprintf(stderr, "millrace: %s\nSee '%s --help'.\n", text, cmd.CommandPath()) // nowhere left to report to
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "millrace: %s\n", text)
	return exitFail
}

// inFlags turns what the package's errors call the fields of its configuration into flags.
var inFlags = strings.NewReplacer(
	"Security.Mechanisms has", "--sasl has", "Security.Mechanisms", "--sasl", "Security.CertFile and KeyFile", "--tls-cert and --tls-key",
	"Security.CertFile", "--tls-cert", "CertFile and KeyFile", "--tls-cert and --tls-key", "Security.ClientCAFile", "--tls-client-ca",
	"ClientCAFile", "--tls-client-ca", "Security.SuperUsers", "--super-user", "set Mechanisms or a ClientCAFile", "say --sasl or --tls-client-ca", "Security.Users", "--users", "configure Security", "configure TLS and log-ins",
	"set Insecure", "say --insecure", "or Insecure", "or say --insecure", "its own Dir", "its own --data",
)

// usageError is a mistake in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usageArgs makes an error about arguments a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// versionLine is the release, the commit that the go command has built it from where it knows one, and what it was built with.
func versionLine() string {
	v := version.Version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " (" + s.Value[:min(len(s.Value), 12)] + ")"
			}
		}
	}
	return fmt.Sprintf("%s %s %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
