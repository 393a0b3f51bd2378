package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Source is an input and the topic that it goes to.
type Source struct {
	Topic string
	In    *Input
	// Record makes the record of a line, which comes without its end. nil: the line is the value, there is no key.
	Record func(line []byte) (*kgo.Record, error)
	// End is a record that every partition gets behind the end of the input; latest is the highest time of its records. nil: none.
	End func(latest time.Time) *kgo.Record
}

// feed writes an input's lines to its topic, each line once however often the process is killed: every transaction has some lines and a record that says
// how far the input is read, in a topic of its own with one key.
type feed struct {
	Source
	d        *Demo
	position string // the topic of positions
	cl       *kgo.Client
	at       place
	sum      hash.Hash    // of the input up to at
	read     atomic.Int64 // at.Bytes, for others to look at
}

// place is how far an input is read. The sum tells inputs apart: two that begin with the same bytes are the same input, read further.
type place struct {
	Bytes  int64  `json:"bytes"`
	Lines  int64  `json:"lines"`
	Sum    []byte `json:"sha256"`
	Latest int64  `json:"latest"` // the highest time of a record, in ms
	Ended  bool   `json:"ended"`  // Source.End was written
	Open   bool   `json:"open"`   // the last line had no end
}

// openFeed makes the feed of a source. It ends what a killed predecessor has left open.
func (d *Demo) openFeed(ctx context.Context, s Source) (*feed, error) {
	f := &feed{Source: s, d: d, position: s.Topic + "-position", sum: sha256.New()}
	compact := "compact"
	if _, err := d.admin.CreateTopic(ctx, 1, -1, map[string]*string{"cleanup.policy": &compact}, f.position); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return nil, fmt.Errorf("create topic %s: %w", f.position, err)
	}
	var err error
	f.cl, err = kgo.NewClient(d.clientOptions(kgo.TransactionalID(d.Name+"-feed-"+s.Topic), kgo.TransactionTimeout(10*time.Second), kgo.ProducerLinger(2*time.Millisecond),
		kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}), kgo.ConcurrentTransactionsBackoff(2*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	if _, _, err := f.cl.ProducerID(ctx); err != nil {
		f.cl.Close()
		return nil, fmt.Errorf("feed: producer id: %w", err)
	}
	err = d.tail(f.position).read(ctx, func(r *kgo.Record) error {
		f.at = place{}
		return json.Unmarshal(r.Value, &f.at)
	})
	if err != nil {
		f.cl.Close()
		return nil, err
	}
	return f, nil
}

