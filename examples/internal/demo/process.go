package demo

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// Job is what an example does beside its topology.
type Job struct {
	// Sources are read one after the other.
	Sources []Source
	// Outputs are the topics that the topology writes.
	Outputs []string
	// Live is shown now and then while the job runs. nil: nothing is.
	Live func(app *streams.App) (string, error)
	// Show makes the line that is printed of a record of the first output. The lines are sorted: all of them at the end, or, of an input that may be
	// endless, what came in a second. nil: nothing is printed.
	Show func(*kgo.Record) (string, error)
	// Result is called when everything is processed and committed, while the application still runs; again, if it answers ErrRebalancing. It may be nil.
	Result func(app *streams.App) error
}

var errEnded = errors.New("the application has ended")

// Process runs a topology until it has processed and committed the whole input, or until ctx is done.
func (d *Demo) Process(ctx context.Context, t *topology.Topology, j Job) (err error) {
	if err := d.start(ctx); err != nil {
		return err
	}
	feeds, err := d.openFeeds(ctx, j.Sources, j.Outputs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFeeds(feeds)) }()
	app, err := streams.New(t, d.config())
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = app.Run(running)
	}()
	defer func() {
		stop()
		<-ended
		switch {
		case ctx.Err() != nil: // what else has failed failed of that
			err = errors.Join(errStopped, failed)
		case errors.Is(err, errEnded), failed != nil && errors.Is(err, streams.ErrNotRunning):
			err = failed // why it has ended says more than that it has
		default:
			err = errors.Join(err, failed)
		}
	}()
	if app.Wait(running, streams.Running) != nil {
		return errEnded
	}
	d.ready(app.Report())
	out := &printer{show: j.Show, tail: d.tail(j.Outputs[0])}
	if err := d.follow(running, app, j, feeds, out, ended); err != nil {
		return err
	}
	for j.Result != nil {
		if err := j.Result(app); !errors.Is(err, streams.ErrRebalancing) {
			return err
		}
		select {
		case <-ended:
			return errEnded
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// follow feeds the application and shows how far it has come, until it has processed and committed everything.
func (d *Demo) follow(ctx context.Context, app *streams.App, j Job, feeds []*feed, out *printer, ended <-chan struct{}) error {
	show := d.progress(feeds)
	done := make(chan error, 1)
	go func() {
		for _, f := range feeds {
			if err := f.run(ctx); err != nil {
				done <- err
				return
			}
		}
		done <- app.CaughtUp(ctx)
	}()
	second := time.NewTimer(time.Second)
	defer second.Stop()
	draw := time.NewTicker(300 * time.Millisecond)
	defer draw.Stop()
	for {
		select {
		case err := <-done:
			show.finish(app.Processed())
			if err == nil {
				err = out.print(ctx)
			}
			return err
		case <-ended:
			return errEnded
		case <-draw.C:
			if err := show.draw(ctx); err != nil {
				return err
			}
		case <-second.C:
			began := time.Now()
			err := show.live(app, j.Live)
			if err == nil && slices.ContainsFunc(feeds, func(f *feed) bool { return f.In.size < 0 }) {
				err = out.print(ctx)
			}
			if err != nil {
				return err
			}
			second.Reset(max(time.Second, 20*time.Since(began))) // looking on must not slow the job down
		}
	}
}
