package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// longestLine fits into a record, even if the line is one word and a record has it as key and as value.
const longestLine = 400_000

// line is a line of an input, or a part of a very long one.
type line struct {
	bytes []byte // with the line's end
	open  bool   // the input ended within the line: it may have grown when it is read again
}

// lineReader cuts an input into lines.
type lineReader struct {
	r    *bufio.Reader
	rest []byte // of a line that was cut
}

// next is one line, in memory of its own. A line that does not fit into a record comes in pieces, cut between words.
func (l *lineReader) next() (line, error) {
	text := l.rest
	l.rest = nil
	for len(text) < longestLine {
		part, err := l.r.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case err == nil:
			return line{bytes: text}, nil
		case errors.Is(err, io.EOF) && len(text) > 0:
			return line{text, true}, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line{}, err
		}
	}
	i := bytes.LastIndexFunc(text, func(r rune) bool { return r != utf8.RuneError && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if i <= 0 {
		return line{}, fmt.Errorf("%d bytes without a space do not fit into a record: %.20q", len(text), text)
	}
	l.rest = bytes.Clone(text[i:])
	return line{bytes: text[:i:i]}, nil
}

// lines reads an input in a goroutine of its own, because a read may take as long as it likes. The channel is closed at the end of the input or
// at an error, which err tells then.
type lines struct {
	c   chan line
	err error
}

func readLines(in io.Reader, done <-chan struct{}) *lines {
	l := &lines{c: make(chan line, 1024)}
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
