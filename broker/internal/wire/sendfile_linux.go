package wire

import (
	"io"
	"net"
	"syscall"
)

// canSendFiles: see sendFiles.
const canSendFiles = true

// sendChunk is how much of a file is sent at once: the scheduler takes a system call of more than some tens of
// microseconds for one that blocks, and wakes a thread to run other goroutines meanwhile.
const sendChunk = 64 << 10

// sendFiles writes a frame of which pieces are in files: the kernel hands their pages to the socket. The socket is corked
// meanwhile, so that no packet ends where a piece or a chunk does.
func sendFiles(nc *net.TCPConn, head []byte, pieces []Piece) error {
	raw, err := nc.SyscallConn()
	if err != nil {
		return err
	}
	s := fileSender{head: head, pieces: pieces}
	if err := raw.Write(func(fd uintptr) bool { return s.send(int(fd)) }); err != nil {
		return err
	}
	return s.err
}

// fileSender is a frame that is being written.
type fileSender struct {
	head   []byte
	sent   int // of head
	pieces []Piece
	corked bool
	err    error
}

// send writes what the socket takes. It reports false if that was not all: it is to be called again when there is room.
func (s *fileSender) send(fd int) (done bool) {
	if !s.corked {
		s.corked = true
		if s.err = cork(fd, 1); s.err != nil {
			return true
		}
	}
	for {
		to := len(s.head)
		if len(s.pieces) > 0 {
			to = s.pieces[0].At
		}
		var err error
		switch {
		case s.sent < to:
			var n int
			n, err = syscall.SendmsgN(fd, s.head[s.sent:to], nil, nil, syscall.MSG_NOSIGNAL)
			s.sent += max(n, 0)
		case len(s.pieces) == 0:
			s.err = cork(fd, 0)
			return true
		default:
			p := &s.pieces[0]
			err = p.send(fd)
			if err == nil && p.Len == 0 && len(p.Bytes) == 0 {
				s.pieces = s.pieces[1:]
			}
		}
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			s.err = err
			return true
		}
	}
}

// send writes some of the piece, which is what is left of it then.
func (p *Piece) send(fd int) error {
	if p.Len == 0 {
		n, err := syscall.SendmsgN(fd, p.Bytes, nil, nil, syscall.MSG_NOSIGNAL)
		p.Bytes = p.Bytes[max(n, 0):]
		return err
	}
	n, err := syscall.Sendfile(fd, int(p.Fd), &p.Pos, int(min(p.Len, sendChunk)))
	switch {
	case n > 0:
		p.Len -= int64(n)
	case err == nil:
		err = &fileError{*p, io.ErrUnexpectedEOF}
	case err != syscall.EAGAIN && err != syscall.EINTR && err != syscall.EPIPE && err != syscall.ECONNRESET:
		err = &fileError{*p, err}
	}
	return err
}

// cork sets whether the socket keeps back packets that are not full.
func cork(fd, on int) error {
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_CORK, on)
}
