package broker

import "net"

// pipe returns the two ends of an in-process connection. net.Pipe has no buffer: a write waits for its reader, which
// costs little between two goroutines that both do nothing else, and keeps memory bounded. It works in a
// testing/synctest bubble.
func pipe() (client, server net.Conn) { return net.Pipe() }
