package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/millrace-go/millrace/window"
)

// logger writes a store's changes to its changelog in Kafka's form.
type logger struct {
	to      Changelog // nil: not logged
	record  *RecordContext
	stamped bool // values begin with their time, which becomes the record's
	headers headersMode
}

// headersMode says which changelog records carry the headers of the record that is being processed.
type headersMode uint8

const (
	noHeaders headersMode = iota
	tombstoneHeaders
	allHeaders
)

// log writes one change: the row's key and value as the store keeps them.
func (l *logger) log(key, value []byte, gone bool) error {
	if !gone && l.stamped {
		at, v := splitStamp(value)
		return l.logAt(key, v, gone, at)
	}
	return l.logAt(key, value, gone, l.record.Time)
}

// logAt writes one change with its time.
func (l *logger) logAt(key, value []byte, gone bool, at Time) error {
	if l.to == nil {
		return nil
	}
	r := LogRecord{Key: key, Value: value, Tombstone: gone, Time: at}
	if gone {
		r.Value = nil
	}
	if l.headers == allHeaders || l.headers == tombstoneHeaders && gone {
		r.Headers = l.record.Headers
	}
	return l.to.Log(r)
}

func splitStamp(value []byte) (Time, []byte) {
	return Time(binary.BigEndian.Uint64(value)), value[8:]
}

// row is a changelog record's value as the store keeps it, in *buf.
func (l *logger) row(r *Restored, buf *[]byte) []byte {
	if !l.stamped {
		return r.Value
	}
	*buf = append(binary.BigEndian.AppendUint64((*buf)[:0], uint64(r.Time)), r.Value...)
	return *buf
}

// additionalRetention is how much longer than its store a changelog keeps records, if nothing else is configured
// (windowstore.changelog.additional.retention.ms), and how long a versioned store's changelog is not compacted.
const additionalRetention = 24 * time.Hour

// topicConfig is the configuration of a store's changelog topic. Defaults for all topics change neither the retention or the lag that come of the store's own times
// nor the policy of a store with duplicates; the store's own configuration does.
func (o *options) topicConfig(defaults map[string]string, additional time.Duration) map[string]string {
	c := map[string]string{"cleanup.policy": o.kind.policy(o), "message.timestamp.type": "CreateTime"}
	maps.Copy(c, defaults)
	switch o.kind {
	case kindWindow, kindSession:
		c["retention.ms"] = decimal(addTime(millis(cmp.Or(o.logged, o.retention)), millis(additional)))
		if o.duplicates {
			c["cleanup.policy"] = o.kind.policy(o)
		}
	case kindVersioned:
		c["min.compaction.lag.ms"] = decimal(addTime(millis(o.retention), millis(additionalRetention)))
	}
	maps.Copy(c, o.topic)
	return c
}

func decimal(t Time) string { return strconv.FormatInt(int64(t), 10) }

func (k kind) policy(o *options) string {
	switch {
	case (k == kindWindow || k == kindSession) && o.duplicates:
		return "delete"
	case k == kindWindow || k == kindSession:
		return "compact,delete"
	}
	return "compact"
}

// millis is a duration in milliseconds; window.Forever is the largest Time.
func millis(d time.Duration) Time {
	if d == window.Forever {
		return maxTime
	}
	return Time(d.Milliseconds())
}

// addTime adds without overflow; b is not negative.
func addTime(a, b Time) Time {
	if a > maxTime-b {
		return maxTime
	}
	return a + b
}

const maxTime Time = 1<<63 - 1

// storeError names the store in an error.
func storeError(name string, err error) error { return fmt.Errorf("store %s: %w", name, err) }

// RowError says that a store could not take or give a row for a reason that lies in the row: its serde failed, or no row can have its time. It is an error
// of user code or of its data, unlike those of the engine; the store goes on as if it had not been asked.
type RowError struct {
	Store string
	Err   error
}

func (e *RowError) Error() string { return fmt.Sprintf("store %s: %v", e.Store, e.Err) }
func (e *RowError) Unwrap() error { return e.Err }

func rowError(name string, err error) error { return &RowError{name, err} }
