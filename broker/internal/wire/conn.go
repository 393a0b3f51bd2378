package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// readBuffer is the size of a connection's read buffer. Frames longer than it are read past it, straight into place.
const readBuffer = 16 << 10

// pool keeps buffers for the next request or response.
type pool struct {
	max int // larger ones are left to the garbage collector
	p   sync.Pool
}

func newPool(max int) *pool {
	return &pool{max: max, p: sync.Pool{New: func() any { return new([]byte) }}}
}

func (p *pool) get() *[]byte { return p.p.Get().(*[]byte) }

// put keeps b in the place that get returned.
func (p *pool) put(at *[]byte, b []byte) {
	if cap(b) <= p.max {
		*at = b
		p.p.Put(at)
	}
}

// The frames of Produce requests, the other frames being left to their handlers, and the encoded responses: two pools,
// because a producer's frames and a producer's responses have nothing in common.
var (
	frames    = newPool(8 << 20)
	responses = newPool(64 << 20)
)

// Sized is implemented by responses that know about how long they will be.
type Sized interface{ SizeHint() int }

// Piece is bytes that belong into a frame at a place of it: Bytes or, if Len is not 0, a section of a file. Only a
// connection that [Conn.SendsFiles] takes the latter.
type Piece struct {
	At       int
	Bytes    []byte
	Fd       uintptr
	Pos, Len int64
}

// Pieced is implemented by responses whose large parts go to the connection from where they are. AppendPieces is AppendTo without them; they are in order.
type Pieced interface {
	AppendPieces(dst []byte) ([]byte, []Piece)
	// FileFailed is called when a section of a file cannot be read; p is what is left of it. The connection is closed: the
	// client cannot be told in the middle of an answer.
	FileFailed(p Piece, err error)
}

// fileError is an error of a file that was to be sent, as opposed to one of the connection.
type fileError struct {
	piece Piece // what was left of it
	err   error
}

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// Conn is one client connection.
type Conn struct {
	ID       uint64
	Listener *Listener

	s    *Server
	nc   net.Conn
	peer string
	ip   string

	ctx    context.Context
	cancel context.CancelFunc
	once   sync.Once

	authenticated atomic.Bool
	unanswered    atomic.Int64
	muted         atomic.Int64 // until when no further request is read, in nanoseconds of Unix time
	used          atomic.Int64 // when it last sent something, in ns
	// Auth is the state of the connection's authentication, owned by the handler and used by the reader only.
	Auth any
}

func newConn(s *Server, nc net.Conn, info *Listener) *Conn {
	c := &Conn{ID: s.nextID.Add(1), Listener: info, s: s, nc: nc, peer: nc.RemoteAddr().String()}
	c.ip = c.peer
	if host, _, err := net.SplitHostPort(c.peer); err == nil {
		c.ip = host
	}
	c.authenticated.Store(!info.Authenticate)
	c.used.Store(time.Now().UnixNano())
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	return c
}

// Host returns the client's address without the port.
func (c *Conn) Host() string { return c.ip }

// SetAuthenticated lifts the limits for clients that have not authenticated.
func (c *Conn) SetAuthenticated() { c.authenticated.Store(true) }

// Authenticated reports whether the client may send requests.
func (c *Conn) Authenticated() bool { return c.authenticated.Load() }

// TLS returns the state of the connection's encryption, if it has one.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	if t, ok := c.nc.(*tls.Conn); ok {
		return t.ConnectionState(), true
	}
	return tls.ConnectionState{}, false
}

// SendsFiles reports whether sections of files can go to the connection without passing through this process's memory.
func (c *Conn) SendsFiles() bool {
	_, tcp := c.nc.(*net.TCPConn)
	return tcp && canSendFiles
}

// Loopback reports whether the client is on this machine, as far as its address says.
func (c *Conn) Loopback() bool { return c.loopback() }

func (c *Conn) loopback() bool {
	ip := net.ParseIP(c.ip)
	return ip != nil && ip.IsLoopback()
}

// Abort closes the connection at once: there is no answer to a request that was accepted.
func (c *Conn) Abort() { c.close() }

func (c *Conn) close() {
	c.once.Do(func() {
		c.cancel()
		_ = c.nc.Close() // nothing is left to do with the connection, whatever the error
	})
}

// answer is one place in the order of responses.
type answer struct {
	correlationID int32
	version       int16
	resp          kmsg.Response
	later         func(context.Context) kmsg.Response
	last          bool // close the connection after this answer
}

