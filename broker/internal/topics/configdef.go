package topics

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Def describes one config.
type Def struct {
	Name    string
	Type    kmsg.ConfigType
	Default string
	// Broker is the name of the broker config that gives a topic config its default; empty if there is none.
	Broker string
	Doc    string

	min   int64
	enum  []string
	other func(string) error
}

const maxLong = "9223372036854775807"

// defs are the topic configs of Apache Kafka 4.x, and the ones that it dropped and clients still send.
var defs = []Def{
	{Name: "cleanup.policy", Type: kmsg.ConfigTypeList, Default: "delete", Broker: "log.cleanup.policy", enum: []string{"delete", "compact"},
		Doc: "What happens to old segments: delete, compact or both."},
	{Name: "compression.gzip.level", Type: kmsg.ConfigTypeInt, Default: "-1", Broker: "compression.gzip.level", min: -1, Doc: "Accepted, not used: each codec has one level."},
	{Name: "compression.lz4.level", Type: kmsg.ConfigTypeInt, Default: "9", Broker: "compression.lz4.level", min: 1, Doc: "Accepted, not used: each codec has one level."},
	{Name: "compression.type", Type: kmsg.ConfigTypeString, Default: "producer", Broker: "compression.type",
		enum: []string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"}, Doc: "The codec that batches are stored in; producer keeps theirs."},
	{Name: "compression.zstd.level", Type: kmsg.ConfigTypeInt, Default: "3", Broker: "compression.zstd.level", min: -131072, Doc: "Accepted, not used: each codec has one level."},
	{Name: "delete.retention.ms", Type: kmsg.ConfigTypeLong, Default: "86400000", Broker: "log.cleaner.delete.retention.ms", Doc: "How long a tombstone stays readable in a compacted topic."},
	{Name: "file.delete.delay.ms", Type: kmsg.ConfigTypeLong, Default: "60000", Broker: "log.segment.delete.delay.ms", Doc: "Accepted, not used: a file leaves the disk when its last reader closes it."},
	{Name: "flush.messages", Type: kmsg.ConfigTypeLong, Default: maxLong, Broker: "log.flush.interval.messages", min: 1, Doc: "Accepted, not used: the broker's sync setting decides."},
	{Name: "flush.ms", Type: kmsg.ConfigTypeLong, Default: maxLong, Broker: "log.flush.interval.ms", Doc: "Accepted, not used: the broker's sync setting decides."},
	{Name: "follower.replication.throttled.replicas", Type: kmsg.ConfigTypeList, Doc: "Accepted, not used: there is one replica."},
	{Name: "index.interval.bytes", Type: kmsg.ConfigTypeInt, Default: "4096", Broker: "log.index.interval.bytes", Doc: "How many bytes of log an index entry stands for; less than 16 KiB counts as 16 KiB."},
	{Name: "leader.replication.throttled.replicas", Type: kmsg.ConfigTypeList, Doc: "Accepted, not used: there is one replica."},
	{Name: "local.retention.bytes", Type: kmsg.ConfigTypeLong, Default: "-2", min: -2, Doc: "Accepted, not used: there is no remote storage."},
	{Name: "local.retention.ms", Type: kmsg.ConfigTypeLong, Default: "-2", min: -2, Doc: "Accepted, not used: there is no remote storage."},
	{Name: "max.compaction.lag.ms", Type: kmsg.ConfigTypeLong, Default: maxLong, Broker: "log.cleaner.max.compaction.lag.ms", min: 1, Doc: "After which age a record is compacted whatever the dirty ratio."},
	{Name: "max.message.bytes", Type: kmsg.ConfigTypeInt, Default: "1048588", Broker: "message.max.bytes", Doc: "The largest batch that is accepted."},
	{Name: "message.downconversion.enable", Type: kmsg.ConfigTypeBoolean, Default: "true", Broker: "log.message.downconversion.enable", Doc: "Accepted, not used: old fetch versions are not served."},
	{Name: "message.format.version", Type: kmsg.ConfigTypeString, Default: "3.0-IV1", Broker: "log.message.format.version", Doc: "Accepted, not used: there is one format."},
	{Name: "message.timestamp.after.max.ms", Type: kmsg.ConfigTypeLong, Default: "3600000", Broker: "log.message.timestamp.after.max.ms", Doc: "How far ahead of the broker's clock a record's timestamp may be."},
	{Name: "message.timestamp.before.max.ms", Type: kmsg.ConfigTypeLong, Default: maxLong, Broker: "log.message.timestamp.before.max.ms", Doc: "How far behind the broker's clock a record's timestamp may be."},
	{Name: "message.timestamp.difference.max.ms", Type: kmsg.ConfigTypeLong, Default: maxLong, Broker: "log.message.timestamp.difference.max.ms", Doc: "Accepted, not used: replaced by the two configs above."},
	{Name: "message.timestamp.type", Type: kmsg.ConfigTypeString, Default: "CreateTime", Broker: "log.message.timestamp.type", enum: []string{"CreateTime", "LogAppendTime"}, Doc: "Whose timestamp a record keeps: the producer's or the broker's."},
	{Name: "min.cleanable.dirty.ratio", Type: kmsg.ConfigTypeDouble, Default: "0.5", Broker: "log.cleaner.min.cleanable.ratio", other: ratio, Doc: "Which part of a compacted log has to be new before it is compacted."},
	{Name: "min.compaction.lag.ms", Type: kmsg.ConfigTypeLong, Default: "0", Broker: "log.cleaner.min.compaction.lag.ms", Doc: "How long a record is safe from compaction."},
	{Name: "min.insync.replicas", Type: kmsg.ConfigTypeInt, Default: "1", Broker: "min.insync.replicas", min: 1, Doc: "Accepted, not used: there is one replica."},
	{Name: "preallocate", Type: kmsg.ConfigTypeBoolean, Default: "false", Broker: "log.preallocate", Doc: "Accepted, not used."},
	{Name: "remote.log.copy.disable", Type: kmsg.ConfigTypeBoolean, Default: "false", Doc: "Accepted, not used: there is no remote storage."},
	{Name: "remote.log.delete.on.disable", Type: kmsg.ConfigTypeBoolean, Default: "false", Doc: "Accepted, not used: there is no remote storage."},
	{Name: "remote.storage.enable", Type: kmsg.ConfigTypeBoolean, Default: "false", enum: []string{"false"}, Doc: "Only false: there is no remote storage."},
	{Name: "retention.bytes", Type: kmsg.ConfigTypeLong, Default: "-1", Broker: "log.retention.bytes", min: -1, Doc: "How large a partition may grow before old segments are deleted; -1 is no limit."},
	{Name: "retention.ms", Type: kmsg.ConfigTypeLong, Default: "604800000", Broker: "log.retention.ms", min: -1, Doc: "How old a segment may become before it is deleted; -1 is no limit."},
	{Name: "segment.bytes", Type: kmsg.ConfigTypeInt, Default: "1073741824", Broker: "log.segment.bytes", min: 14, Doc: "At which size a segment is closed and the next one begun."},
	{Name: "segment.index.bytes", Type: kmsg.ConfigTypeInt, Default: "10485760", Broker: "log.index.size.max.bytes", min: 4, Doc: "Accepted, not used: an index grows with its segment."},
	{Name: "segment.jitter.ms", Type: kmsg.ConfigTypeLong, Default: "0", Broker: "log.roll.jitter.ms", Doc: "Accepted, not used."},
	{Name: "segment.ms", Type: kmsg.ConfigTypeLong, Default: "604800000", Broker: "log.roll.ms", min: 1, Doc: "At which age a segment is closed and the next one begun."},
	{Name: "unclean.leader.election.enable", Type: kmsg.ConfigTypeBoolean, Default: "false", Broker: "unclean.leader.election.enable", Doc: "Accepted, not used: there is one replica."},
}

// Defs returns the topic configs in order of their names. The slice must not be changed.
func Defs() []Def { return defs }

// Lookup returns the topic config of this name.
func Lookup(name string) (Def, bool) {
	i, ok := slices.BinarySearchFunc(defs, name, func(d Def, name string) int { return strings.Compare(d.Name, name) })
	if !ok {
		return Def{}, false
	}
	return defs[i], true
}

// Validate reports why value is not a value of this config.
func (d Def) Validate(value string) error {
	if err := d.validate(strings.TrimSpace(value)); err != nil {
		return fmt.Errorf("invalid value %q for configuration %s: %w", value, d.Name, err)
	}
	return nil
}

func (d Def) validate(value string) error {
	switch d.Type {
	case kmsg.ConfigTypeBoolean:
		if l := strings.ToLower(value); l != "true" && l != "false" {
			return fmt.Errorf("want true or false")
		}
	case kmsg.ConfigTypeInt, kmsg.ConfigTypeLong:
		bits := 32
		if d.Type == kmsg.ConfigTypeLong {
			bits = 64
		}
		n, err := strconv.ParseInt(value, 10, bits)
		if err != nil {
			return fmt.Errorf("want a whole number of %d bits", bits)
		}
		if n < d.min {
			return fmt.Errorf("want at least %d", d.min)
		}
	}
	if d.enum != nil {
		parts := []string{value}
		if d.Type == kmsg.ConfigTypeList {
			parts = SplitList(value)
			if len(parts) == 0 {
				return fmt.Errorf("want one or more of %s", strings.Join(d.enum, ", "))
			}
		}
		for _, p := range parts {
			if !slices.Contains(d.enum, p) {
				return fmt.Errorf("want one of %s", strings.Join(d.enum, ", "))
			}
		}
	}
	if d.other != nil {
		return d.other(value)
	}
	return nil
}

func ratio(v string) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || f < 0 || f > 1 {
		return fmt.Errorf("want a number from 0 to 1")
	}
	return nil
}

// SplitList splits a config of type list.
func SplitList(v string) []string {
	var out []string
	for p := range strings.SplitSeq(v, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
