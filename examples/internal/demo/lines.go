package demo

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// longestLine is what fits into a record.
const longestLine = 800_000

// lineReader cuts an input into lines with their ends.
type lineReader struct {
	r    *bufio.Reader
	rest []byte // of a line that was cut
}

// next is one line, in memory of its own. A line that is longer than a record may be comes in pieces, cut at spaces.
func (l *lineReader) next() ([]byte, error) {
	line := l.rest
	l.rest = nil
	for len(line) < longestLine {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil || errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
	if i := bytes.LastIndexAny(line, " \t"); i > 0 {
		l.rest = bytes.Clone(line[i:])
		line = line[:i:i]
	}
	return line, nil
}

// lines reads an input in a goroutine of its own, because a read may take as long as it likes. The channel is closed at the end of the input or
// at an error, which err tells then.
type lines struct {
	c   chan []byte
	err error
}

func readLines(in io.Reader, done <-chan struct{}) *lines {
	l := &lines{c: make(chan []byte, 1024)}
	go func() {
		defer close(l.c)
		r := lineReader{r: bufio.NewReaderSize(in, 64<<10)}
		for {
			line, err := r.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					l.err = err
				}
				return
			}
			select {
			case l.c <- line:
			case <-done:
				return
			}
		}
	}()
	return l
}
