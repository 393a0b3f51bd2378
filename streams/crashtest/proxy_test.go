package crashtest

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fault is what a proxy does at a message.
type fault uint8

const (
	pass   fault = iota
	cut          // the connection, before the message goes on: a request that never came, or an answer that was lost
	freeze       // the connection: nothing goes on any more, nobody is told
)

// message is a request on its way to the broker, or the answer to one.
type message struct {
	key    int16 // Kafka's API key
	answer bool
}

// proxy stands between an application and its broker, and knows Kafka's framing.
type proxy struct {
	l      net.Listener
	target string

	mu    sync.Mutex
	at    func(message) fault // nil passes
	conns map[net.Conn]bool
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{l: l, target: target, conns: map[net.Conn]bool{}}
	go p.serve()
	t.Cleanup(func() { l.Close(); p.cutAll() })
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

// on sets what happens at messages from now on. It is called by several goroutines, one at a time.
func (p *proxy) on(f func(message) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = f
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) keep(c net.Conn, is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is {
		p.conns[c] = true
	} else {
		delete(p.conns, c)
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		go p.connect(client)
	}
}

func (p *proxy) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	p.keep(client, true)
	defer p.keep(client, false)
	var requests sync.Map // API key by correlation id
	var wg sync.WaitGroup
	wg.Go(func() {
		defer server.Close()
		p.pump(client, server, func(b []byte) message {
			key := int16(binary.BigEndian.Uint16(b))
			requests.Store(binary.BigEndian.Uint32(b[4:]), key)
			return message{key: key}
		})
	})
	wg.Go(func() {
		defer client.Close()
		p.pump(server, client, func(b []byte) message {
			key, _ := requests.LoadAndDelete(binary.BigEndian.Uint32(b))
			k, _ := key.(int16)
			return message{key: k, answer: true}
		})
	})
	wg.Wait()
}

// pump passes frames on until one is not to pass.
func (p *proxy) pump(from, to net.Conn, what func([]byte) message) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(from, size[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(from, b); err != nil || len(b) < 8 && len(b) < 4 {
			return
		}
		m := what(b)
		f := pass
		p.mu.Lock()
		if p.at != nil {
			f = p.at(m)
		}
		p.mu.Unlock()
		switch f {
		case cut:
			return
		case freeze:
			_, _ = io.Copy(io.Discard, from) // until somebody gives up
			return
		}
		if _, err := to.Write(append(size[:], b...)); err != nil {
			return
		}
	}
}
