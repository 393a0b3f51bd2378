package crashtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/streams"
)

// The test binary is its own child: these variables make it an application or a broker.
const (
	appEnv    = "MILLRACE_TEST_APP"
	brokerEnv = "MILLRACE_TEST_BROKER"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(appEnv) != "":
		runApp(os.Getenv(appEnv))
	case os.Getenv(brokerEnv) != "":
		runBroker(os.Getenv(brokerEnv))
	default:
		os.Exit(m.Run())
	}
}

// settings are an application's.
type settings struct {
	Prefix   string // application id, and prefix of its topics
	Broker   string // where it connects to, whatever address the broker advertises
	Dir      string
	Threads  int
	Session  time.Duration
	Txn      time.Duration
	AtLeast  bool
	CacheOff bool
}

// runApp is an application until SIGTERM. It tells its states on standard output, its log goes to standard error.
func runApp(v string) {
	var s settings
	if err := json.Unmarshal([]byte(v), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	top, err := ledger(s.Prefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, s.Broker)
	}
	cfg := streams.Config{
		ApplicationID: s.Prefix, BootstrapServers: []string{s.Broker}, StateDir: s.Dir, Threads: s.Threads, CommitInterval: 20 * time.Millisecond,
		Guarantee: streams.ExactlyOnce, SessionTimeout: s.Session, TransactionTimeout: s.Txn,
		OnState: func(st streams.State) { fmt.Println(st) },
		Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Kafka:   streams.KafkaConfig{Options: []kgo.Opt{kgo.Dialer(dial), kgo.RetryTimeout(5 * time.Second)}},
	}
	if s.CacheOff {
		cfg.CacheBytes = new(int64)
	}
	if s.AtLeast {
		cfg.Guarantee = streams.AtLeastOnce
	}
	app, err := streams.New(top, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := app.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runBroker is an embedded broker until it is killed.
func runBroker(v string) {
	dir, addr, _ := strings.Cut(v, ",")
	if _, err := broker.Start(broker.Config{Dir: dir, Listen: addr, Groups: broker.Groups{MinSessionTimeout: time.Millisecond}}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("READY")
	select {}
}

// child is a process of this binary.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	err   error

	mu     sync.Mutex
	states map[string]int // what it has told, and how often
	told   chan struct{}  // closed at the next state
	log    []byte
}

func spawn(t *testing.T, env string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0]), ended: make(chan struct{}), states: map[string]int{}, told: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), env)
	c.cmd.Stderr = c
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.states[lines.Text()]++
			close(c.told)
			c.told = make(chan struct{})
			c.mu.Unlock()
		}
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() { c.kill(); <-c.ended })
	return c
}

// startApp starts an application.
func startApp(t *testing.T, s settings) *child {
	t.Helper()
	v, err := json.Marshal(s)
	require.NoError(t, err)
	return spawn(t, appEnv+"="+string(v))
}

// Write keeps the end of what it logs.
func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, p...)
	c.log = c.log[max(0, len(c.log)-100_000):]
	return len(p), nil
}

func (c *child) errors() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.log)
}

// waitFor waits until it has told a state; false if it has ended or stop is closed.
func (c *child) waitFor(state string, stop <-chan struct{}) bool {
	for {
		c.mu.Lock()
		n, told := c.states[state], c.told
		c.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-told:
		case <-c.ended:
			return false
		case <-stop:
			return false
		}
	}
}

func (c *child) kill()                   { c.signal(syscall.SIGKILL) }
func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// stopTime is what a clean stop may take: 4.5 s, and what a busy machine adds.
const stopTime = 20 * time.Second

// stop stops it cleanly.
func (c *child) stop() {
	c.t.Helper()
	c.waitFor("REBALANCING", nil) // until then the signal would kill it
	c.signal(syscall.SIGTERM)
	slow := time.AfterFunc(stopTime, func() { c.signal(syscall.SIGQUIT) }) // its stacks tell what it waits for
	defer slow.Stop()
	<-c.ended
	require.NoError(c.t, c.err, "%s", c.errors())
}

func (c *child) alive() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}
