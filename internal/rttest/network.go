package rttest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Network is an HTTP server and a client's transport for it, both those of
// net/http, joined by pipes in memory. It works inside a testing/synctest
// bubble, where a real socket hangs. Every host name leads to the server.
type Network struct {
	// Transport sends to the server. It may be configured before its first use.
	Transport *http.Transport

	server   *http.Server
	listener *pipeListener
	served   chan struct{}
}

// NewNetwork starts a server for h. Close must be called, inside the bubble.
func NewNetwork(h http.Handler) *Network {
	n := &Network{
		server:   &http.Server{Handler: h}, // #nosec G112 -- the peer is this process
		listener: &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})},
		served:   make(chan struct{}),
	}
	n.Transport = &http.Transport{DialContext: n.listener.dial}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(n.listener) // ends with ErrServerClosed
	}()
	return n
}

// Conns returns how many connections were made.
func (n *Network) Conns() int { return int(n.listener.count.Load()) }

// Close ends the server and all connections.
func (n *Network) Close() {
	n.Transport.CloseIdleConnections()
	_ = n.server.Close()
	<-n.served
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	count  atomic.Int64
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		l.count.Add(1)
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr{}, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr{}, Err: context.Cause(ctx)}
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
