package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/millrace-go/millrace/topology"
)

// host is what the task gives to its nodes.
type host Task

var _ topology.Host = (*host)(nil)

// Send asks the handler about a record that cannot be sent, as about one that cannot be encoded.
func (h *host) Send(o *topology.Outgoing) error {
	err := h.spec.Collector.Send(o)
	if err == nil {
		return nil
	}
	if _, ok := err.(*topology.NameError); ok {
		return err
	}
	var refused *topology.EncodeError
	if !errors.As(err, &refused) {
		return topology.Fatal(err)
	}
	r := h.record
	return (*Task)(h).failed(&topology.NodeError{Node: o.To.Node, Task: h.spec.ID, Record: topology.RecordMetadata{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Err: refused})
}

func (h *host) Partitions(topic string) (int32, error) {
	n, err := h.spec.Collector.Partitions(topic)
	return n, topology.Fatal(err)
}

func (h *host) Dropped(node, reason string)        { h.drops.add(node, reason) }
func (h *host) Failed(e *topology.NodeError) error { return (*Task)(h).failed(e) }
func (h *host) RequestCommit()                     { h.requested = true }
func (h *host) StreamTime() Time                   { return h.streamTime }
func (h *host) WallClock() Time                    { return h.spec.Now() }

// Input and SetInput are what a failure is told with.
func (h *host) Input() *topology.Raw     { return h.raw }
func (h *host) SetInput(r *topology.Raw) { h.raw = r }

func (h *host) GlobalStore(name string) any {
	if h.spec.GlobalStore == nil {
		return nil
	}
	return h.spec.GlobalStore(name)
}

// failed asks the handler about an error at a node: nil means to go on without the record.
func (t *Task) failed(e *topology.NodeError) error {
	handler, reason := t.spec.Config.OnProcessingError, "processing error"
	var encode *topology.EncodeError
	if errors.As(e.Err, &encode) {
		handler, reason = t.spec.Config.OnProductionError, "production error"
	}
	f := Failure{Err: e, Node: e.Node, Task: e.Task, Record: e.Record, Time: t.record.Time}
	// While a cache flushes, the context is that of an earlier record, whose bytes are gone.
	if r := t.raw; r != nil && r.Offset == e.Record.Offset && r.Partition == e.Record.Partition && r.Topic == e.Record.Topic {
		f.Key, f.Value, f.Headers = r.Key, r.Value, r.Headers
	}
	return t.decide(handler, &f, reason)
}

// undecodable asks the handler about a record that could not be decoded: nil means to go on without it.
func (t *Task) undecodable(raw *topology.Raw, err error) error {
	f := Failure{Err: err, Task: t.spec.ID, Key: raw.Key, Value: raw.Value, Headers: raw.Headers, Time: raw.Time,
		Record: topology.RecordMetadata{Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset}}
	var decode *topology.DecodeError
	if errors.As(err, &decode) {
		f.Node = decode.Node
	}
	return t.decide(t.spec.Config.OnDeserializationError, &f, "deserialization error")
}

func (t *Task) decide(h Handler, f *Failure, reason string) error {
	err := decide(t.ctx, h, f, reason, t.spec.Config.DeadLetterTopic, t.spec.Collector, t.spec.Logger)
	if err == nil {
		t.drops.add(f.Node, reason)
	}
	return err
}

// decide asks the handler and does what it says: nil means that f was dropped.
func decide(ctx context.Context, h Handler, f *Failure, reason, deadLetters string, c Collector, l *slog.Logger) error {
	d := Fail
	if h != nil {
		var err error
		if d, err = ask(ctx, h, f); err != nil {
			return err
		}
	}
	switch d {
	case Skip:
	case DeadLetter:
		if err := deadLetter(f, deadLetters, c); err != nil {
			return err
		}
	default:
		return f.Err
	}
	l.Warn("record dropped", "reason", reason, "task", f.Task, "node", f.Node, "topic", f.Record.Topic, "partition", f.Record.Partition,
		"offset", f.Record.Offset, "dead_letter", d == DeadLetter, "error", f.Err)
	return nil
}

// Refused decides about a record that the broker has refused, and counts it if it is dropped. What it was made of is gone: the dead letter is the record itself, its headers name the topic
// that refused it.
func (t *Thread) Refused(ctx context.Context, f *Failure) error {
	const reason = "production error"
	err := decide(ctx, t.Config.OnProductionError, f, reason, t.Config.DeadLetterTopic, t.Producer, t.Logger)
	if err == nil && t.Config.Drops != nil {
		t.Config.Drops.counter(Dropped{Node: f.Node, Reason: reason}).Add(1)
	}
	return err
}

// ask calls a handler. One that panics fails the task, with what it was asked about.
func ask(ctx context.Context, h Handler, f *Failure) (d Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = topology.Fatal(fmt.Errorf("the handler panics: %w: asked about: %w", &topology.PanicError{Value: p, Stack: debug.Stack()}, f.Err))
		}
	}()
	return h(ctx, f), nil
}

