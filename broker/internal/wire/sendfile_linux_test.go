package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tcpPair returns both ends of a connection, of which the server takes little at a time.
func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	s, err := l.Accept()
	require.NoError(t, err)
	client, server = c.(*net.TCPConn), s.(*net.TCPConn)
	t.Cleanup(func() { client.Close(); server.Close() })
	require.NoError(t, server.SetWriteBuffer(64<<10))
	return client, server
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func testFile(t *testing.T, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// A frame arrives whole and in order, wherever its pieces come from, on a socket that takes a little at a time.
func TestSendFiles(t *testing.T) {
	t.Parallel()
	content := randomBytes(3 << 20)
	f := testFile(t, content)
	client, server := tcpPair(t)
	for range 10 {
		head := randomBytes(100 + rand.IntN(1000))
		var pieces []Piece
		var want []byte
		from := 0
		for at := rand.IntN(50); at < len(head); at += rand.IntN(200) {
			p := Piece{At: at}
			want = append(want, head[from:at]...)
			from = at
			if rand.IntN(2) == 0 {
				p.Bytes = randomBytes(1 + rand.IntN(100_000))
				want = append(want, p.Bytes...)
			} else {
				p.Fd, p.Len = f.Fd(), 1+rand.Int64N(1<<20)
				p.Pos = rand.Int64N(int64(len(content)) - p.Len)
				want = append(want, content[p.Pos:p.Pos+p.Len]...)
			}
			pieces = append(pieces, p)
		}
		want = append(want, head[from:]...)
		sent := make(chan error, 1)
		go func() { sent <- sendFiles(server, head, pieces) }()
		got := make([]byte, len(want))
		_, err := io.ReadFull(client, got)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		require.True(t, bytes.Equal(want, got))
	}
}

// What cannot be sent is an error: a file that is too short, and a client that does not read.
func TestSendFilesFails(t *testing.T) {
	t.Parallel()
	f := testFile(t, randomBytes(100))
	client, server := tcpPair(t)
	go func() { _, _ = io.Copy(io.Discard, client) }() // it ends with the test
	err := sendFiles(server, []byte("head"), []Piece{{At: 4, Fd: f.Fd(), Len: 101}})
	e, ok := errors.AsType[*fileError](err)
	require.True(t, ok)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, Piece{At: 4, Fd: f.Fd(), Pos: 100, Len: 1}, e.piece)
	require.NoError(t, f.Close())
	_, ok = errors.AsType[*fileError](sendFiles(server, []byte("head"), []Piece{{At: 4, Fd: 1 << 20, Len: 1}}))
	require.True(t, ok, "no such file")

	gone, server := tcpPair(t)
	require.NoError(t, gone.Close())
	f = testFile(t, make([]byte, 16<<20))
	err = sendFiles(server, []byte("head"), []Piece{{At: 4, Fd: f.Fd(), Len: 16 << 20}})
	require.Error(t, err)
	_, ok = errors.AsType[*fileError](err)
	require.False(t, ok, "the client has gone, nothing is wrong with the file")

	f = testFile(t, make([]byte, 16<<20))
	_, server = tcpPair(t)
	require.NoError(t, server.SetWriteDeadline(time.Now()))
	require.ErrorIs(t, sendFiles(server, []byte("head"), []Piece{{At: 4, Fd: f.Fd(), Len: 16 << 20}}), os.ErrDeadlineExceeded)
}
