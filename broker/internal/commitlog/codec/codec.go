// Package codec compresses and decompresses the records of a batch with the
// codecs of the Kafka protocol. Decompression is bounded: a small batch cannot
// make the broker allocate without limit.
package codec

// Codec is the number of a codec in a batch's attributes.
type Codec int8

// The codecs of message format 2.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)
