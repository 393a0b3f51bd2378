// Package crashtest holds the tests that take an application apart from outside: child processes that are killed and stopped, a broker that is killed, a network that
// cuts, stalls and loses answers. What comes out is compared record by record with what the input says. Its default run is short; the environment makes it long:
//
//	MILLRACE_FAULTS=n          so many faults per test (make stress PART=crash)
//	MILLRACE_KAFKA=host:port   against that broker instead of embedded ones; tests that kill the broker are skipped
package crashtest
