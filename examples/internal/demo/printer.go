package demo

import (
	"bufio"
	"context"
	"os"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// printer prints what is new in a topic to standard output.
type printer struct {
	show func(*kgo.Record) (string, error) // nil: nothing
	tail *tail
}

func (p *printer) print(ctx context.Context) error {
	if p.show == nil {
		return nil
	}
	var lines []string
	err := p.tail.read(ctx, func(r *kgo.Record) error {
		line, err := p.show(r)
		lines = append(lines, line)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(lines)
	w := bufio.NewWriter(os.Stdout)
	for _, l := range lines {
		if _, err := w.WriteString(l + "\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}
