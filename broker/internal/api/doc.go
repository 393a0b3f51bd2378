// Package api answers the requests of the Kafka protocol: one file per API key, api_NN_name.go, and one table of
// handlers, dispatch.go. What the handlers share is a [Node]: the catalogue of topics, the commit log, the group
// coordinator and the transactions, each with its own small driver here.
//
// The path of a request: wire reads and decodes it, dispatch finds its handler, the handler works on the node and
// returns the response. Nothing a handler does before it returns waits for other requests, but for locks that are held
// for the time of one append; what has to wait does so in Request.Later.
package api
