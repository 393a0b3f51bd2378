// Package demotest builds and runs examples as child processes.
package demotest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Build builds the program in the current folder and runs the tests. Use it as the body of TestMain.
func Build(m *testing.M, program *string) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "example")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		*program = filepath.Join(dir, "program")
		if out, err := exec.Command("go", "build", "-o", *program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s", out)
			return 1
		}
		return m.Run()
	}())
}

// Child is a running program.
type Child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout watched
	stderr watched
	done   chan struct{}
	err    error
}

// watched collects output and tells when it has a text.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more != nil {
		close(w.more)
		w.more = nil
	}
	return w.buf.Write(p)
}

func (w *watched) look(text string) (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.more == nil {
		w.more = make(chan struct{})
	}
	return bytes.Contains(w.buf.Bytes(), []byte(text)), w.more
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// Start starts a program with standard input in.
func Start(t *testing.T, in string, program string, args ...string) *Child {
	return StartFrom(t, strings.NewReader(in), program, args...)
}

// StartFrom starts a program with a standard input that may stay open.
func StartFrom(t *testing.T, in io.Reader, program string, args ...string) *Child {
	c := &Child{t: t, cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = in, &c.stdout, &c.stderr
	require.NoError(t, c.cmd.Start())
	go func() { c.err = c.cmd.Wait(); close(c.done) }()
	t.Cleanup(c.Kill)
	return c
}

// StartOpen starts a program with a standard input that has no end: it works until it is killed, however fast the machine is.
func StartOpen(t *testing.T, in string, program string, args ...string) *Child {
	r, w := Pipe(t)
	c := StartFrom(t, r, program, args...)
	require.NoError(t, r.Close()) // the program's is the only one: what it no longer reads need not be written
	go func() { _, _ = w.WriteString(in) }()
	return c
}

// Run runs a program to its end and answers its outputs and exit code.
func Run(t *testing.T, in string, program string, args ...string) (stdout, stderr string, code int) {
	c := Start(t, in, program, args...)
	c.Wait()
	return c.stdout.String(), c.stderr.String(), c.cmd.ProcessState.ExitCode()
}

// WaitFor waits until standard error has a text; false if the program has ended before.
func (c *Child) WaitFor(text string) bool { return c.waitFor(&c.stderr, text) }

// WaitForOutput is WaitFor of standard output.
func (c *Child) WaitForOutput(text string) bool { return c.waitFor(&c.stdout, text) }

func (c *Child) waitFor(w *watched, text string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		ok, more := w.look(text)
		if ok {
			return true
		}
		select {
		case <-more:
		case <-c.done:
			ok, _ := w.look(text)
			return ok
		case <-ctx.Done():
			c.t.Fatalf("no %q in:\n%s\nstandard error:\n%s", text, w.String(), c.stderr.String())
		}
	}
}

// After waits for a time or the program's end, whichever is first, and says whether it still runs.
func (c *Child) After(d time.Duration) bool {
	select {
	case <-c.done:
		return false
	case <-time.After(d):
		return true
	}
}

// Kill kills the program as kill -9 does and waits until it is gone.
func (c *Child) Kill() {
	if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Error(err)
	}
	<-c.done
}

// Interrupt sends what Ctrl-C sends.
func (c *Child) Interrupt() { _ = c.cmd.Process.Signal(os.Interrupt) }

// Wait waits for the program's end, two minutes at most.
func (c *Child) Wait() {
	select {
	case <-c.done:
	case <-time.After(2 * time.Minute):
		_ = c.cmd.Process.Signal(syscall.SIGQUIT)
		<-c.done
		c.t.Fatalf("the program did not end:\n%s", c.stderr.String())
	}
}

// Output is what the program has written to standard output, once it has ended.
func (c *Child) Output() string { <-c.done; return c.stdout.String() }

// Errors is what the program has written to standard error so far.
func (c *Child) Errors() string { return c.stderr.String() }

// Code is the exit code, once the program has ended.
func (c *Child) Code() int { <-c.done; return c.cmd.ProcessState.ExitCode() }

// File makes an input file.
func File(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "input.txt")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// Pipe is a standard input that stays open: what is written to w is the program's to read.
func Pipe(t *testing.T) (r *os.File, w *os.File) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