func (c *Conn) serve() {
	answers := make(chan answer, c.s.limits.RequestsPerConn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.write(answers)
	}()
	err := c.read(answers)
	close(answers)
	switch {
	case err == nil: // the last answer is still to be written
	case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || c.ctx.Err() != nil:
		c.close()
	default:
		var ne net.Error
		if !errors.As(err, &ne) {
			c.s.warnf("connection closed", "peer", c.peer, "err", err)
		}
		c.close()
	}
	<-done
	c.close()
}

// read handles requests until an error; nil means that the connection is to be closed after the last answer.
func (c *Conn) read(answers chan<- answer) error {
	r := bufio.NewReaderSize(c.nc, readBuffer)
	accepted := time.Now()
	if err := c.handshake(accepted.Add(c.s.limits.AuthTimeout)); err != nil {
		return err
	}
	for {
		now := time.Now()
		c.used.Store(now.UnixNano())
		deadline := now.Add(c.s.limits.IdleTimeout)
		if !c.Authenticated() {
			deadline = accepted.Add(c.s.limits.AuthTimeout)
		}
		if err := c.nc.SetReadDeadline(deadline); err != nil {
			return err
		}
		if _, err := r.Peek(1); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && c.unanswered.Load() > 0 {
				continue // it waits for us, not we for it
			}
			return err
		}
		if err := c.waitMuted(); err != nil {
			return err
		}
		if err := c.nc.SetReadDeadline(time.Now().Add(c.s.limits.FrameTimeout)); err != nil {
			return err
		}
		a, ok, err := c.one(r)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if a.resp != nil && !a.last && c.unanswered.Load() == 0 {
			// The writer has nothing to do: to wake it would take longer than to write.
			if err := c.writeAnswer(a, a.resp); err != nil {
				return err
			}
			continue
		}
		c.unanswered.Add(1)
		select {
		case answers <- a:
		case <-c.ctx.Done():
			release(a.resp)
			return c.ctx.Err()
		}
		if a.last {
			return nil
		}
	}
}

// Mute keeps the connection's next request from being read for a while. It may be called from any goroutine; the latest
// end counts.
func (c *Conn) Mute(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		old := c.muted.Load()
		if old >= until || c.muted.CompareAndSwap(old, until) {
			return
		}
	}
}

// waitMuted waits until the connection may be read again.
func (c *Conn) waitMuted() error {
	for {
		until := c.muted.Load()
		if until == 0 {
			return nil
		}
		d := time.Until(time.Unix(0, until))
		if d <= 0 {
			return nil
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-c.ctx.Done():
			t.Stop()
			return c.ctx.Err()
		}
	}
}

// handshake does the handshake of an encrypted connection: clients get as long for it as to authenticate.
func (c *Conn) handshake(deadline time.Time) error {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := c.nc.SetDeadline(deadline); err != nil {
		return err
	}
	if err := t.HandshakeContext(c.ctx); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return c.nc.SetDeadline(time.Time{})
}

// one reads and handles one request. ok is false for a request without an answer.
func (c *Conn) one(r *bufio.Reader) (a answer, ok bool, err error) {
	limit := c.s.limits.FrameBytes
	if !c.Authenticated() {
		limit = c.s.limits.FrameBytesPreAuth
	}
	size, err := readSize(r, limit)
	if err != nil {
		return a, false, err
	}
	take := func(int) error { return nil }
	// Small frames are not counted: a heartbeat must not wait for a producer's memory.
	if size > growStep {
		var s share
		defer c.s.inFlight.give(&s)
		take = func(n int) error {
			waited, err := c.s.inFlight.take(c.ctx, &s, int64(n))
			if err == nil && waited { // the client was not what took long
				err = c.nc.SetReadDeadline(time.Now().Add(c.s.limits.FrameTimeout))
			}
			return err
		}
	}
	var buf *[]byte
	var frame []byte
	if key, err := r.Peek(2); err == nil && binary.BigEndian.Uint16(key) == uint16(kmsg.Produce) {
		buf = frames.get()
		frame = *buf
	}
	frame, err = readBody(r, frame, size, take)
	if err != nil {
		return a, false, err
	}
	h, body, err := parseHeader(frame, isFlexible)
	if err != nil {
		return a, false, err
	}
	req := &Request{Conn: c, Key: h.key, Version: h.version, ClientID: h.clientID}
	a.correlationID, a.version = h.correlationID, h.version
	a.resp, err = c.handle(req, body, &a)
	if errors.Is(err, ErrCloseAfter) {
		a.last, err = true, nil
	}
	if err != nil {
		return a, false, err
	}
	// Strings are copies, byte slices are not: only the frame of a Produce request, whose records are in the log by
	// now, is known to be free again.
	if buf != nil {
		frames.put(buf, frame)
	}
	a.later = req.later
	return a, a.resp != nil || a.later != nil, nil
}

