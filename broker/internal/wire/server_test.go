package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fake answers Metadata at once, and Fetch when its channel is closed.
type fake struct{ release chan struct{} }

func (f *fake) Check(_ *Conn, key, version int16) Verdict {
	switch kmsg.Key(key) {
	case kmsg.Metadata, kmsg.Fetch, kmsg.Produce, kmsg.Heartbeat, kmsg.JoinGroup, kmsg.SyncGroup:
		return Serve
	case kmsg.ApiVersions:
		return ServeV0
	}
	return Refuse
}

func (f *fake) Decode(key, version int16, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	return req, req.ReadFrom(body)
}

func (f *fake) Handle(r *Request) (kmsg.Response, error) {
	switch kmsg.Key(r.Key) {
	case kmsg.Fetch:
		r.Later(func(ctx context.Context) kmsg.Response {
			select {
			case <-f.release:
			case <-ctx.Done():
			}
			return kmsg.NewPtrFetchResponse()
		})
		return nil, nil
	case kmsg.Produce:
		return nil, nil // acks=0
	case kmsg.JoinGroup:
		panic("a mistake")
	case kmsg.SyncGroup:
		r.Later(func(context.Context) kmsg.Response { panic("a late mistake") })
		return nil, nil
	case kmsg.Heartbeat:
		return kmsg.NewPtrHeartbeatResponse(), ErrCloseAfter
	case kmsg.ApiVersions:
		return kmsg.NewPtrApiVersionsResponse(), nil
	}
	return kmsg.NewPtrMetadataResponse(), nil
}

// bigMetadata is a request of about so many bytes.
func bigMetadata(size int) kmsg.Request {
	req := kmsg.NewPtrMetadataRequest()
	for n := 0; n < size; n += 1002 {
		name := strings.Repeat("x", 1000)
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	return version(req, 4)
}

type testServer struct {
	*Server
	t *testing.T
	f *fake
}

func newTestServer(t *testing.T, change func(*Limits)) *testServer {
	l := DefaultLimits
	if change != nil {
		change(&l)
	}
	f := &fake{release: make(chan struct{})}
	return &testServer{NewServer(f, l, slog.New(slog.DiscardHandler)), t, f}
}

// dial connects to the server as a client of a listener.
func (s *testServer) dial(info Listener) net.Conn {
	client, server := net.Pipe()
	s.ServeConn(server, &info)
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// send writes a request in a goroutine of its own: a pipe has no buffer.
func (s *testServer) send(c net.Conn, correlation int32, req kmsg.Request) {
	b := kmsg.NewRequestFormatter().AppendRequest(nil, req, correlation)
	go func() { _, _ = c.Write(b) }() // the reader of the answer notices a failure
}

// receive reads a response and returns its correlation id.
func receive(c net.Conn) (int32, error) {
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:4]))-4)
	return int32(binary.BigEndian.Uint32(head[4:])), err
}

func version(req kmsg.Request, v int16) kmsg.Request {
	req.SetVersion(v)
	return req
}

func TestResponsesKeepTheOrderOfRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		defer s.Close()
		c, other := s.dial(Listener{Trusted: true}), s.dial(Listener{Trusted: true})
		for i, req := range []kmsg.Request{kmsg.NewPtrFetchRequest(), kmsg.NewPtrMetadataRequest(), kmsg.NewPtrProduceRequest(), kmsg.NewPtrMetadataRequest()} {
			s.send(c, int32(i), version(req, 4))
			synctest.Wait() // read, and waiting behind the fetch
		}
		// A fetch that waits holds up nobody else.
		s.send(other, 9, version(kmsg.NewPtrMetadataRequest(), 4))
		id, err := receive(other)
		require.NoError(t, err)
		require.EqualValues(t, 9, id)

		close(s.f.release)
		for _, want := range []int32{0, 1, 3} {
			id, err := receive(c)
			require.NoError(t, err)
			require.Equal(t, want, id)
		}
	})
}

func TestWhatIsNotARequestEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		defer s.Close()
		good := s.dial(Listener{Trusted: true})
		for name, b := range map[string][]byte{
			"unknown key":    {0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
			"2 GiB":          {0x7f, 0xff, 0xff, 0xff},
			"negative":       {0xff, 0xff, 0xff, 0xff},
			"garbage body":   {0, 0, 0, 10, 0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff},
			"truncated head": {0, 0, 0, 8, 0, 3, 0, 4, 0, 0, 0, 1},
			"http":           []byte("GET / HTTP/1.1\r\n\r\n"),
		} {
			c := s.dial(Listener{Trusted: true})
			go func() { _, _ = c.Write(b) }() // cut off on purpose
			_, err := receive(c)
			require.Error(t, err, name)
		}
		s.send(good, 1, version(kmsg.NewPtrMetadataRequest(), 4))
		_, err := receive(good)
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 1, s.Connections())
	})
}

func TestPanicEndsItsConnectionOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		defer s.Close()
		for _, req := range []kmsg.Request{kmsg.NewPtrJoinGroupRequest(), kmsg.NewPtrSyncGroupRequest()} {
			c := s.dial(Listener{Trusted: true})
			s.send(c, 1, req)
			_, err := receive(c)
			require.ErrorIs(t, err, io.EOF)
		}
		c := s.dial(Listener{Trusted: true})
		s.send(c, 1, version(kmsg.NewPtrMetadataRequest(), 4))
		_, err := receive(c)
		require.NoError(t, err)
	})
}

func TestCloseAfterTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		defer s.Close()
		c := s.dial(Listener{Trusted: true})
		s.send(c, 5, kmsg.NewPtrHeartbeatRequest())
		id, err := receive(c)
		require.NoError(t, err)
		require.EqualValues(t, 5, id)
		_, err = receive(c)
		require.ErrorIs(t, err, io.EOF)
	})
}

// waitClosed reports how long it takes until the server closes the connection.
func waitClosed(t *testing.T, c net.Conn) time.Duration {
	began := time.Now()
	_, err := io.Copy(io.Discard, c)
	require.NoError(t, err)
	return time.Since(began)
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		info Listener
		sent []byte
		want time.Duration
	}{
		{"idle", Listener{}, nil, DefaultLimits.IdleTimeout},
		{"log-in does not end", Listener{Authenticate: true}, nil, DefaultLimits.AuthTimeout},
		{"frame does not end", Listener{}, []byte{0, 0, 1, 0, 0}, DefaultLimits.FrameTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, nil)
				defer s.Close()
				conn := s.dial(c.info)
				if c.sent != nil {
					_, err := conn.Write(c.sent)
					require.NoError(t, err)
				}
				require.Equal(t, c.want, waitClosed(t, conn))
			})
		})
	}
}

func TestClientThatWaitsForItsAnswerIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, nil)
		defer s.Close()
		c := s.dial(Listener{})
		s.send(c, 1, version(kmsg.NewPtrFetchRequest(), 4))
		time.AfterFunc(3*DefaultLimits.IdleTimeout, func() { close(s.f.release) })
		_, err := receive(c)
		require.NoError(t, err)
	})
}

// address gives the end of a pipe the address of a client on the network.
type address struct {
	net.Conn
	ip string
}

