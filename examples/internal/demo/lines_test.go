package demo

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// read is the lines of a text, and the error that ended them.
func read(text string) (out []line, err error) {
	in := readLines(strings.NewReader(text), nil)
	for l := range in.c {
		out = append(out, l)
	}
	return out, in.err
}

func TestLinesKeepTheirEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]line{
		"":            nil,
		"\n":          {{[]byte("\n"), false}},
		"a\r\n\nb":    {{[]byte("a\r\n"), false}, {[]byte("\n"), false}, {[]byte("b"), true}},
		"\x00\xff\nc": {{[]byte("\x00\xff\n"), false}, {[]byte("c"), true}},
	} {
		got, err := read(text)
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", text)
	}
}

func TestALongLineIsCutBetweenWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"ab ", "ab,", "zwölf;", "漢字、", "a\xff;"} {
		text := strings.Repeat(word, 5*longestLine/len(word))
		got, err := read(text)
		require.NoError(t, err)
		require.Greater(t, len(got), 3)
		var all strings.Builder
		words := strings.FieldsFunc(word, notOfAWord)
		for _, l := range got {
			require.LessOrEqual(t, len(l.bytes), longestLine+64<<10)
			all.Write(l.bytes)
			for _, w := range strings.FieldsFunc(string(l.bytes), notOfAWord) {
				require.Equal(t, words[0], w)
			}
		}
		require.True(t, text == all.String(), "nothing is lost of %q", word)
	}
}

func notOfAWord(r rune) bool { return strings.ContainsRune(" ,;、", r) }

func TestAWordThatFitsIntoNoRecordIsRefused(t *testing.T) {
	t.Parallel()
	got, err := read("a\n" + strings.Repeat("b", 2*longestLine))
	require.ErrorContains(t, err, `bytes without a space do not fit into a record: "bbbbbbbbbbbbbbbbbbbb"`)
	require.Len(t, got, 1, "what comes before it is read")
}

func TestAnErrorOfTheInputIsNoEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	in := readLines(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), nil)
	var got []line
	for l := range in.c {
		got = append(got, l)
	}
	require.ErrorIs(t, in.err, broken)
	require.Equal(t, []line{{[]byte("a\n"), false}}, got, "half a line is not counted")
}
