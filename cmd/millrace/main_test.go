package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// asProgram is set for a copy of the test that is to be the program.
const asProgram = "MILLRACE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// output is what a program has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// program is a broker in a process of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    output
	err    output
	exited chan error
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, exited: make(chan error, 1)}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	require.NoError(t, p.cmd.Start())
	go func() { p.exited <- p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // most have ended by then
	return p
}

// patience is how long a test waits for what has to happen: a busy machine may take long.
const patience = time.Minute

var ready = regexp.MustCompile(`(?m)^ready in \d+ ms`)

var listener = regexp.MustCompile(`listener +\S+ on (\S+), advertised as (\S+)`)

// addr waits until the broker is ready.
func (p *program) addr() string {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return ready.MatchString(p.out.String()) }, patience, 5*time.Millisecond, "%s%s", &p.out, &p.err)
	return listener.FindStringSubmatch(p.out.String())[1]
}

func (p *program) signal(s os.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// code waits for the end.
func (p *program) code() int {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		require.FailNow(p.t, "the program does not end", p.out.String()+p.err.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.AllowAutoTopicCreation()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// TestBrokerKeepsDataOverStops: a record and a commit that were acknowledged are there after a clean stop and after a
// kill.
func TestBrokerKeepsDataOverStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for n, stop := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGKILL, os.Interrupt} {
		p := start(t, "broker", "--data", dir, "--listen", "127.0.0.1:0")
		addr := p.addr()
		c := client(t, addr, kgo.ConsumeTopics("t"))
		require.NoError(t, c.ProduceSync(deadline(t), &kgo.Record{Topic: "t", Value: []byte(fmt.Sprint(n))}).FirstErr())
		var got []string
		for len(got) <= n {
			fs := c.PollFetches(deadline(t))
			require.NoError(t, fs.Err())
			fs.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
		}
		require.Equal(t, []string{"0", "1", "2", "3"}[:n+1], got)
		adm := kadm.NewClient(c)
		offsets, err := adm.FetchOffsets(deadline(t), "g")
		require.NoError(t, err)
		if n > 0 {
			require.EqualValues(t, n-1, offsets["t"][0].At)
			require.Equal(t, "seen", offsets["t"][0].Metadata)
		}
		commit := kadm.Offsets{}
		commit.Add(kadm.Offset{Topic: "t", At: int64(n), LeaderEpoch: -1, Metadata: "seen"})
		require.NoError(t, adm.CommitAllOffsets(deadline(t), "g", commit))
		c.Close()
		p.signal(stop)
		if stop == syscall.SIGKILL {
			require.Equal(t, -1, p.code())
			continue
		}
		require.Equal(t, exitOK, p.code(), "%s%s", &p.out, &p.err)
		require.Contains(t, p.out.String(), "stopped\n")
	}
}

func TestBrokerSaysWhatItIs(t *testing.T) {
	t.Parallel()
	p := start(t, "broker", "--listen", "127.0.0.1:0", "--advertise", "example.org:1234", "--set", "replica.lag.time.max.ms=1")
	p.addr()
	for _, want := range []string{
		"millrace broker ", "in memory, gone when the broker stops", "advertised as example.org:1234", "durability  none",
		"security    none: every program on this machine may do everything", "cluster id",
		"note        replica.lag.time.max.ms has no meaning here: there is one replica of everything",
	} {
		require.Contains(t, p.out.String(), want)
	}
	p.signal(os.Interrupt)
	require.Equal(t, exitOK, p.code())
	p = start(t, "broker", "--listen", "127.0.0.1:0", "--set", "allow.everyone.if.no.acl.found=true",
		"--set", "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer")
	p.addr()
	require.Contains(t, p.out.String(), "security    what no access control list is about is open to everybody\n")
	p.signal(os.Interrupt)
	require.Equal(t, exitOK, p.code())
}

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, "broker", "--data", dir, "--listen", "127.0.0.1:0")
	first.addr()
	second := start(t, "broker", "--data", dir, "--listen", "127.0.0.1:0")
	require.Equal(t, exitFail, second.code())
	require.Contains(t, second.err.String(), "in use by another broker")
	first.signal(os.Interrupt)
	require.Equal(t, exitOK, first.code())
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("num.partitions=2\nlog.dirs="+filepath.Join(dir, "one")+"\nlisteners=PLAINTEXT://127.0.0.1:1\nadvertised.listeners=PLAINTEXT://example.org:9092\n"), 0o600))
	p := start(t, "broker", "--config", file, "--set", "num.partitions=3", "--data", filepath.Join(dir, "two"), "--listen", "127.0.0.1:0")
	addr := p.addr()
	require.Contains(t, p.out.String(), "data        "+filepath.Join(dir, "two"))
	c := client(t, addr)
	require.NoError(t, c.ProduceSync(deadline(t), &kgo.Record{Topic: "t"}).FirstErr())
	topics, err := kadm.NewClient(c).ListTopics(deadline(t), "t")
	require.NoError(t, err)
	require.Len(t, topics["t"].Partitions, 3)
	p.signal(os.Interrupt)
	require.Equal(t, exitOK, p.code())
}

func TestUsersFromFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("admin = canary\n"), 0o600))
	p := start(t, "broker", "--listen", "127.0.0.1:0", "--sasl", "SCRAM-SHA-256,SCRAM-SHA-512", "--users", file, "--super-user", "admin", "--log-level", "debug", "--log-format", "json")
	addr := p.addr()
	require.NoError(t, client(t, addr, kgo.SASL(scram.Auth{User: "admin", Pass: "canary"}.AsSha512Mechanism())).Ping(deadline(t)))
	require.Error(t, client(t, addr, kgo.RetryTimeout(time.Second)).Ping(deadline(t)))
	require.Contains(t, p.out.String(), "log-in by SCRAM-SHA-256, SCRAM-SHA-512; users admin; super users admin; others by access control lists")
	p.signal(os.Interrupt)
	require.Equal(t, exitOK, p.code())
	require.NotContains(t, p.out.String()+p.err.String(), "canary")
	require.Contains(t, p.err.String(), `"msg":"log-in","log":"audit","principal":"User:admin"`)
}

// TestWrongUse: a mistake is told in one line with the way out, and is no failure of the program.
func TestWrongUse(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(bad, []byte(`a=\u00`), 0o600))
	for args, want := range map[string]string{
		"brokr":                                     `unknown command "brokr"`,
		"--nonsense":                                "unknown flag: --nonsense",
		"broker --nonsense":                         "unknown flag: --nonsense",
		"broker now":                                `unknown command "now"`,
		"broker --set log.retension.ms=1":           "did you mean log.retention.ms?",
		"broker --set x":                            "name=value",
		"broker --set num.partitions=x":             "num.partitions",
		"broker --config /nowhere":                  "--config: open /nowhere: no such file",
		"broker --config " + bad:                    "line 1",
		"broker --users /nowhere":                   "--users: open /nowhere: no such file",
		"broker --sync sometimes":                   "never, interval, always",
		"broker --log-level loud":                   "debug, info, warn, error",
		"broker --log-format xml":                   "text nor json",
		"broker --listen 0.0.0.0:0":                 "can be reached by other machines",
		"broker --listen 0.0.0.0:0 --sasl PLAIN":    "nothing is encrypted: set --tls-cert and --tls-key, or say --insecure",
		"broker --listen nonsense":                  "nonsense",
		"broker --listen=":                          "no client could reach the broker",
		"broker --super-user a":                     "say --sasl or --tls-client-ca",
		"broker --sasl PLAIN":                       "nobody could make a list",
		"broker --tls-cert a":                       "go together",
		"broker --sasl GSSAPI --super-user a":       "SCRAM-SHA-512",
		"broker --tls-client-ca ca --super-user ad": "--tls-cert and --tls-key",
	} {
		var out, err bytes.Buffer
		require.Equal(t, exitUsage, run(strings.Fields(args), &out, &err, nil), "%s: %s", args, &err)
		require.Contains(t, err.String(), want, args)
		lines := strings.Split(strings.TrimSuffix(err.String(), "\n"), "\n")
		for _, l := range lines[:len(lines)-1] {
			require.True(t, strings.HasPrefix(l, "millrace: "), "%s: %s", args, l)
		}
		require.Contains(t, lines[len(lines)-1], "--help", args)
		require.Empty(t, out.String(), args)
	}
	var out, err bytes.Buffer
	require.Equal(t, exitFail, run([]string{"broker", "--listen", "127.0.0.1:0", "--tls-cert", "/nowhere", "--tls-key", "/nowhere"}, &out, &err, nil))
	require.Contains(t, err.String(), "/nowhere")
}

// TestSecondSignal: a stop that takes too long for somebody is cut short; two signals at once are one.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan os.Signal, 3)
		release := make(chan struct{})
		ended := make(chan error)
		go func() {
			ended <- stopOnSignal(io.Discard, stop, func() error { <-release; return nil })
		}()
		stop <- os.Interrupt
		stop <- os.Interrupt
		synctest.Wait()
		select {
		case err := <-ended:
			require.FailNow(t, "two signals at once are taken for two", "%v", err)
		default:
		}
		time.Sleep(sameSignal)
		stop <- os.Interrupt
		require.ErrorContains(t, <-ended, "stopped at once")
		close(release)
	})
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "Start one with", "--help": "Start one with", "broker --help": "--data directory", "help broker": "--data directory", "--version": "millrace ",
	} {
		var out, err bytes.Buffer
		require.Equal(t, exitOK, run(strings.Fields(args), &out, &err, nil), args)
		require.Contains(t, out.String(), want, args)
		require.Empty(t, err.String(), args)
		for line := range strings.Lines(out.String()) {
			require.LessOrEqual(t, len(line), 140, "a line that wraps")
		}
	}
}
