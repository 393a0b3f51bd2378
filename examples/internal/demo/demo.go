// Package demo is what the examples share: flags, the embedded broker or a cluster, topics, inputs that are read exactly once, and what is told on the way. It
// has nothing to do with how a topology is written: see the examples' main.go for that.
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
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace-go/millrace/broker"
	"github.com/millrace-go/millrace/internal/version"
	"github.com/millrace-go/millrace/streams"
)

var processStart = time.Now()

// errStopped says that the program was asked to stop before its input was through.
var errStopped = errors.New("stopped; started again with the same input it goes on where it was")

// Demo is one example's surroundings.
type Demo struct {
	// Name is the application id.
	Name string

	log          io.Writer // what a person watches: standard error
	file         string    // what the usage calls the argument behind the flags; "": there is none
	brokers, dir string
	guarantee    streams.Guarantee
	embedded     *broker.Broker
	options      []kgo.Opt
	seeds        []string
	client       *kgo.Client
	admin        *kadm.Client
	created      []string
	existing     []string
	notes        []string // to be told after the report
}

// New registers the flags that all examples have. file names the argument behind the flags; "": there is none.
func New(name, file string, g streams.Guarantee) *Demo {
	d := &Demo{Name: name, file: file, guarantee: g, log: os.Stderr}
	flag.StringVar(&d.brokers, "brokers", "", "`host:port,...` of a Kafka cluster; without it the example starts its own broker")
	flag.StringVar(&d.dir, "dir", "", "`folder` of the embedded broker's data and of the state (default: "+name+" in the user's state directory)")
	return d
}

// Main calls f with a context that Ctrl-C cancels, prints its error and ends the process. A second Ctrl-C ends it at once.
func (d *Demo) Main(f func(ctx context.Context, d *Demo) error) {
	if err := d.parse(os.Args[1:]); errors.Is(err, flag.ErrHelp) {
		d.usage(os.Stdout)
		os.Exit(0)
	} else if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v: %s -h tells how it is called\n", d.Name, err, d.Name)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := f(ctx, d)
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = errStopped
	}
	if err = errors.Join(err, d.close()); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", d.Name, err)
		os.Exit(1)
	}
}

func (d *Demo) usage(w io.Writer) {
	fmt.Fprintf(w, "Usage: %s\n", strings.TrimSpace(d.Name+" [flags] "+d.file))
	if d.file != "" {
		fmt.Fprintln(w, "\nWithout FILE it reads standard input; if that is a terminal or empty, an input that the program carries with it.")
	}
	fmt.Fprint(w, "\nFlags:\n")
	flag.CommandLine.SetOutput(w)
	flag.PrintDefaults()
}

// parse answers an error of one line where the flag package would print the whole usage.
func (d *Demo) parse(args []string) error {
	flag.CommandLine.Init(d.Name, flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard)
	if err := flag.CommandLine.Parse(args); err != nil {
		return err
	}
	rest := flag.Args()
	switch {
	case len(rest) > 1 && strings.HasPrefix(rest[1], "-"):
		return fmt.Errorf("%s stands behind %s: flags come first", rest[1], rest[0])
	case d.file == "" && len(rest) > 0:
		return fmt.Errorf("flags only, got %d: %s", len(rest), strings.Join(rest, " "))
	case len(rest) > 1:
		return fmt.Errorf("one file at most, got %d: %s", len(rest), strings.Join(rest, " "))
	}
	return nil
}

// note tells something once the report has been given.
func (d *Demo) note(format string, a ...any) {
	if n := fmt.Sprintf(format, a...); !slices.Contains(d.notes, n) {
		d.notes = append(d.notes, n)
	}
}

// start starts the embedded broker or connects to the cluster.
func (d *Demo) start(ctx context.Context) error {
	if d.dir == "" {
		base, err := streams.DefaultStateDir()
		if err != nil {
			return err
		}
		d.dir = filepath.Join(base, d.Name)
	}
	if err := os.MkdirAll(d.dir, 0o750); err != nil {
		return fmt.Errorf("flag -dir: %w: name a folder that can be written", err)
	}
	if d.brokers == "" {
		b, err := broker.Start(broker.Config{Dir: d.brokerDir(), Logger: d.logger()})
		switch {
		case errors.Is(err, broker.ErrLocked):
			return fmt.Errorf("%s is in use by another %s: stop it, or give this one another folder with -dir", d.dir, d.Name)
		case err != nil:
			return fmt.Errorf("the embedded broker does not start in %s, see -dir: %w", d.dir, err)
		}
		d.embedded, d.seeds, d.options = b, b.Seeds(), []kgo.Opt{kgo.Dialer(b.Dialer())}
	} else if d.seeds = strings.FieldsFunc(d.brokers, func(r rune) bool { return r == ',' || r == ' ' }); len(d.seeds) == 0 {
		return fmt.Errorf("flag -brokers: %q names no broker: give host:port", d.brokers)
	}
	var err error
	d.client, err = kgo.NewClient(d.clientOptions(kgo.MetadataMinAge(20 * time.Millisecond))...)
	if err != nil {
		return fmt.Errorf("flag -brokers: %w", err)
	}
	d.admin = kadm.NewClient(d.client)
	reach, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.client.Ping(reach); err != nil {
		return fmt.Errorf("no broker answers at %s: is it running, and is -brokers right? (%w)", strings.Join(d.seeds, ","), err)
	}
	d.head()
	return nil
}

