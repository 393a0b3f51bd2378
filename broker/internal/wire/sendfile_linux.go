package wire

import (
	"fmt"
	"io"
	"net"
	"syscall"
)

// canSendFiles: see sendFiles.
const canSendFiles = true

// sendChunk is how much of a file is sent at once: the scheduler takes a system call of more than some tens of
// microseconds for one that blocks, and wakes a thread to run other goroutines meanwhile.
const sendChunk = 64 << 10

// sendFiles writes a frame of which pieces are in files: the kernel hands their pages to the socket. Every byte before the
// last is marked as one that more follows, so that no packet ends where a piece does.
func sendFiles(nc *net.TCPConn, head []byte, pieces []Piece) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	var (
		failed error
		from   int // of head: what comes before is written
		next   int // of pieces
	)
	if err := raw.Write(func(fd uintptr) bool {
		for {
			to := len(head)
			if next < len(pieces) {
				to = pieces[next].At
			}
			var n int
			var err error
			switch {
			case from < to:
				n, err = send(int(fd), head[from:to], next < len(pieces))
				from += n
			case next == len(pieces):
				return true
			case pieces[next].Len > 0:
				p := &pieces[next]
				n, err = syscall.Sendfile(int(fd), int(p.Fd), &p.Pos, int(min(p.Len, sendChunk)))
				p.Len -= int64(max(n, 0))
				if n == 0 && err == nil {
					err = fmt.Errorf("position %d of a file: %w", p.Pos, io.ErrUnexpectedEOF)
				}
				if p.Len == 0 {
					next++
				}
			default:
				p := &pieces[next]
				n, err = send(int(fd), p.Bytes, true)
				p.Bytes = p.Bytes[n:]
				if len(p.Bytes) == 0 {
					next++
				}
			}
			switch err {
			case nil, syscall.EINTR:
			case syscall.EAGAIN:
				return false // until the socket takes more, or its deadline
			default:
				failed = err
				return true
			}
		}
	}); err != nil {
		return err
	}
	return failed
}

// send writes some of b and returns how much.
func send(fd int, b []byte, more bool) (int, error) {
	flags := syscall.MSG_NOSIGNAL
	if more {
		flags |= syscall.MSG_MORE
	}
	n, err := syscall.SendmsgN(fd, b, nil, nil, flags)
	return max(n, 0), err
}
