package broker

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSendBuffer: the connections of every listener have the configured send buffer. Linux reports twice what was set (socket(7)).
func TestSendBuffer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ config, want int }{{0, 2 * 102_400}, {200_000, 400_000}} {
		require.Equal(t, tc.want, sendBuffer(t, tc.config))
	}
	require.NotEqual(t, 2*102_400, sendBuffer(t, -1), "the system's own")
}

func sendBuffer(t *testing.T, config int) int {
	t.Helper()
	cfg, err := Config{Listen: "127.0.0.1:0", SendBuffer: config}.withDefaults()
	require.NoError(t, err)
	b := &Broker{cfg: cfg}
	require.NoError(t, b.openSockets(t.Context()))
	defer func() { require.NoError(t, b.closeSockets()) }()
	client, err := net.Dial("tcp", b.sockets[0].Listen)
	require.NoError(t, err)
	defer client.Close()
	server, err := b.sockets[0].l.Accept()
	require.NoError(t, err)
	defer server.Close()
	raw, err := server.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var bytes int
	require.NoError(t, raw.Control(func(fd uintptr) { bytes, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF) }))
	require.NoError(t, err)
	return bytes
}
