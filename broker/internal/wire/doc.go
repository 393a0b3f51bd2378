// Package wire carries Kafka's request-response framing over connections: it reads frames without trusting their
// length, parses headers, hands requests to a [Handler] one after the other and writes the answers in request order.
//
// A connection has two goroutines. The reader decodes a request and runs its handler; what a handler does before it
// returns therefore happens in request order, which keeps a producer's batches in order. A handler that has to wait
// (a long poll, a rebalance, an fsync) returns a function instead of an answer; the writer calls it when all earlier
// answers are written. Neither goroutine is shared with another connection.
package wire
