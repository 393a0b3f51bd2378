// Package randomtest has no code of its own: its tests run random programs of the DSL against a plain oracle.
package randomtest
