package demo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Feed writes an input's lines to a topic, each line once however often the process is killed: every transaction has some lines and a record that says
// how far the input is read, in a topic of its own with one key.
type Feed struct {
	d        *Demo
	topic    string
	position string // the topic of positions
	cl       *kgo.Client
	at       place
	sum      hash.Hash // of the input up to at
}

// place is how far an input is read. The sum tells inputs apart: two that begin with the same bytes are the same input, read further.
type place struct {
	Bytes int64  `json:"bytes"`
	Lines int64  `json:"lines"`
	Sum   []byte `json:"sha256"`
}

// NewFeed makes a feed for a topic. It ends what a killed predecessor has left open.
func (d *Demo) NewFeed(ctx context.Context, topic string) (*Feed, error) {
	f := &Feed{d: d, topic: topic, position: topic + "-position", sum: sha256.New()}
	return f, f.open(ctx)
}

func (f *Feed) open(ctx context.Context) error {
	compact := "compact"
	if _, err := f.d.admin.CreateTopic(ctx, 1, -1, map[string]*string{"cleanup.policy": &compact}, f.position); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", f.position, err)
	}
	var err error
	f.cl, err = kgo.NewClient(append(f.d.Options(), kgo.TransactionalID(f.d.Name+"-feed"), kgo.TransactionTimeout(10*time.Second), kgo.ProducerLinger(2*time.Millisecond),
		kgo.ConcurrentTransactionsBackoff(2*time.Millisecond), kgo.MetadataMinAge(100*time.Millisecond))...)
	if err != nil {
		return err
	}
	if _, _, err := f.cl.ProducerID(ctx); err != nil {
		return fmt.Errorf("feed: producer id: %w", err)
	}
	return f.load(ctx)
}

// load reads the last committed position. The end of the topic is known beforehand: silence is not taken for it.
func (f *Feed) load(ctx context.Context) error {
	ends, err := f.d.admin.ListCommittedOffsets(ctx, f.position)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(f.position, 0)
	if end.Err != nil {
		return end.Err
	}
	starts, err := f.d.admin.ListStartOffsets(ctx, f.position)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(f.position, 0)
	if start.Offset >= end.Offset {
		return nil
	}
	// The last batch before the end is a transaction's marker; keeping markers in sight tells when the end is reached.
	cl, err := kgo.NewClient(append(f.d.Options(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{f.position: {0: kgo.NewOffset().At(start.Offset)}}))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for next := start.Offset; next < end.Offset; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", f.position, err)
		}
		for r := range fs.RecordsAll() {
			next = r.Offset + 1
			if r.Attrs.IsControl() {
				continue
			}
			f.at = place{}
			if err := json.Unmarshal(r.Value, &f.at); err != nil {
				return fmt.Errorf("topic %s does not hold positions: %w", f.position, err)
			}
		}
	}
	return nil
}

// Resume skips what earlier runs have read of in. It answers false when in is another input than theirs: then Reset, NewFeed, and the input from its beginning.
func (f *Feed) Resume(in io.Reader) (same bool, err error) {
	n, err := io.CopyN(f.sum, in, f.at.Bytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the input: %w", err)
	}
	return n == f.at.Bytes && (f.at.Bytes == 0 || string(f.sum.Sum(nil)) == string(f.at.Sum)), nil
}

// Topics are the topics that the feed writes.
func (f *Feed) Topics() []string { return []string{f.topic, f.position} }

// Bytes is how much of the input is committed, Lines how many lines.
func (f *Feed) Bytes() int64 { return f.at.Bytes }

// Lines is the number of lines that are committed.
func (f *Feed) Lines() int64 { return f.at.Lines }

const (
	linesPerTransaction = 10_000
	longestLine         = 800_000 // what fits into a record
)

// Run writes the lines of in, which Resume has brought to the right place. progress is told the committed bytes.
func (f *Feed) Run(ctx context.Context, in io.Reader, progress func(bytes int64)) error {
	lines := lineReader{r: bufio.NewReaderSize(in, 64<<10)}
	for more := true; more; {
		if err := f.cl.BeginTransaction(); err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		next := f.at
		var failed error
		for range linesPerTransaction {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return fmt.Errorf("read the input at byte %d: %w", next.Bytes, err)
			}
			f.sum.Write(line)
			next.Bytes += int64(len(line))
			next.Lines++
			f.cl.Produce(ctx, &kgo.Record{Topic: f.topic, Value: bytes.TrimRight(line, "\r\n")}, func(_ *kgo.Record, err error) {
				if err != nil && failed == nil {
					failed = err
				}
			})
		}
		if next.Bytes == f.at.Bytes {
			return f.cl.EndTransaction(ctx, kgo.TryCommit)
		}
		next.Sum = f.sum.Sum(nil)
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		f.cl.Produce(ctx, &kgo.Record{Topic: f.position, Key: []byte("input"), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil {
				failed = err
			}
		})
		if err := f.cl.Flush(ctx); err != nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("feed topic %s: %w", f.topic, failed)
		}
		if err := f.cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return fmt.Errorf("feed: end transaction: %w", err)
		}
		f.at = next
		progress(f.at.Bytes)
	}
	return nil
}

// lineReader cuts an input into lines with their ends.
type lineReader struct {
	r    *bufio.Reader
	rest []byte // of a line that was cut
}

// next is one line, in memory of its own. A line that is longer than a record may be comes in pieces, cut at spaces.
func (l *lineReader) next() ([]byte, error) {
	line := l.rest
	l.rest = nil
	for len(line) < longestLine {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil || errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
	if i := bytes.LastIndexAny(line, " \t"); i > 0 {
		l.rest = bytes.Clone(line[i:])
		line = line[:i:i]
	}
	return line, nil
}

// Close closes the feed's client.
func (f *Feed) Close() { f.cl.Close() }
