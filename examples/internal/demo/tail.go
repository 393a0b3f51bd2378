package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// tail reads a topic piece by piece: the committed records that were not there last time.
type tail struct {
	d     *Demo
	topic string
	next  map[int32]int64
}

func (d *Demo) tail(topic string) *tail { return &tail{d: d, topic: topic, next: map[int32]int64{}} }

// settling is how long a cluster may take to tell of a topic that was deleted and made again.
const settling = 10 * time.Second

// bounds are where the topic's partitions begin and end.
func (t *tail) bounds(ctx context.Context) (starts, ends kadm.ListedOffsets, err error) {
	if starts, err = t.d.admin.ListStartOffsets(ctx, t.topic); err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, nil, err
	}
	if ends, err = t.d.admin.ListEndOffsets(ctx, t.topic); err == nil {
		err = ends.Error()
	}
	return starts, ends, err
}

// read calls f with what is new. The ends are known beforehand: silence is not taken for the end.
func (t *tail) read(ctx context.Context, f func(*kgo.Record) error) error {
	starts, ends, err := t.bounds(ctx)
	for began := time.Now(); errors.Is(err, kerr.UnknownTopicOrPartition) && time.Since(began) < settling; { // it has just been made
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		starts, ends, err = t.bounds(ctx)
	}
	if err != nil {
		return fmt.Errorf("offsets of topic %s: %w", t.topic, err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, e := range ends[t.topic] {
		s, _ := starts.Lookup(t.topic, e.Partition)
		if next := max(t.next[e.Partition], s.Offset); next < e.Offset {
			from[e.Partition], left[e.Partition] = kgo.NewOffset().At(next), e.Offset
		}
	}
	if len(left) == 0 {
		return nil
	}
	// The last batch before an end may be a transaction's marker; keeping markers in sight tells when the end is reached.
	cl, err := kgo.NewClient(t.d.clientOptions(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.topic: from}))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("read topic %s: %w", t.topic, err)
		}
		for r := range fs.RecordsAll() {
			t.next[r.Partition] = r.Offset + 1
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() {
				continue
			}
			if err := f(r); err != nil {
				return fmt.Errorf("topic %s, partition %d, offset %d: %w", t.topic, r.Partition, r.Offset, err)
			}
		}
	}
	return nil
}