func (a address) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(a.ip), Port: 1} }

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	serve := func(t *testing.T, s *testServer, ip string) bool {
		client, server := net.Pipe()
		t.Cleanup(func() { _ = client.Close() })
		s.ServeConn(address{server, ip}, &Listener{})
		s.send(client, 1, version(kmsg.NewPtrMetadataRequest(), 4))
		_, err := receive(client)
		require.True(t, err == nil || errors.Is(err, io.EOF), "%v", err)
		return err == nil
	}
	t.Run("in all", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, func(l *Limits) { l.Connections = 3 })
		defer s.Close()
		for i := range 5 {
			require.Equal(t, i < 3, serve(t, s, "127.0.0.1"))
		}
	})
	t.Run("in all, with idle ones", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newTestServer(t, func(l *Limits) { l.Connections = 3 })
			defer s.Close()
			ask := func(c net.Conn) error {
				s.send(c, 1, version(kmsg.NewPtrMetadataRequest(), 4))
				_, err := receive(c)
				return err
			}
			waits, busy, idle := s.dial(Listener{}), s.dial(Listener{}), s.dial(Listener{})
			s.send(waits, 1, version(kmsg.NewPtrFetchRequest(), 4))
			require.NoError(t, ask(idle))
			time.Sleep(idleForRoom / 2)
			require.NoError(t, ask(busy))
			require.Error(t, ask(s.dial(Listener{})), "none has been idle for long")
			time.Sleep(idleForRoom / 2)
			require.NoError(t, ask(s.dial(Listener{})))
			require.Error(t, ask(idle), "it was closed for the new one")
			require.NoError(t, ask(busy))
			require.Error(t, ask(s.dial(Listener{})))
			close(s.f.release)
			_, err := receive(waits)
			require.NoError(t, err, "who waits for an answer is not idle")
			synctest.Wait()
			require.Equal(t, 3, s.Connections())
		})
	})
	t.Run("per address", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, func(l *Limits) { l.ConnectionsPerIP = 2 })
		defer s.Close()
		for i := range 4 {
			require.Equal(t, i < 2, serve(t, s, "192.0.2.1"))
		}
		require.True(t, serve(t, s, "192.0.2.2"))
	})
	t.Run("per second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newTestServer(t, func(l *Limits) { l.ConnectionsPerSec = 2 })
			defer s.Close()
			for i := range 4 {
				require.Equal(t, i < 2, serve(t, s, "192.0.2.1"))
			}
			time.Sleep(time.Second)
			require.True(t, serve(t, s, "192.0.2.1"))
		})
	})
	t.Run("requests of a connection", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const limit = 3
			s := newTestServer(t, func(l *Limits) { l.RequestsPerConn = limit })
			defer s.Close()
			c := s.dial(Listener{})
			var accepted atomic.Int32
			go func() {
				for i := range limit + 5 {
					if _, err := c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, version(kmsg.NewPtrFetchRequest(), 4), int32(i))); err == nil {
						accepted.Add(1)
					}
				}
			}()
			synctest.Wait()
			// One is being answered, the limit waits behind it, one has been read and finds no room.
			require.EqualValues(t, limit+2, accepted.Load())
			close(s.f.release)
			for i := range limit + 5 {
				id, err := receive(c)
				require.NoError(t, err)
				require.EqualValues(t, i, id)
			}
		})
	})
	t.Run("bytes in flight", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const size = 2 * growStep
			for _, limit := range []int64{2*size - 1, 2 * size, 2*size + 1} {
				s := newTestServer(t, func(l *Limits) { l.InFlightBytes = limit })
				frame := append(binary.BigEndian.AppendUint32(nil, size), make([]byte, size)...)
				// All but the last byte of a frame is read if there is room for it, and of one more, so that it can be ended.
				read := make([]chan error, 4)
				for i := range read {
					c := s.dial(Listener{})
					read[i] = make(chan error, 1)
					go func() {
						_, err := c.Write(frame[:len(frame)-1])
						read[i] <- err
					}()
					synctest.Wait()
				}
				room := int(limit / size)
				for i, done := range read {
					require.Equal(t, i < room+1, len(done) == 1, "limit %d, frame %d", limit, i)
				}
				// Small requests are not held up by them.
				other := s.dial(Listener{})
				s.send(other, 1, version(kmsg.NewPtrMetadataRequest(), 4))
				_, err := receive(other)
				require.NoError(t, err)
				s.Close()
				for _, done := range read[room+1:] {
					<-done
				}
			}
		})
	})
	t.Run("bytes that do not come", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const size = 4 * growStep
			s := newTestServer(t, func(l *Limits) { l.InFlightBytes = 2 * size })
			defer s.Close()
			began := time.Now()
			for range 5 { // each announces more than there is
				c := s.dial(Listener{})
				_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, 10*size), make([]byte, 100)...))
				require.NoError(t, err)
			}
			synctest.Wait()
			good := s.dial(Listener{})
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, bigMetadata(size), 1)
			go func() { _, _ = good.Write(frame) }() // its answer says that it has come
			_, err := receive(good)
			require.NoError(t, err)
			require.Zero(t, time.Since(began), "it waited for others")
		})
	})
	t.Run("before log-in", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, func(l *Limits) { l.FrameBytesPreAuth = 100 })
		defer s.Close()
		for _, n := range []int{99, 100, 101} {
			c := s.dial(Listener{Authenticate: true})
			frame := kmsg.NewRequestFormatter().AppendRequest(nil, version(kmsg.NewPtrMetadataRequest(), 1), 1)
			frame = append(frame[:12], make([]byte, n-8)...)
			binary.BigEndian.PutUint32(frame, uint32(n))
			binary.BigEndian.PutUint16(frame[12:], uint16(n-14)) // a client id that fills the frame, then a null array
			binary.BigEndian.PutUint32(frame[len(frame)-4:], 0xffffffff)
			go func() { _, _ = c.Write(frame) }() // cut off when it is too long
			_, err := receive(c)
			require.Equal(t, n <= 100, err == nil, "%d bytes: %v", n, err)
		}
	})
}