// handle decodes the body and runs the handler. A panic of the handler ends the connection: one client's request must
// not end the program that the broker is part of.
func (c *Conn) handle(req *Request, body []byte, a *answer) (resp kmsg.Response, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.panicked(req.Key, req.Version, r)
		}
	}()
	switch c.s.h.Check(c, req.Key, req.Version) {
	case ServeV0:
		a.version = 0
	case Serve:
		if req.Body, err = c.s.h.Decode(req.Key, req.Version, body); err != nil {
			return nil, fmt.Errorf("%w: %s v%d from client %q: %w", ErrFrame, kmsg.NameForKey(req.Key), req.Version, req.ClientID, err)
		}
	default:
		return nil, fmt.Errorf("%w: api key %d version %d is not served (client %q)", ErrFrame, req.Key, req.Version, req.ClientID)
	}
	return c.s.h.Handle(req)
}

// await runs what a handler left for later, with the same care.
func (c *Conn) await(a answer) (resp kmsg.Response) {
	defer func() {
		if r := recover(); r != nil {
			_ = c.panicked(-1, a.version, r) // it has been logged, and there is nobody to return it to
			c.close()
		}
	}()
	return a.later(c.ctx)
}

func (c *Conn) panicked(key, version int16, r any) error {
	c.s.log.Error("a request made the broker panic", "api", kmsg.NameForKey(key), "version", version, "peer", c.peer, "panic", r, "stack", string(debug.Stack()))
	return fmt.Errorf("panic: %v", r)
}

// release gives back what a response holds.
func release(resp kmsg.Response) {
	if r, ok := resp.(interface{ Release() }); ok {
		r.Release()
	}
}

// ErrCloseAfter is returned by a Handler beside an answer after which the connection is to be closed.
var ErrCloseAfter = errors.New("close after the answer")

// write writes answers in order until the channel is closed or the connection fails.
func (c *Conn) write(answers <-chan answer) {
	for a := range answers {
		resp := a.resp
		if a.later != nil {
			resp = c.await(a)
		}
		if resp == nil || c.ctx.Err() != nil {
			release(resp)
			c.unanswered.Add(-1)
			continue
		}
		if err := c.writeAnswer(a, resp); err != nil {
			c.close() // the reader reports what there is to report
		}
		c.unanswered.Add(-1)
	}
}

func (c *Conn) writeAnswer(a answer, resp kmsg.Response) error {
	resp.SetVersion(a.version)
	return c.writeOne(a.correlationID, resp)
}

func (c *Conn) writeOne(correlationID int32, resp kmsg.Response) error {
	buf := responses.get()
	b := (*buf)[:0]
	if tcp, ok := c.nc.(*net.TCPConn); ok {
		if p, ok := resp.(Pieced); ok {
			b, err := c.writePieces(tcp, b, correlationID, resp, p)
			release(resp)
			responses.put(buf, b)
			return err
		}
	}
	if s, ok := resp.(Sized); ok {
		b = slices.Grow(b, s.SizeHint())
	}
	b = appendResponse(b, correlationID, resp)
	release(resp)
	err := c.nc.SetWriteDeadline(time.Now().Add(c.s.limits.WriteTimeout))
	if err == nil {
		_, err = c.nc.Write(b)
	}
	responses.put(buf, b)
	return err
}

// writePieces writes a response without copying its pieces (writev, sendfile).
func (c *Conn) writePieces(nc *net.TCPConn, b []byte, correlationID int32, resp kmsg.Response, p Pieced) ([]byte, error) {
	b = appendHeader(b, correlationID, resp)
	b, pieces := p.AppendPieces(b)
	size, files := len(b), false
	for _, x := range pieces {
		size += len(x.Bytes) + int(x.Len)
		files = files || x.Len > 0
	}
	binary.BigEndian.PutUint32(b, uint32(size-4))
	if err := nc.SetWriteDeadline(time.Now().Add(c.s.limits.WriteTimeout)); err != nil {
		return b, err
	}
	if files {
		err := sendFiles(nc, b, pieces)
		if e, ok := errors.AsType[*fileError](err); ok {
			p.FileFailed(e.piece, e.err)
		}
		return b, err
	}
	bufs := make(net.Buffers, 0, 2*len(pieces)+1)
	from := 0
	for _, x := range pieces {
		bufs = append(bufs, b[from:x.At], x.Bytes)
		from = x.At
	}
	bufs = append(bufs, b[from:])
	_, err := bufs.WriteTo(nc)
	return b, err
}