// clientOptions connect a Kafka client to the example's broker.
func (d *Demo) clientOptions(more ...kgo.Opt) []kgo.Opt {
	return append(append([]kgo.Opt{kgo.SeedBrokers(d.seeds...)}, d.options...), more...)
}

// partitions is how many partitions the examples' topics have.
const partitions = 4

// createTopics creates topics that are missing. They keep everything: event times may be long ago.
func (d *Demo) createTopics(ctx context.Context, topics ...string) error {
	forever := "-1"
	for _, t := range topics {
		_, err := d.admin.CreateTopic(ctx, partitions, -1, map[string]*string{"retention.ms": &forever}, t)
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

func (d *Demo) stateDir() string  { return filepath.Join(d.dir, "state") }
func (d *Demo) brokerDir() string { return filepath.Join(d.dir, "broker") }

// logger tells what a person should know of application and broker: a restart, a full disk.
func (d *Demo) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (d *Demo) config() streams.Config {
	return streams.Config{
		ApplicationID:    d.Name,
		BootstrapServers: d.seeds,
		Guarantee:        d.guarantee,
		StateDir:         d.stateDir(),
		Logger:           d.logger(),
		OnRestore:        d.restored,
		Kafka:            streams.KafkaConfig{Options: d.options},
	}
}

func (d *Demo) restored(r streams.RestoreProgress) {
	if r.Done && r.Records > 0 {
		fmt.Fprintf(d.log, "restored      %d records of store %s, task %s\n", r.Records, r.Store, r.Task)
	}
}

// head is what an example says first, before anything can take long.
func (d *Demo) head() {
	where := "embedded, in this process, data in " + d.brokerDir()
	if d.embedded == nil {
		where = d.brokers
	}
	fmt.Fprintf(d.log, "millrace      %s\n", version.Version)
	fmt.Fprintf(d.log, "application   %s\n", d.Name)
	fmt.Fprintf(d.log, "broker        %s\n", where)
	fmt.Fprintf(d.log, "state         %s\n", filepath.Join(d.stateDir(), d.Name))
	fmt.Fprintf(d.log, "guarantee     %s\n", d.guarantee)
}

// ready goes on from head when the application runs.
func (d *Demo) ready(r streams.Report) {
	fmt.Fprintf(d.log, "topics        created: %s; there already: %s\n", list(append(d.created, r.Created...)), list(append(d.existing, r.Existing...)))
	fmt.Fprintf(d.log, "RUNNING       %.2f s after the process began; Ctrl-C stops\n", time.Since(processStart).Seconds())
	for _, n := range d.notes {
		fmt.Fprintln(d.log, n)
	}
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// reset takes back everything the application has left: its internal topics and those given, its group, its local state.
func (d *Demo) reset(ctx context.Context, topics ...string) error {
	all, err := d.admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	for _, t := range all.Names() {
		if strings.HasPrefix(t, d.Name+"-") && (strings.HasSuffix(t, "-changelog") || strings.HasSuffix(t, "-repartition")) {
			topics = append(topics, t)
		}
	}
	if _, err := d.admin.DeleteGroup(ctx, d.Name); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fmt.Errorf("reset: group %s: %w: is another instance running?", d.Name, err)
	}
	if err := d.deleteTopics(ctx, topics); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if err := os.RemoveAll(d.stateDir()); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// deleteTopics returns when the topics are gone: a cluster takes its time.
func (d *Demo) deleteTopics(ctx context.Context, topics []string) error {
	deleted, err := d.admin.DeleteTopics(ctx, topics...)
	if err != nil {
		return err
	}
	for _, t := range deleted.Sorted() {
		if t.Err != nil && !errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topic %s: %w", t.Topic, t.Err)
		}
	}
	for {
		left, err := d.admin.ListTopics(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(topics, left.Has) {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close stops the embedded broker.
func (d *Demo) close() error {
	if d.client != nil {
		d.client.Close()
	}
	if d.embedded != nil {
		return d.embedded.Close()
	}
	return nil
}
