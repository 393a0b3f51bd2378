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

// errStopped says that the program was asked to stop before its input was through.
var errStopped = errors.New("stopped; started again with the same input it goes on where it was")

// Input is a feed with the rest of its input.
type Input struct {
	*Feed
	in io.Reader
}

// Feed makes the feed of topic from in. If an earlier run has begun another input, everything it left (topics, group, state) is taken back first; outputs are
// topics that the application writes. The topics exist afterwards.
func (d *Demo) Feed(ctx context.Context, in io.Reader, topic string, outputs ...string) (*Input, error) {
	f, err := d.NewFeed(ctx, topic)
	if err != nil {
		return nil, err
	}
	if f.Bytes() > 0 {
		first := &recorder{in: in}
		same, err := f.Resume(first)
		if err != nil {
			return nil, err
		}
		if same {
			fmt.Fprintf(d.Log, "the input was begun before: going on behind line %d\n", f.Lines())
		} else {
			fmt.Fprintf(d.Log, "another input was begun before: starting afresh\n")
			f.Close()
			if err := d.Reset(ctx, append(f.Topics(), outputs...)...); err != nil {
				return nil, err
			}
			if f, err = d.NewFeed(ctx, topic); err != nil {
				return nil, err
			}
			in = first.again()
		}
	}
	return &Input{f, in}, d.CreateTopics(ctx, nil, append([]string{topic}, outputs...)...)
}

// recorder keeps what was read, so that it can be read again: standard input cannot be rewound.
type recorder struct {
	in   io.Reader
	seen []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.seen = append(r.seen, p[:n]...)
	return n, err
}

func (r *recorder) again() io.Reader {
	if s, ok := r.in.(io.Seeker); ok {
		if _, err := s.Seek(0, io.SeekStart); err == nil {
			return r.in
		}
	}
	return io.MultiReader(newBytes(r.seen), r.in)
}

// Follow writes the input and shows how far it has come, until the application has processed and committed all of it. ended is what Launch gave.
func (d *Demo) Follow(ctx context.Context, app *streams.App, f *Input, size int64, ended <-chan error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	fed := make(chan error, 1)
	show := d.progress(size, f.Bytes())
	go func() {
		err := f.Run(ctx, f.in, show.fed)
		if err == nil {
			err = app.CaughtUp(ctx)
		}
		fed <- err
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-fed:
			show.finish(app.Processed())
			return err
		case err := <-ended:
			if err == nil {
				err = errStopped
			}
			return err // the feed may hang in a read of the input: the process ends, and nothing of it is committed
		case <-tick.C:
			show.processed(app.Processed())
		}
	}
}

// progress is a bar on a terminal, a line now and then elsewhere.
type progress struct {
	d     *Demo
	bar   *progressbar.ProgressBar
	began time.Time
	last  time.Time
}

func (d *Demo) progress(size, at int64) *progress {
	p := &progress{d: d, began: time.Now(), last: time.Now()}
	if f, ok := d.Log.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(d.Log), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription("reading"),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		_ = p.bar.Set64(at)
	}
	return p
}

func (p *progress) fed(bytes int64) {
	if p.bar != nil {
		_ = p.bar.Set64(bytes)
	}
}

func (p *progress) processed(n int64) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%d records processed", n))
		return
	}
	if time.Since(p.last) >= 5*time.Second {
		p.last = time.Now()
		fmt.Fprintf(p.d.Log, "%d records processed in %v\n", n, time.Since(p.began).Round(time.Second))
	}
}

func (p *progress) finish(n int64) {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	fmt.Fprintf(p.d.Log, "%d records processed in %v\n", n, time.Since(p.began).Round(time.Millisecond))
}
