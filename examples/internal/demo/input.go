package demo

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// Input is what an example reads: a file, standard input or a text that the program carries with it.
type Input struct {
	in   io.Reader
	size int64 // -1 if it is not known: it may be endless

	pipe  io.Reader // the input itself, when it cannot be rewound
	spool *os.File  // what was read of it, see remember
}

// Argument is the file that was named, "-" when standard input is a file or a pipe, else "".
func (d *Demo) Argument() string {
	if flag.NArg() > 0 {
		return flag.Arg(0)
	}
	s, err := os.Stdin.Stat()
	if err != nil || s.Mode()&os.ModeCharDevice != 0 { // a terminal, /dev/null
		return ""
	}
	return "-"
}

// Open opens a file; "-" is standard input, "" the text that the program carries with it. What is what the text consists of.
func (d *Demo) Open(what, name, carried string) (*Input, error) {
	switch name {
	case "":
		d.note("no %s given: taking those that the program carries with it", what)
		return &Input{in: strings.NewReader(carried), size: int64(len(carried))}, nil
	case "-":
		return &Input{in: os.Stdin, size: -1}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the input: %w", err)
	}
	s, err := f.Stat()
	if err == nil && s.IsDir() {
		err = fmt.Errorf("%s is a folder: name a file", name)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the input: %w", err), f.Close())
	}
	if !s.Mode().IsRegular() {
		return &Input{in: f, size: -1}, nil
	}
	return &Input{in: f, size: s.Size()}, nil
}

// remember makes rewind possible: what is read of an input that has no beginning to go back to, a pipe, goes to a file as well.
func (i *Input) remember() error {
	if s, ok := i.in.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekCurrent); err == nil {
			return nil
		}
	}
	f, err := os.CreateTemp("", "millrace-input-")
	if err != nil {
		return fmt.Errorf("the input: %w", err)
	}
	i.spool, i.pipe = f, i.in
	i.in = io.TeeReader(i.pipe, f)
	return nil
}

// forget ends what remember began, without going back.
func (i *Input) forget() {
	if i.spool != nil {
		i.in = i.pipe
	}
}

// rewind goes back to where remember was called: the beginning.
func (i *Input) rewind() error {
	if i.spool == nil {
		_, err := i.in.(io.Seeker).Seek(0, io.SeekStart)
		return err
	}
	i.in = io.MultiReader(i.spool, i.pipe)
	_, err := i.spool.Seek(0, io.SeekStart)
	return err
}

// close closes the input.
func (i *Input) close() error {
	var err error
	if i.spool != nil {
		err = errors.Join(i.spool.Close(), os.Remove(i.spool.Name()))
		i.in = i.pipe
	}
	if c, ok := i.in.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
