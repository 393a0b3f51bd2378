// Package security says who a client is and what it may do: SASL PLAIN and
// SCRAM, the names in client certificates, users and their credentials, and an
// authorizer with the semantics of Kafka's.
//
// It does no I/O. Credentials and access control lists are encoded to pairs of
// bytes that the caller keeps; what an operator should know of log-ins,
// refusals and changes goes to a function, [Audit].
//
// What a client is told about a failed log-in is one sentence, whatever the
// cause: whether a user exists is not its business. An unknown user gets the
// same exchange, with a salt of its own, and costs the same work.
package security
