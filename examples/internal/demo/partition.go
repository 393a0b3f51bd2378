package demo

import "github.com/twmb/franz-go/pkg/kgo"

// to is a record's context when the record says itself where it goes.
type to int

// partitioner sends a record where its context says, others where Kafka's default partitioner does.
type partitioner struct{ kgo.Partitioner }

// ForTopic implements kgo.Partitioner.
func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.Partitioner.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

// RequiresConsistency implements kgo.TopicPartitioner.
func (p topicPartitioner) RequiresConsistency(r *kgo.Record) bool {
	_, chosen := destination(r)
	return chosen || p.TopicPartitioner.RequiresConsistency(r)
}

// Partition implements kgo.TopicPartitioner.
func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if at, chosen := destination(r); chosen {
		return at
	}
	return p.TopicPartitioner.Partition(r, n)
}

// OnNewBatch implements kgo.TopicPartitionerOnNewBatch: records without a key go elsewhere with each batch.
func (p topicPartitioner) OnNewBatch() {
	if b, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		b.OnNewBatch()
	}
}

func destination(r *kgo.Record) (int, bool) {
	if r.Context == nil {
		return 0, false
	}
	at, ok := r.Context.Value(to(0)).(int)
	return at, ok
}
