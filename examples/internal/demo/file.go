package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// OpenFile opens an input with its size.
func OpenFile(name string) (io.ReadCloser, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("the input: %w", err)
	}
	s, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("the input: %w", err)
	}
	if s.IsDir() {
		return nil, 0, fmt.Errorf("the input %s is a folder: name a file", name)
	}
	if !s.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, s.Size(), nil
}

func newBytes(b []byte) io.Reader { return bytes.NewReader(b) }