// openFeeds makes the feeds of an application. If an earlier run has begun another input, everything it left (topics, group, state) is taken back
// first; outputs are topics that the application writes. All topics exist afterwards.
func (d *Demo) openFeeds(ctx context.Context, sources []Source, outputs []string) ([]*feed, error) {
	var feeds []*feed
	same := true
	for _, s := range sources {
		f, err := d.openFeed(ctx, s)
		if err != nil {
			return nil, errors.Join(err, closeFeeds(feeds))
		}
		feeds = append(feeds, f)
		mine, err := f.resume()
		if err != nil {
			return nil, errors.Join(err, closeFeeds(feeds))
		}
		same = same && mine
	}
	if !same {
		d.note("another input was begun before: starting afresh")
		topics := slices.Clone(outputs)
		for _, f := range feeds {
			topics = append(topics, f.Topic, f.position)
			f.cl.Close()
		}
		if err := d.reset(ctx, topics...); err != nil {
			return nil, err
		}
		for i, f := range feeds {
			err := f.In.rewind()
			if err == nil {
				feeds[i], err = d.openFeed(ctx, f.Source)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	var topics []string
	for _, f := range feeds {
		if same {
			f.In.forget()
		}
		if f.at.Bytes > 0 {
			d.note("input of topic %s: going on behind line %d", f.Topic, f.at.Lines)
		}
		topics = append(topics, f.Topic)
	}
	return feeds, d.createTopics(ctx, append(topics, outputs...)...)
}

func closeFeeds(fs []*feed) (err error) {
	for _, f := range fs {
		f.cl.Close()
		err = errors.Join(err, f.In.close())
	}
	return err
}

// resume skips what earlier runs have read. It answers false when the input is another than theirs, if only because its last line has grown: that line
// was taken for a whole one.
func (f *feed) resume() (same bool, err error) {
	if f.at.Bytes == 0 {
		return true, f.In.remember()
	}
	if err := f.In.remember(); err != nil {
		return false, err
	}
	n, err := io.CopyN(f.sum, f.In.in, f.at.Bytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the input: %w", err)
	}
	if n < f.at.Bytes || !bytes.Equal(f.sum.Sum(nil), f.at.Sum) {
		return false, nil
	}
	if !f.at.Open {
		return true, nil
	}
	n, err = io.CopyN(io.Discard, f.In.in, 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the input: %w", err)
	}
	return n == 0, nil
}

const (
	transactionLines = 10_000
	transactionTime  = 100 * time.Millisecond
)

// run writes the rest of the input.
func (f *feed) run(ctx context.Context) error {
	f.read.Store(f.at.Bytes)
	in := readLines(f.In.in, ctx.Done())
	for more := true; more; {
		var lines []line
		var err error
		if lines, more, err = f.some(ctx, in); err != nil {
			return err
		}
		if len(lines) == 0 && (f.End == nil || f.at.Ended) {
			return nil
		}
		if err := f.write(ctx, lines, !more); err != nil {
			return err
		}
		f.read.Store(f.at.Bytes)
	}
	return nil
}

// some takes lines for a transaction: what there is, when a while has passed since the first.
func (f *feed) some(ctx context.Context, in *lines) (out []line, more bool, err error) {
	var late <-chan time.Time
	for len(out) < transactionLines {
		select {
		case line, ok := <-in.c:
			if !ok {
				if in.err != nil {
					return nil, false, fmt.Errorf("the input of topic %s behind line %d: %w", f.Topic, f.at.Lines+int64(len(out)), in.err)
				}
				return out, false, nil
			}
			if len(out) == 0 {
				late = time.After(transactionTime)
			}
			out = append(out, line)
		case <-late:
			return out, true, nil
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	return out, true, nil
}

// write is one transaction.
func (f *feed) write(ctx context.Context, lines []line, last bool) error {
	if err := f.cl.BeginTransaction(); err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	written := kgo.AbortingFirstErrPromise(f.cl)
	next := f.at
	next.Ended = next.Ended && len(lines) == 0
	for _, l := range lines {
		r, err := f.record(bytes.TrimRight(l.bytes, "\r\n"))
		if err != nil {
			return fmt.Errorf("line %d of the input of topic %s: %w", next.Lines+1, f.Topic, err)
		}
		f.sum.Write(l.bytes)
		next.Bytes += int64(len(l.bytes))
		next.Open = l.open
		next.Lines++
		next.Latest = max(next.Latest, r.Timestamp.UnixMilli())
		f.cl.Produce(ctx, r, written.Promise())
	}
	if last && f.End != nil {
		next.Ended = true
		all, err := f.partitions(ctx)
		if err != nil {
			return err
		}
		for p := range all {
			r := f.End(time.UnixMilli(next.Latest))
			r.Topic, r.Context = f.Topic, context.WithValue(ctx, to(0), p)
			f.cl.Produce(ctx, r, written.Promise())
		}
	}
	next.Sum = f.sum.Sum(nil)
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	f.cl.Produce(ctx, &kgo.Record{Topic: f.position, Key: []byte("input"), Value: value}, written.Promise())
	if err := written.Err(); err != nil {
		return fmt.Errorf("feed topic %s: %w", f.Topic, err) // the next run ends the transaction
	}
	if err := f.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("feed topic %s: %w", f.Topic, err)
	}
	f.at = next
	return nil
}

// partitions is how many the topic has: it may have been there before.
func (f *feed) partitions(ctx context.Context) (int, error) {
	topics, err := f.d.admin.ListTopics(ctx, f.Topic)
	if err != nil {
		return 0, fmt.Errorf("topic %s: %w", f.Topic, err)
	}
	return len(topics[f.Topic].Partitions), nil
}

func (f *feed) record(line []byte) (*kgo.Record, error) {
	r := &kgo.Record{Value: line}
	if f.Record != nil {
		var err error
		if r, err = f.Record(line); err != nil {
			return nil, err
		}
	}
	r.Topic = f.Topic
	if r.Timestamp.IsZero() {
		r.Timestamp = time.Now()
	}
	return r, nil
}
