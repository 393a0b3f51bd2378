// Package oracle checks random topologies against a plain batch computation: TestRandomTopologies draws a program of up to twelve operators
// and its input, runs it on the test driver (cached or not, in one or four partitions, committed in many ways, with and without crashes), and compares
// what it makes with what loops over the whole input make.
//
//	program_test.go  what is drawn, and which operators may follow which
//	build_test.go    a program with the DSL
//	batch_test.go    a program by loops
//	run_test.go      the runs, and what is compared
//
// The package has no code: it is a folder of its own because its tests need nothing of package streams but what users have.
package oracle
