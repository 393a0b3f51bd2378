package api

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/millrace-go/millrace/broker/internal/commitlog"
	"github.com/millrace-go/millrace/broker/internal/topics"
)

// logCode returns Kafka's code for an error of the commit log. Errors that are the broker's own are logged.
func (n *Node) logCode(err error) int16 {
	if err == nil {
		return 0
	}
	kind := commitlog.KindOf(err)
	if kind == commitlog.KindStorage || kind == commitlog.KindUnknown {
		n.log.Error("log", "err", err)
	}
	return kind.Code()
}

// topicCode returns Kafka's code for an error of the catalogue.
func (n *Node) topicCode(err error) int16 {
	for _, e := range []struct {
		err  error
		kerr *kerr.Error
	}{
		{topics.ErrExists, kerr.TopicAlreadyExists},
		{topics.ErrCollides, kerr.InvalidTopicException},
		{topics.ErrName, kerr.InvalidTopicException},
		{topics.ErrUnknown, kerr.UnknownTopicOrPartition},
		{topics.ErrPartitions, kerr.InvalidPartitions},
		{topics.ErrConfig, kerr.InvalidConfig},
		{topics.ErrTooMany, kerr.PolicyViolation},
	} {
		if errors.Is(err, e.err) {
			return e.kerr.Code
		}
	}
	n.log.Error("topics", "err", err)
	return kerr.KafkaStorageError.Code
}

// text returns an error's text for a response that has room for one.
func text(err error) *string {
	if err == nil {
		return nil
	}
	s := err.Error()
	return &s
}
