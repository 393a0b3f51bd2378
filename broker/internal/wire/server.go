package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Limits bound what clients can make the server hold. Every field must be positive.
type Limits struct {
	FrameBytes        int           // longest frame of a client that may send requests
	FrameBytesPreAuth int           // longest frame of a client that has yet to authenticate
	InFlightBytes     int64         // all frames being read or handled; beyond it one frame at a time is read
	Connections       int           // in all
	ConnectionsPerIP  int           // from one address; loopback and in-process clients are exempt
	ConnectionsPerSec float64       // new connections
	RequestsPerConn   int           // requests read and not yet answered
	AuthTimeout       time.Duration // from accept to the end of authentication
	IdleTimeout       time.Duration // without a request
	FrameTimeout      time.Duration // from a frame's first byte to its last
	WriteTimeout      time.Duration // for one response
}

// DefaultLimits are the limits of a broker that was not told otherwise.
var DefaultLimits = Limits{
	FrameBytes:        100 << 20,
	FrameBytesPreAuth: 64 << 10,
	InFlightBytes:     128 << 20,
	Connections:       1000,
	ConnectionsPerIP:  100,
	ConnectionsPerSec: 50,
	RequestsPerConn:   16,
	AuthTimeout:       10 * time.Second,
	IdleTimeout:       10 * time.Minute,
	FrameTimeout:      30 * time.Second,
	WriteTimeout:      30 * time.Second,
}

// Listener describes where a connection came in.
type Listener struct {
	// Name is the listener's name in Kafka's sense, e.g. PLAINTEXT or SASL_SSL.
	Name string
	// Host and Port are what Metadata answers to clients of this listener.
	Host string
	Port int32
	// Encrypted says whether bytes are protected on their way.
	Encrypted bool
	// Authenticate says whether clients have to authenticate before anything else.
	Authenticate bool
	// Trusted exempts the listener from the connection limits: in-process connections.
	Trusted bool
}

// Handler answers requests. Handle is called by one goroutine per connection, in request order. It returns the answer,
// or calls Request.Later and returns nil, or returns nil for a request that has no answer. An error closes the
// connection.
//
// Slices in a Produce request's body are valid until Handle returns; those of other requests are the handler's.
type Handler interface {
	// Check says whether a request of this key and version can be decoded and handled.
	Check(c *Conn, key, version int16) Verdict
	// Decode decodes a body that Check said to serve. Strings are copied from it, byte slices are not.
	Decode(key, version int16, body []byte) (kmsg.Request, error)
	Handle(r *Request) (kmsg.Response, error)
}

// Verdict is the answer of Handler.Check.
type Verdict int8

// The verdicts.
const (
	Refuse Verdict = iota // close the connection
	Serve
	ServeV0 // ApiVersions of an unknown version: decode nothing, answer in version 0
)

// Request is one request.
type Request struct {
	Conn     *Conn
	Key      int16
	Version  int16
	ClientID string
	Body     kmsg.Request // nil for ServeV0

	later func(context.Context) kmsg.Response
}

// Later makes the answer the result of f, which the connection's writer calls when all earlier answers are written.
// The context ends when the connection or the server does; f must return soon after. A nil result is no answer.
func (r *Request) Later(f func(context.Context) kmsg.Response) { r.later = f }

// Context ends when the connection or the server does.
func (r *Request) Context() context.Context { return r.Conn.ctx }

// Server serves connections until Close.
type Server struct {
	h      Handler
	limits Limits
	log    *slog.Logger

	inFlight *budget
	accepts  *limiter
	warn     *limiter
	nextID   atomic.Uint64
	ctx      context.Context
	cancel   context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	ls     map[net.Listener]struct{}
	conns  map[*Conn]struct{}
	perIP  map[string]int
}

// NewServer returns a server for h.
func NewServer(h Handler, limits Limits, log *slog.Logger) *Server {
	s := &Server{
		h: h, limits: limits, log: log,
		inFlight: newBudget(limits.InFlightBytes),
		accepts:  newLimiter(limits.ConnectionsPerSec, max(1, limits.ConnectionsPerSec)),
		warn:     newLimiter(1, 10),
		ls:       map[net.Listener]struct{}{},
		conns:    map[*Conn]struct{}{},
		perIP:    map[string]int{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections from l until l or the server is closed. It returns nil after Close.
func (s *Server) Serve(l net.Listener, info *Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.ls[l] = struct{}{}
	s.mu.Unlock()
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		}
		s.ServeConn(nc, info)
	}
}

// ServeConn serves one connection in goroutines of its own, or closes it when a limit says so.
func (s *Server) ServeConn(nc net.Conn, info *Listener) {
	c := newConn(s, nc, info)
	if err := s.admit(c); err != nil {
		s.warnf("connection refused", "peer", c.peer, "err", err)
		c.close()
		return
	}
	go func() {
		defer s.wg.Done()
		defer s.forget(c)
		c.serve()
	}()
}

func (s *Server) admit(c *Conn) error {
	if !c.Listener.Trusted && !c.loopback() && !s.accepts.allow() {
		return fmt.Errorf("more than %g new connections per second", s.limits.ConnectionsPerSec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the broker is closing")
	}
	if !c.Listener.Trusted {
		if len(s.conns) >= s.limits.Connections && !s.makeRoom() {
			return fmt.Errorf("%d connections are open", len(s.conns))
		}
		if !c.loopback() && s.perIP[c.ip] >= s.limits.ConnectionsPerIP {
			return fmt.Errorf("%d connections are open from this address", s.perIP[c.ip])
		}
	}
	s.conns[c] = struct{}{}
	s.perIP[c.ip]++
	s.wg.Add(1)
	return nil
}

// idleForRoom is how long a connection must have sent nothing to be closed for another one.
const idleForRoom = time.Minute

// makeRoom closes the connection that has been idle the longest, if any has been for long. s.mu is held.
func (s *Server) makeRoom() bool {
	var oldest *Conn
	for c := range s.conns {
		if !c.Listener.Trusted && c.unanswered.Load() == 0 && (oldest == nil || c.used.Load() < oldest.used.Load()) {
			oldest = c
		}
	}
	if oldest == nil || time.Since(time.Unix(0, oldest.used.Load())) < idleForRoom {
		return false
	}
	s.warnf("idle connection closed for a new one", "peer", oldest.peer, "connections", len(s.conns))
	oldest.close()
	s.remove(oldest)
	return true
}

func (s *Server) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

// remove takes a connection off the books. s.mu is held.
func (s *Server) remove(c *Conn) {
	if _, ok := s.conns[c]; !ok {
		return
	}
	delete(s.conns, c)
	if s.perIP[c.ip]--; s.perIP[c.ip] == 0 {
		delete(s.perIP, c.ip)
	}
}

// Close stops accepting, closes every connection and waits for their goroutines.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for l := range s.ls {
		_ = l.Close() // the only error is that it is closed already
	}
	for c := range s.conns {
		c.close()
	}
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// warnf logs at most about one line per second: what a client does wrong it tends to do often.
func (s *Server) warnf(msg string, args ...any) {
	if s.warn.allow() {
		s.log.Warn(msg, args...)
	}
}
