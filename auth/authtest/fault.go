package authtest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Fault is one way in which a token endpoint fails. What it says happens in this
// order: it refuses the connection, waits, hangs, or breaks the connection; it
// does what it was asked for and breaks the connection then (Lose); or it gives
// an answer of its own, if it has a Status.
type Fault struct {
	// Name says what it is, for the name of a test.
	Name string
	// Want is what a client has to make of it: "token", "transient",
	// "permanent" or "protocol".
	Want string
	// Times is how many requests meet it. 0 means one; a negative value means
	// all, until [Server.Heal].
	Times int

	// Refuse refuses the connection. Nothing of the request is sent. It needs
	// [Server.Transport]; a handler alone can only break the connection.
	Refuse bool
	// Delay passes before anything else.
	Delay time.Duration
	// Hang waits until the client has gone.
	Hang bool
	// Break closes the connection without an answer, and nothing is done.
	Break bool
	// Lose does what was asked for, and closes the connection without an answer.
	Lose bool

	// Early is an informational status that comes first, such as 103.
	Early int
	// Status is that of the answer. 0 means that the server does what it was
	// asked for.
	Status int
	// Header holds name, value, name, value and so on. Without a Content-Type
	// it is application/json.
	Header []string
	// Body is that of the answer.
	Body string
	// Repeat is how often the Body comes, if more than once.
	Repeat int
	// Gzip compresses it.
	Gzip bool
	// Cut announces a longer body, and breaks the connection after it.
	Cut bool
}

// Fail makes the next requests to the token endpoint meet these faults, one after
// the other, behind those that are left from before.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Heal forgets all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault returns the fault of this request, which may be none. The lock is
// held.
func (s *Server) nextFault() Fault {
	if len(s.faults) == 0 {
		return Fault{}
	}
	f := &s.faults[0]
	fault := *f
	if f.Times >= 0 {
		f.Times--
		if f.Times <= 0 {
			s.faults = s.faults[1:]
		}
	}
	return fault
}

// before does what a fault does before the request is worked on, and reports
// whether it was answered.
func (f Fault) before(w http.ResponseWriter, r *http.Request) bool {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
		}
	}
	if f.Hang {
		<-r.Context().Done()
	}
	if f.Refuse || f.Hang || f.Break {
		panic(http.ErrAbortHandler)
	}
	if f.Early != 0 {
		w.WriteHeader(f.Early)
	}
	if f.Status == 0 {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(f.Header); i += 2 {
		h.Set(f.Header[i], f.Header[i+1])
	}
	var body io.Reader = &repeated{text: f.Body, left: max(1, f.Repeat)}
	switch {
	case f.Gzip:
		h.Set("Content-Encoding", "gzip")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.Copy(z, body) // into memory
		_ = z.Close()
		body = &b
	case f.Cut:
		h.Set("Content-Length", strconv.Itoa(len(f.Body)*max(1, f.Repeat)+100))
	}
	w.WriteHeader(f.Status)
	_, err := io.Copy(w, body)
	if err != nil || f.Cut {
		panic(http.ErrAbortHandler)
	}
	return true
}

// repeated gives a text several times, without having it all in memory.
type repeated struct {
	text string
	left int
	rest string
}

// Read gives the next bytes.
func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.left == 0 || r.text == "" {
			return 0, io.EOF
		}
		r.left--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// transport leads to the server through the network, unless the fault to come
// refuses the connection.
type transport struct {
	server  *Server
	network *http.Transport
}

// RoundTrip sends req.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/token" && t.server.refuses() {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	plain := req.Clone(req.Context())
	plain.URL.Scheme = "http"
	resp, err := t.network.RoundTrip(plain)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// CloseIdleConnections closes those of the network.
func (t *transport) CloseIdleConnections() { t.network.CloseIdleConnections() }

// refuses takes the next fault if it refuses the connection.
func (s *Server) refuses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 || !s.faults[0].Refuse {
		return false
	}
	s.requests = append(s.requests, Request{At: time.Now(), Fault: s.nextFault().Name})
	return true
}

// longText is a header value that no answer needs.
var longText = strings.Repeat("x", 1<<20)

// cut returns f with Cut.
func (f Fault) cut() Fault {
	f.Cut = true
	return f
}

// without returns f without a part of its Body.
func (f Fault) without(part string) Fault {
	f.Body = strings.Replace(f.Body, part, "", 1)
	return f
}
