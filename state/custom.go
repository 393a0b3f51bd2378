package state

import (
	"errors"
	"iter"
	"os"
	"path/filepath"
)

// CustomStore is a store whose structure is its user's: buffers, remote stores. It is restored from the beginning of its changelog. If it has
// a method Reset() error, that empties it.
type CustomStore interface {
	Flush() error // at a commit, before the producer is flushed: log what is held back
	Restore([]Restored) error
	Dump() iter.Seq[[]any] // for the test driver; may be nil
	Close() error
}

// CustomContext is what a custom store gets when it is opened.
type CustomContext struct {
	Name      string
	Task      string // as in 0_3: the sub-topology and the partition
	Record    *RecordContext
	Changelog Changelog // nil: not logged

	dir func() (string, error)
}

// Dir makes and answers a folder for the files of this task's store. Nobody else looks after it: after a crash, or when the task comes back from another instance, it
// has what the store left there, while the changelog is restored from its beginning.
func (c CustomContext) Dir() (string, error) {
	if c.dir == nil {
		return "", storeError(c.Name, errors.New("there is no folder for its files"))
	}
	base, err := c.dir()
	if err != nil {
		return "", storeError(c.Name, err)
	}
	dir := filepath.Join(base, c.Task, c.Name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", storeError(c.Name, err)
	}
	return dir, nil
}

// Custom defines a store of the user's own.
func Custom[S CustomStore](name string, open func(CustomContext) (S, error), o ...Option) Definition[S] {
	return Definition[S]{name, options{kind: kindCustom}.with(o), func(e Env, o *options) (S, instance, error) {
		l := e.logger(name, o)
		s, err := open(CustomContext{Name: name, Task: e.Task, Record: l.record, Changelog: l.to, dir: e.Dir})
		return s, custom{s}, err
	}, nil}
}

// custom makes a CustomStore an instance.
type custom struct{ s CustomStore }

func (c custom) flush() error                { return c.s.Flush() }
func (c custom) evict() error                { return nil }
func (c custom) restore(rs []Restored) error { return c.s.Restore(rs) }
func (c custom) dump() iter.Seq[[]any]       { return c.s.Dump() }

// reset empties the store if it can be emptied.
func (c custom) reset() error {
	if r, ok := c.s.(interface{ Reset() error }); ok {
		return r.Reset()
	}
	return errors.New("it has no Reset method: restart its task")
}
func (c custom) close() error { return c.s.Close() }
