// Command wordcount counts the words of a file or of standard input, exactly once, whatever is killed meanwhile.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/millrace-go/millrace/examples/internal/demo"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/streams"
)

//go:embed text.txt
var carried string

// words are the runs of letters and digits of a line, lower-cased.
func words(line string) []string {
	return strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func main() {
	d := demo.New("wordcount", streams.ExactlyOnce)
	top := flag.Int("top", 20, "how many words to print, 0 for all")
	flag.Parse()
	d.Run(func(ctx context.Context) error { return count(ctx, d, *top) })
}

func count(ctx context.Context, d *demo.Demo, top int) error {
	b := streams.NewBuilder()
	counts := b.Stream("lines", serde.String, serde.String).
		FlatMapValues(words).
		GroupBy(func(_, word string) string { return word }).
		Count(streams.As("word-counts"))
	counts.ToStream().To("counts")
	topology, err := b.Build()
	if err != nil {
		return err
	}

	if err := d.Start(ctx); err != nil {
		return err
	}
	in, size, err := input(d)
	if err != nil {
		return err
	}
	defer in.Close()
	feed, err := d.Feed(ctx, in, "lines", "counts")
	if err != nil {
		return err
	}
	defer feed.Close()
	running, stop := context.WithCancel(ctx)
	defer stop()
	app, ended, err := d.Launch(running, topology)
	if err != nil {
		return err
	}
	if err := d.Follow(ctx, app, feed, size, ended); err != nil {
		return err
	}
	table, err := result(app, counts)
	if err != nil {
		return err
	}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	for i, line := range table {
		if top > 0 && i == top {
			break
		}
		fmt.Printf("%d\t%s\n", line.n, line.word)
	}
	return nil
}

// input is the file that was named, standard input, or, at a terminal, a text that the program carries with it. size is -1 if it is not known.
func input(d *demo.Demo) (in io.ReadCloser, size int64, err error) {
	switch {
	case flag.NArg() > 1:
		return nil, 0, fmt.Errorf("one file at most, got %d: %s", flag.NArg(), strings.Join(flag.Args(), " "))
	case flag.NArg() == 1:
		return demo.OpenFile(flag.Arg(0))
	case term.IsTerminal(int(os.Stdin.Fd())):
		fmt.Fprintln(d.Log, "no input was given: counting a text that the program carries with it")
		return io.NopCloser(strings.NewReader(carried)), int64(len(carried)), nil
	}
	return os.Stdin, -1, nil
}

type line struct {
	word string
	n    int64
}

// result is the table, highest count first, equal counts by word.
func result(app *streams.App, counts streams.Table[string, int64]) ([]line, error) {
	view, err := app.View(counts)
	if err != nil {
		return nil, err
	}
	var out []line
	for e, err := range view.All() {
		if err != nil {
			return nil, err
		}
		out = append(out, line{e.Key, e.Value})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].n > out[j].n || out[i].n == out[j].n && out[i].word < out[j].word })
	return out, nil
}
