// Package version is Millrace's version: what programs print and what clients tell brokers.
package version

// Version is the release that this tree becomes. It is not published yet.
const Version = "0.1.0"
