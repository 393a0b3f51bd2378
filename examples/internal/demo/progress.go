package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/millrace-go/millrace/streams"
)

// progress is a bar on a terminal, lines elsewhere.
type progress struct {
	d     *Demo
	log   io.Writer
	feeds []*feed
	bar   *progressbar.ProgressBar
	width int // of the terminal, in columns
	began time.Time
}

// barWidth is what the bar takes of a line, beside the text.
const barWidth = 20 + 22

func (d *Demo) progress(feeds []*feed) *progress {
	p := &progress{d: d, log: d.log, feeds: feeds, began: time.Now()}
	f, ok := d.log.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	p.width, _, _ = term.GetSize(int(f.Fd()))
	p.width = cmp.Or(p.width, 80)
	var size int64
	for _, f := range feeds {
		if f.In.size < 0 {
			size = -1 // a spinner
		} else if size >= 0 {
			size += f.In.size
		}
	}
	p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(d.log), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("0 records"),
		progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false))
	_ = p.bar.RenderBlank() // its rates count from here
	return p
}

// draw moves the bar to how much of the input is processed and committed.
func (p *progress) draw(ctx context.Context) error {
	if p.bar == nil {
		return nil
	}
	var done int64
	for _, f := range p.feeds {
		share, err := p.d.processed(ctx, f.Topic)
		if err != nil {
			return err
		}
		done += int64(share * float64(f.read.Load()))
	}
	if size := p.bar.GetMax64(); size >= 0 {
		done = min(done, size-1) // full, it would end
	}
	_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
	return nil
}

// processed is the share of a source topic's records that the application has processed and committed.
func (d *Demo) processed(ctx context.Context, topic string) (float64, error) {
	ends, err := d.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	committed, err := d.admin.FetchOffsetsForTopics(ctx, d.Name, topic)
	if err != nil {
		return 0, err
	}
	var at, all int64
	for _, e := range ends[topic] {
		all += e.Offset
		if c, ok := committed.Lookup(topic, e.Partition); ok {
			at += max(c.At, 0)
		}
	}
	return float64(at) / float64(max(all, 1)), nil
}

// live shows what the application has done so far.
func (p *progress) live(app *streams.App, more func(*streams.App) (string, error)) error {
	text := fmt.Sprintf("%d records", app.Processed())
	if more != nil {
		s, err := more(app)
		switch {
		case errors.Is(err, streams.ErrNotRunning), errors.Is(err, streams.ErrRebalancing):
			s = "(starting anew)"
		case errors.Is(err, context.DeadlineExceeded):
			s = "(busy)"
		case err != nil:
			return err
		}
		if s != "" {
			text += "  " + s
		}
	}
	if p.bar == nil {
		fmt.Fprintf(p.log, "%4.0f s  %s\n", time.Since(p.began).Seconds(), text)
		return nil
	}
	p.bar.Describe(fit(text, p.width-barWidth))
	return nil
}

// fit takes so many columns of a text, as far as a comma goes: a line that wraps would stay on the terminal.
func fit(text string, columns int) string {
	line := []rune(text)
	if len(line) <= columns {
		return text
	}
	text = string(line[:max(columns, 0)])
	if i := strings.LastIndexByte(text, ','); i >= 0 {
		return text[:i]
	}
	return text
}

// finish ends the display.
func (p *progress) finish(processed int64) {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	fmt.Fprintf(p.log, "%d records processed in %v\n", processed, time.Since(p.began).Round(time.Millisecond))
}
