// Package conformance plays cases that were recorded from Kafka Streams: each builds its topology by the public DSL as a user would, feeds the test
// driver, and compares everything that it wrote. It has tests only.
package conformance
