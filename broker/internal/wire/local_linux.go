package wire

import (
	"crypto/tls"
	"net"
	"syscall"
)

// localCongestion is the congestion control of connections within this machine, the one that every Linux has.
const localCongestion = "reno"

// hurry takes pacing from a connection within this machine, where there is no network to spare: a system whose default is
// BBR sends by timers, and the processor time of a byte is twice to four times as long. It is no error if it stays.
func hurry(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !withinMachine(tcp) {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, localCongestion)
	})
}

// withinMachine reports whether both ends have the same address.
func withinMachine(nc *net.TCPConn) bool {
	local, ok1 := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	return ok1 && ok2 && local.IP.Equal(remote.IP)
}
