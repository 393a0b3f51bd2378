package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/millrace-go/millrace/streams"
	"github.com/millrace-go/millrace/topology"
)

// Where the runner's vocabulary, Kafka's, meets the library's: configuration, timestamp extractors, internal topics.

// configuration is a case's config in the library's words. What Kafka has as a default of 10 MiB of cache is 0 in the cases.
func configuration(c *recordedCase) (cfg streams.Config, build []streams.BuildOption, err error) {
	none := int64(0)
	cfg = streams.Config{ApplicationID: "app", CacheBytes: &none}
	for _, key := range sortedKeys(c.Config) {
		value := fmt.Sprint(c.Config[key])
		switch key {
		case "application.id":
			cfg.ApplicationID = value
		case "statestore.cache.max.bytes":
			cfg.CacheBytes = new(int64)
			*cfg.CacheBytes, err = strconv.ParseInt(value, 10, 64)
		case "topology.optimization":
			var r streams.Rewrite
			r, err = rewrites(value)
			build = append(build, streams.Optimize(r))
		case "ensure.explicit.internal.resource.naming":
			if value == "true" {
				build = append(build, streams.RequireNames())
			}
		case "processing.exception.handler":
			cfg.OnProcessingError, err = handler(value)
		case "deserialization.exception.handler":
			if cfg.OnDeserializationError, err = handler(value); cfg.OnDeserializationError != nil {
				cfg.OnDeserializationError = dropUndecodable
			}
		case "replication.factor": // of topics that the driver does not make
		case "max.task.idle.ms":
			var n int64
			n, err = strconv.ParseInt(value, 10, 64)
			cfg.MaxTaskIdle = millis(n)
		case "__emit.interval.ms.kstreams.outer.join.spurious.results.fix__":
			var n int64
			n, err = strconv.ParseInt(value, 10, 64)
			cfg.EmitInterval = millis(n)
		case "dsl.store.format":
			if value == "HEADERS" {
				build = append(build, streams.TombstoneHeaders())
			}
		case "windowstore.changelog.additional.retention.ms":
			var n int64
			n, err = strconv.ParseInt(value, 10, 64)
			if cfg.ChangelogRetention = millis(n); n == 0 {
				cfg.ChangelogRetention = -time.Millisecond // 0 is the default
			}
		case "dsl.store.suppliers.class":
			if !strings.HasSuffix(value, "$InMemoryDslStoreSuppliers") {
				err = unsupported("store suppliers " + value)
			}
			build = append(build, streams.StoresInMemory())
		default:
			name, ok := strings.CutPrefix(key, "topic.")
			if !ok {
				err = unsupported("config " + key)
				break
			}
			if cfg.TopicConfig == nil {
				cfg.TopicConfig = map[string]string{}
			}
			cfg.TopicConfig[name] = value
		}
		if err != nil {
			return cfg, nil, err
		}
	}
	return cfg, build, nil
}

// handler is an exception handler by its Java class: one that goes on, or the default, which fails.
func handler(class string) (streams.Handler, error) {
	switch {
	case strings.Contains(class, "LogAndContinue"):
		return func(context.Context, *streams.Failure) streams.Decision { return streams.Drop }, nil
	case strings.Contains(class, "LogAndFail"):
		return nil, nil
	}
	return nil, unsupported("handler " + class)
}

// dropUndecodable goes on after bytes that cannot be decoded. Java's handler never hears of a time that is refused.
func dropUndecodable(_ context.Context, f *streams.Failure) streams.Decision {
	if e, ok := errors.AsType[*topology.DecodeError](f.Err); ok && e.Part == "timestamp" {
		return streams.Fail
	}
	return streams.Drop
}

// rewrites reads topology.optimization.
func rewrites(value string) (r streams.Rewrite, err error) {
	for name := range strings.SplitSeq(value, ",") {
		switch name {
		case "none":
		case "all":
			r |= streams.AllRewrites
		case "reuse.ktable.source.topics":
			r |= streams.ReuseSourceTopics
		case "merge.repartition.topics":
			r |= streams.MergeRepartitions
		case "single.store.self.join":
			r |= streams.SingleStoreSelfJoin
		default:
			return 0, unsupported("topology.optimization " + value)
		}
	}
	return r, nil
}

// timestampOption is an option of streams and of tables.
type timestampOption interface {
	streams.SourceOption
	streams.TableOption
}

// timestamps is a timestamp extractor, or nil for the default: a negative time fails the record. One that an extractor answers drops it.
func timestamps[V any](name string) timestampOption {
	switch name {
	case "", "record":
		return nil
	case "logAndSkip":
		return streams.Timestamps(func(r streams.Record[string, V], _ topology.RecordMetadata, _ streams.Time) streams.Time {
			return r.Time
		})
	case "usePartitionTime":
		return streams.Timestamps(topology.UsePartitionTime[string, V])
	case "fromValue":
		return streams.Timestamps(func(r streams.Record[string, V], _ topology.RecordMetadata, _ streams.Time) streams.Time {
			if r.Tombstone {
				return -1
			}
			return streams.Time(timeFromValue(textOf(r.Value)))
		})
	}
	panic(unsupported("timestamps " + name))
}

// internalTopics are the configs of the internal topics that the application would create, by full name.
func internalTopics(t *topology.Topology, cfg streams.Config) map[string]map[string]string {
	topics := map[string]map[string]string{}
	for _, topic := range cfg.InternalTopics(t) {
		topics[topic.Name] = topic.Config
	}
	return topics
}
