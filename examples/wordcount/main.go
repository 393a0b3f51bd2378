// Command wordcount counts the words of a file or of standard input, exactly once, whatever is killed meanwhile.
package main

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace-go/millrace/examples/internal/demo"
	"github.com/millrace-go/millrace/serde"
	"github.com/millrace-go/millrace/state"
	"github.com/millrace-go/millrace/streams"
)

//go:embed text.txt
var carried string

var top = flag.Uint("top", 20, "how many words to print, 0 for all")

func main() { demo.New("wordcount", "[FILE]", streams.ExactlyOnce).Main(count) }

// words are the runs of letters and digits of a line, lower-cased.
func words(line string) []string {
	return strings.FieldsFunc(strings.ToLower(line), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

func count(ctx context.Context, d *demo.Demo) error {
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

	in, err := d.Open("lines", d.Argument(), carried)
	if err != nil {
		return err
	}
	return d.Process(ctx, topology, demo.Job{
		Sources: []demo.Source{{Topic: "lines", In: in}},
		Outputs: []string{"counts"},
		Live:    func(app *streams.App) (string, error) { return leaders(app, counts) },
		Result: func(app *streams.App) error {
			table, err := highest(app, counts, int(*top))
			out := bufio.NewWriter(os.Stdout)
			for _, e := range table {
				fmt.Fprintf(out, "%d\t%s\n", e.Value, e.Key)
			}
			return errors.Join(err, out.Flush())
		},
	})
}

type entry = state.Entry[string, int64]

// highest is the table's n highest counts, all if n is 0: highest first, equal counts by word. It asks the running application.
func highest(app *streams.App, counts streams.Table[string, int64], n int) ([]entry, error) {
	view, err := app.View(counts)
	if err != nil {
		return nil, err
	}
	var table []entry
	sort := func() {
		slices.SortFunc(table, func(a, b entry) int { return cmp.Or(cmp.Compare(b.Value, a.Value), strings.Compare(a.Key, b.Key)) })
		if n > 0 && n < len(table) {
			table = table[:n]
		}
	}
	for e, err := range view.All() {
		if err != nil {
			return nil, err
		}
		if table = append(table, e); n > 0 && len(table) > 10*n {
			sort()
		}
	}
	sort()
	return table, nil
}

// leaders are the words that lead at the moment.
func leaders(app *streams.App, counts streams.Table[string, int64]) (string, error) {
	table, err := highest(app, counts, 5)
	var out []string
	for _, e := range table {
		out = append(out, fmt.Sprintf("%s %d", e.Key, e.Value))
	}
	return strings.Join(out, ", "), err
}
