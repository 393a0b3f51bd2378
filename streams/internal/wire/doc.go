// Package wire has the bytes of Kafka Streams' internal topics that belong to no serde: the changelogs of buffers and of outer joins. Functions append to the caller's buffer; what they parse out of bytes points into them. All numbers are big-endian. The
// page docs/formats/internal-topics.md shows the layouts.
package wire
