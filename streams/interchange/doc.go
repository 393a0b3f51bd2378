// Package interchange tests that an application may change its runtime: ours leaves topics behind, Java Kafka Streams restores its stores from them and goes on, and ours
// goes on from what that left. It runs with an Apache Kafka and its jars only (make interop):
//
//	MILLRACE_KAFKA=host:port   the broker
//	MILLRACE_JAVA_LIBS=path    the class path of Java Kafka Streams
package interchange
