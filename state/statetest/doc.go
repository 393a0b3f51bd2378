// Package statetest is the conformance suite of state stores: random operations on each kind of store must give what a plain map
// gives, over memory and over the database, with and without a record cache, across commits, crashes and restores.
package statetest