// deadLetter writes the input record as it was fetched, with Kafka's headers (KIP-1034).
func deadLetter(f *Failure, topic string, c Collector) error {
	if topic == "" {
		return fmt.Errorf("a handler answered DeadLetter, but Config.DeadLetterTopic is empty: %w", f.Err)
	}
	cause := f.Err
	for u := errors.Unwrap(cause); u != nil; u = errors.Unwrap(cause) {
		cause = u
	}
	text := func(key, value string) topology.Header {
		return topology.Header{Key: "__streams.errors." + key, Value: []byte(value)}
	}
	h := append(f.Headers[:len(f.Headers):len(f.Headers)],
		text("exception", fmt.Sprintf("%T: %v", cause, cause)), text("message", f.Err.Error()), text("stacktrace", stack(f.Err)),
		text("topic", f.Record.Topic), text("partition", strconv.Itoa(int(f.Record.Partition))), text("offset", strconv.FormatInt(f.Record.Offset, 10)))
	o := topology.Outgoing{To: &topology.Destination{Topic: topic, Node: f.Node}, Partition: -1, Key: f.Key, Value: f.Value, Hash: f.Key,
		Time: max(f.Time, 0), Headers: h, NoKey: f.Key == nil, Tombstone: f.Value == nil}
	return topology.Fatal(c.Send(&o))
}

// stack is the stack of a panic, or the chain of errors.
func stack(err error) string {
	var p *topology.PanicError
	if errors.As(err, &p) {
		return string(p.Stack)
	}
	s := ""
	for ; err != nil; err = errors.Unwrap(err) {
		s += fmt.Sprintf("%T: %v\n", err, err)
	}
	return s
}

// panicked handles a panic of user code while a record was decoded or processed. The record is done with when it returns nil.
func (t *Task) panicked(value any) error {
	p := &topology.PanicError{Value: value, Stack: debug.Stack()}
	if q := t.loading; q != nil {
		t.loading = nil
		raw := q.peek()
		e := &topology.DecodeError{Node: q.head.Node(), Record: topology.RecordMetadata{Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset}, Part: "record", Err: p}
		if err := t.undecodable(raw, e); err != nil {
			return err
		}
		q.pop()
		return nil
	}
	if t.raw == nil || t.last == nil {
		return topology.Fatal(fmt.Errorf("task %s: %w", t.spec.ID, p))
	}
	// The nodes call each other directly: which of them it was is for the place to tell.
	r := t.raw
	return t.failed(&topology.NodeError{Node: t.last.head.Node(), Task: t.spec.ID,
		Record: topology.RecordMetadata{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, Err: fmt.Errorf("behind it, at %s: %w", place(p.Stack), p)})
}

// place is the file and line of a panic: the first function in the stack behind the runtime's.
func place(stack []byte) string {
	lines := strings.Split(string(stack), "\n")
	for i := len(lines) - 2; i > 0; i-- {
		if strings.HasPrefix(lines[i], "panic(") {
			for i += 2; i+1 < len(lines); i += 2 {
				if at := strings.TrimSpace(lines[i+1]); !strings.HasPrefix(lines[i], "runtime.") {
					at, _, _ = strings.Cut(at, " +0x")
					return filepath.Base(at)
				}
			}
		}
	}
	return "an unknown place"
}

// panickedFlush makes an error of a panic while a cache was flushed. No handler is asked: the cache is in the middle of its entries.
func (t *Task) panickedFlush(value any) error {
	return topology.Fatal(fmt.Errorf("task %s: flush: %w", t.spec.ID, &topology.PanicError{Value: value, Stack: debug.Stack()}))
}
