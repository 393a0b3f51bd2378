package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/millrace-go/millrace/streams"
)

// progress is a bar on a terminal, lines elsewhere.
type progress struct {
	log   io.Writer
	bar   *progressbar.ProgressBar
	began time.Time
}

func (d *Demo) progress(feeds []*feed) *progress {
	p := &progress{log: d.log, began: time.Now()}
	f, ok := d.log.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	var size, at int64
	for _, f := range feeds {
		at += f.at.Bytes
		if f.In.size < 0 {
			size = -1 // a spinner
		} else if size >= 0 {
			size += f.In.size
		}
	}
	p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(d.log), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("reading"),
		progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	p.committed(at)
	return p
}

// committed says that so much more of the input is in Kafka.
func (p *progress) committed(bytes int64) {
	if p.bar != nil {
		_ = p.bar.Add64(bytes) // a bar that cannot be drawn is no reason to stop
	}
}

// live shows what the application has done so far.
func (p *progress) live(app *streams.App, more func(*streams.App) (string, error)) error {
	text := fmt.Sprintf("%d records", app.Processed())
	if more != nil {
		s, err := more(app)
		switch {
		case errors.Is(err, streams.ErrNotRunning):
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
	if p.bar != nil {
		p.bar.Describe(text)
	} else {
		fmt.Fprintf(p.log, "%4.0f s  %s\n", time.Since(p.began).Seconds(), text)
	}
	return nil
}

// finish ends the display.
func (p *progress) finish(processed int64) {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	fmt.Fprintf(p.log, "%d records processed in %v\n", processed, time.Since(p.began).Round(time.Millisecond))
}
