package wire

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestListenPacesByTheWay: a connection within the machine has its congestion control from its beginning, one from another
// address the system's.
func TestListenPacesByTheWay(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer plain.Close()
	system := congestion(t, plain)
	l, err := Listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, localCongestion, congestion(t, l), "what connections begin with")
	for from, want := range map[string]string{"127.0.0.1": localCongestion, "127.0.0.2": system} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		client, err := d.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		server, err := l.Accept()
		require.NoError(t, err)
		require.IsType(t, &net.TCPConn{}, server, "files can be sent over it")
		require.Equal(t, want, congestion(t, server), "from %s", from)
		require.NoError(t, client.Close())
		require.NoError(t, server.Close())
	}
}

// congestion returns the congestion control of a socket.
func congestion(t *testing.T, socket any) string {
	t.Helper()
	raw, err := socket.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	var name string
	require.NoError(t, raw.Control(func(fd uintptr) {
		name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}))
	require.NoError(t, err)
	return name
}
