// Package window says which windows an instant belongs to, when they close, and how a key within a window is written as bytes. It is
// pure arithmetic on milliseconds: nothing here reads a clock.
//
// # Time
//
// A [Time] is an instant in milliseconds since the epoch, Kafka's own clock. Its arithmetic saturates. Durations are time.Duration and
// must be whole milliseconds; [Forever] stands for Kafka's largest duration, which time.Duration cannot hold.
//
// # Kinds of windows
//
//   - [Tumbling]: of one size, one after the other, aligned to the epoch.
//   - [Hopping]: of one size, starting every advance, so that they overlap.
//   - [Unlimited]: one window from an instant on.
//   - [Sliding]: around the records themselves: all records no further apart than a difference.
//   - [Session]: of activity, ended by a gap without any.
//   - [Join]: how far apart two records of a stream-stream join may be.
//
// A definition is a plain value that names the type of the key, window.Tumbling[string]{Size: time.Minute}, and is given to WindowedBy
// or WindowedBySession. What its fields must keep, Check says; Build reports it.
//
// Each of the first three is an [Assigner]: its windows follow from the timestamp alone. A calendar window (days of a time zone, months) is
// an Assigner of yours: embed [Tumbling], whose Size is then the longest that a window can be, and write Assign. The example of
// Assigner shows it.
//
// # Which records count
//
// Time windows contain their start and not their end; sliding and session windows contain both. Records before the epoch belong to no
// time window, and no window starts before the epoch: the first hopping windows of the epoch are fewer, as in Kafka. A record so far in
// the future that the end of its window is not a Time anymore fails (see [CheckAssigned]).
//
// A window is open until stream time passes its end by the grace, which is zero unless given. What closes when is said at each kind.
//
// # Keys as bytes
//
// A windowed table's key is a [Windowed]: a key within a [Window]. [KeySerde] writes it as Kafka Streams does, so that either reads the
// topics and changelogs of the other; [TimeSerde] and [SessionSerde] read such topics. A partition is chosen by the inner key alone.
package window
