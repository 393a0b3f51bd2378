package topology

import (
	"errors"
	"fmt"

	"github.com/millrace-go/millrace/state"
)

// NodeError is an error of user code or of a serde at a node. It is what the processing handler is asked about, unless the node fails to start.
type NodeError struct {
	Node   string
	Task   TaskID
	Record RecordMetadata // the input record; Topic is "" in a timer and at the start
	Err    error
}

func (e *NodeError) Error() string {
	if e.Record.Topic == "" {
		return fmt.Sprintf("node %s, task %s: %v", e.Node, e.Task, e.Err)
	}
	return fmt.Sprintf("node %s, task %s, record %s/%d@%d: %v", e.Node, e.Task, e.Record.Topic, e.Record.Partition, e.Record.Offset, e.Err)
}

func (e *NodeError) Unwrap() error { return e.Err }

// FatalError is an error of the runtime or a store, not of user code: it passes through the nodes, and no handler is asked.
type FatalError struct{ Err error }

// Fatal wraps err, unless it is nil.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return &FatalError{err}
}

func (e *FatalError) Error() string { return e.Err.Error() }
func (e *FatalError) Unwrap() error { return e.Err }

// NameError says that no topic can have the name that a sink's topic function has answered. A Host's Send returns it as it is: it is an error of user code,
// of which the processing handler is asked.
type NameError struct{ Err error }

func (e *NameError) Error() string { return "the topic function's answer: " + e.Err.Error() }
func (e *NameError) Unwrap() error { return e.Err }

// PanicError is a panic of user code.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap is the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// isFatal says that no handler may skip err: the runtime's errors, and those of a database that cannot go on.
func isFatal(err error) bool {
	var fatal *FatalError
	var damaged *state.DamagedError
	return errors.As(err, &fatal) || errors.As(err, &damaged) || errors.Is(err, state.ErrDBFailed) || errors.Is(err, state.ErrNoSpace)
}
