package wire

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// TestHurry: a connection within the machine has its congestion control when its first request is answered, and an encrypted
// one can have it, too.
func TestHurry(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	connect := func() (client, server net.Conn) {
		client, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		server, err = l.Accept()
		require.NoError(t, err)
		return client, server
	}

	s := newTestServer(t, nil)
	client, server := connect()
	s.ServeConn(server, &Listener{})
	s.send(client, 1, version(kmsg.NewPtrMetadataRequest(), 12))
	_, err = receive(client)
	require.NoError(t, err)
	require.Equal(t, localCongestion, congestion(t, server))
	require.NoError(t, client.Close())
	s.Close()

	client, server = connect()
	defer client.Close()
	defer server.Close()
	hurry(tls.Server(server, &tls.Config{}))
	require.Equal(t, localCongestion, congestion(t, server))
}

func congestion(t *testing.T, nc net.Conn) string {
	t.Helper()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var name string
	require.NoError(t, raw.Control(func(fd uintptr) {
		name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	}))
	require.NoError(t, err)
	return name
}
