// Package bench holds the programs behind make bench: the workloads W0-W4 on Millrace, which print one line of JSON as their Java and hand-written twins do,
// and the table of ratios.
package bench
