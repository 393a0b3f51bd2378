package wire

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// localCongestion is the congestion control of connections within this machine, the one that every Linux has.
const localCongestion = "reno"

// Listen listens on a TCP address, with connections that are not paced where both ends are on this machine and there is no
// network to spare: a system whose default is BBR sends by timers, and the processor time of a byte is two to four times as
// much. A connection that was BBR's once stays paced under any other control, so that all begin without, and those over a
// network get the system's default when they are accepted. It is no error if the system does not allow that.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var system string
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
			if err == nil && setCongestion(fd, localCongestion) == nil {
				system = name
			}
		})
	}}
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &listener{l.(*net.TCPListener), system}, nil
}

// listener is what Listen returns.
type listener struct {
	*net.TCPListener
	system string // the system's congestion control; empty if the listener has that, too
}

// Accept is part of net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	if l.system != "" && !withinMachine(c) {
		l.restore(c)
	}
	return c, nil
}

// restore gives a connection the system's congestion control, unless its route has one of its own.
func (l *listener) restore(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // it may be closed already
		if name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err == nil && name == localCongestion {
			_ = setCongestion(fd, l.system) // a system's default is allowed to everybody
		}
	})
}

func setCongestion(fd uintptr, name string) error {
	return unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
}

// withinMachine reports whether both ends have the same address.
func withinMachine(nc *net.TCPConn) bool {
	local, ok1 := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	return ok1 && ok2 && local.IP.Equal(remote.IP)
}
