// Package demo is what the examples share: flags, the embedded broker or a cluster, topics, and the report at the start. It has nothing to do with
// how a topology is written: see the examples' main.go for that.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/internal/version"
	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

var processStart = time.Now()

// Demo is one example's surroundings.
type Demo struct {
	// Name is the application id.
	Name string
	// Log gets what a person watches: standard error.
	Log io.Writer

	brokers, dir string
	guarantee    streams.Guarantee
	embedded     *broker.Broker
	options      []kgo.Opt
	seeds        []string
	client       *kgo.Client
	admin        *kadm.Client
	created      []string
	existing     []string
}

// New registers the flags that all examples have. Call Start after the flags were parsed.
func New(name string, g streams.Guarantee) *Demo {
	d := &Demo{Name: name, guarantee: g, Log: os.Stderr}
	flag.StringVar(&d.brokers, "brokers", "", "`host:port,...` of a Kafka cluster; without it the example starts its own broker")
	flag.StringVar(&d.dir, "dir", "", "`folder` of the embedded broker's data and of the state (default: "+name+" in the user's state directory)")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "Usage: %s [flags]\n\nFlags:\n", name)
		flag.PrintDefaults()
	}
	return d
}

// Run calls f with a context that Ctrl-C cancels, prints its error and ends the process. A second Ctrl-C ends it at once.
func (d *Demo) Run(f func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := f(ctx)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = errStopped
	}
	if cerr := d.Close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", d.Name, err)
		os.Exit(1)
	}
}

// Start starts the embedded broker or connects to the cluster, and creates the topics that are missing, with 4 partitions each.
func (d *Demo) Start(ctx context.Context, topics ...string) error {
	if d.dir == "" {
		base, err := streams.DefaultStateDir()
		if err != nil {
			return err
		}
		d.dir = filepath.Join(base, d.Name)
	}
	if d.brokers == "" {
		b, err := broker.Start(broker.Config{Dir: filepath.Join(d.dir, "broker")})
		if err != nil {
			return fmt.Errorf("the embedded broker does not start: %w", err)
		}
		d.embedded, d.seeds, d.options = b, b.Seeds(), []kgo.Opt{kgo.Dialer(b.Dialer())}
	} else {
		d.seeds = strings.Split(d.brokers, ",")
	}
	var err error
	d.client, err = kgo.NewClient(d.Options()...)
	if err != nil {
		return fmt.Errorf("flag -brokers: %w", err)
	}
	d.admin = kadm.NewClient(d.client)
	reach, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := d.client.Ping(reach); err != nil {
		return fmt.Errorf("no broker answers at %s: is it running, and is -brokers right? (%w)", d.brokers, err)
	}
	return d.CreateTopics(ctx, nil, topics...)
}

// Options connect a Kafka client to the example's broker.
func (d *Demo) Options() []kgo.Opt { return append([]kgo.Opt{kgo.SeedBrokers(d.seeds...)}, d.options...) }

// CreateTopics creates topics that are missing.
func (d *Demo) CreateTopics(ctx context.Context, configs map[string]*string, topics ...string) error {
	for _, t := range topics {
		_, err := d.admin.CreateTopic(ctx, 4, -1, configs, t)
		switch {
		case err == nil:
			d.created = append(d.created, t)
		case errors.Is(err, kerr.TopicAlreadyExists):
			d.existing = append(d.existing, t)
		default:
			return fmt.Errorf("create topic %s: %w", t, err)
		}
	}
	return nil
}

// StateDir is where the application keeps its state.
func (d *Demo) StateDir() string { return filepath.Join(d.dir, "state") }

// Launch makes the application and runs it in the background until ctx is done. It returns when all of its tasks run, after the report; ended gives what
// Run has returned.
func (d *Demo) Launch(ctx context.Context, t *topology.Topology) (app *streams.App, ended <-chan error, err error) {
	app, err = streams.New(t, streams.Config{
		ApplicationID:    d.Name,
		BootstrapServers: d.seeds,
		Guarantee:        d.guarantee,
		StateDir:         d.StateDir(),
		Logger:           slog.New(slog.NewTextHandler(d.Log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		OnRestore:        d.restored,
		Kafka:            streams.KafkaConfig{Options: d.options},
	})
	if err != nil {
		return nil, nil, err
	}
	done := make(chan error, 1)
	go func() { done <- app.Run(ctx) }()
	if err := app.Wait(ctx, streams.Running); err != nil {
		return nil, nil, errors.Join(ctx.Err(), <-done)
	}
	d.report(app.Report())
	return app, done, nil
}

func (d *Demo) restored(r streams.RestoreProgress) {
	if r.Done && r.Records > 1000 {
		fmt.Fprintf(d.Log, "restored      %d records of store %s, task %s\n", r.Records, r.Store, r.Task)
	}
}

// report is what an example says first.
func (d *Demo) report(r streams.Report) {
	where := "embedded, in this process, data in " + filepath.Join(d.dir, "broker")
	if d.embedded == nil {
		where = d.brokers
	}
	fmt.Fprintf(d.Log, "millrace      %s\n", version.Version)
	fmt.Fprintf(d.Log, "application   %s\n", d.Name)
	fmt.Fprintf(d.Log, "broker        %s\n", where)
	fmt.Fprintf(d.Log, "state         %s\n", r.StateDir)
	fmt.Fprintf(d.Log, "topics        created: %s; there already: %s\n", list(append(d.created, r.Created...)), list(append(d.existing, r.Existing...)))
	fmt.Fprintf(d.Log, "guarantee     %s\n", d.guarantee)
	fmt.Fprintf(d.Log, "RUNNING       %.2f s after the process began; Ctrl-C stops\n", time.Since(processStart).Seconds())
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// Reset takes back everything the application has left: its topics and those given, its group, its local state.
func (d *Demo) Reset(ctx context.Context, topics ...string) error {
	all, err := d.admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	for _, t := range all.Names() {
		if strings.HasPrefix(t, d.Name+"-") && (strings.HasSuffix(t, "-changelog") || strings.HasSuffix(t, "-repartition")) {
			topics = append(topics, t)
		}
	}
	if _, err := d.admin.DeleteGroup(ctx, d.Name); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fmt.Errorf("reset: group %s: %w: is another instance running?", d.Name, err)
	}
	if _, err := d.admin.DeleteTopics(ctx, topics...); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if err := os.RemoveAll(d.StateDir()); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	d.created, d.existing = nil, nil
	return nil
}

// Close stops the embedded broker.
func (d *Demo) Close() error {
	if d.client != nil {
		d.client.Close()
	}
	if d.embedded != nil {
		return d.embedded.Close()
	}
	return nil
}
