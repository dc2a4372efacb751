package rttest

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Step is what a [Script] does with one request. The zero value answers 200
// without a body.
type Step struct {
	// Wait passes before anything else happens, unless the context ends.
	Wait time.Duration
	// Deaf makes the end of the context change nothing.
	Deaf bool
	// Panic, when not nil, is what RoundTrip panics with.
	Panic any
	// Err, when not nil, is returned in place of an answer.
	Err error
	// Unread leaves the request's body unread.
	Unread bool

	// Status is that of the answer; 0 means 200.
	Status int
	// Header holds name, value, name, value and so on.
	Header []string
	// Body is that of the answer.
	Body string
	// Cut makes the answer's body end with ErrCut.
	Cut bool
	// Endless makes the body repeat, up to 64 MiB.
	Endless bool
	// Drip passes before each read of the answer's body.
	Drip time.Duration
	// Trailer is the value of the trailer field "Sum", set at the end.
	Trailer string
}

// Call is a request as a [Script] saw it.
type Call struct {
	Request *http.Request
	Header  http.Header // a copy
	Unread  bool        // the body was not asked for
	Body    string      // what was read of the body
	Err     error       // of reading it, nil at EOF
	At      time.Time
}

// Script is a transport that does what its steps say, the last of them for
// every further request. It keeps to the contract of RoundTripper: it closes
// each request's body, ends when the context does, and ties the answer's body
// to the context. It is safe for concurrent use.
type Script struct {
	steps []Step

	mu     sync.Mutex
	next   int
	calls  []Call
	bodies []*Body
	idle   int
	seen   func() // called for each request
}

// NewScript returns a transport that takes one step for each request.
func NewScript(steps ...Step) *Script { return &Script{steps: steps} }

// RoundTrip takes the next step.
func (s *Script) RoundTrip(req *http.Request) (*http.Response, error) {
	step, seen := s.step()
	if seen != nil {
		seen()
	}
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	call := Call{Request: req, Header: req.Header.Clone(), Unread: step.Unread, At: time.Now()}
	ctx := req.Context()
	if step.Deaf {
		ctx = context.WithoutCancel(ctx)
	}
	if ctx.Err() == nil && !step.Unread && req.Body != nil {
		data, err := io.ReadAll(req.Body)
		call.Body, call.Err = string(data), err
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if step.Wait > 0 {
		timer := time.NewTimer(step.Wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	switch {
	case step.Panic != nil:
		panic(step.Panic)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case call.Err != nil:
		return nil, call.Err
	case step.Err != nil:
		return nil, step.Err
	}
	return s.answer(req, step), nil
}

// answer makes the response of a step.
func (s *Script) answer(req *http.Request, step Step) *http.Response {
	resp := &http.Response{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		StatusCode:    max(step.Status, 0),
		Header:        http.Header{},
		ContentLength: int64(len(step.Body)),
		Request:       req,
	}
	if step.Status == 0 {
		resp.StatusCode = http.StatusOK
	}
	resp.Status = strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
	for i := 0; i+1 < len(step.Header); i += 2 {
		resp.Header.Add(step.Header[i], step.Header[i+1])
	}
	body := NewBody(step.Body)
	body.ctx, body.pause, body.loop = req.Context(), step.Drip, step.Endless
	if step.Cut {
		body.end = ErrCut
	}
	if step.Cut || step.Endless || step.Drip > 0 {
		resp.ContentLength = -1
	}
	s.mu.Lock()
	s.bodies = append(s.bodies, body)
	s.mu.Unlock()
	switch {
	case step.Trailer != "":
		resp.Trailer = http.Header{"Sum": nil}
		resp.Body = &trailing{Body: body, resp: resp, value: step.Trailer}
	case resp.StatusCode == http.StatusSwitchingProtocols:
		resp.Body = &conn{Body: body}
	case step.Body == "":
		resp.Body = http.NoBody
		_ = body.Close()
	default:
		resp.Body = body
	}
	return resp
}

// trailing sets the trailer when its body has been read.
type trailing struct {
	*Body
	resp  *http.Response
	value string
}

func (t *trailing) Read(p []byte) (int, error) {
	n, err := t.Body.Read(p)
	if err == io.EOF { //nolint:errorlint // Body gives it bare
		t.resp.Trailer.Set("Sum", t.value)
	}
	return n, err
}

// CloseIdleConnections is counted.
func (s *Script) CloseIdleConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle++
}

// IdleClosed returns how often CloseIdleConnections was called.
func (s *Script) IdleClosed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle
}

// Calls returns the requests seen so far.
func (s *Script) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Call(nil), s.calls...)
}

// Bodies returns the bodies of the answers given so far, in their order. That
// of an answer without a body is closed.
func (s *Script) Bodies() []*Body {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Body(nil), s.bodies...)
}

// watch makes s call seen for each request; nil ends that.
func (s *Script) watch(seen func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = seen
}

// step returns what is to be done, and whom to tell.
func (s *Script) step() (Step, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) == 0 {
		return Step{}, s.seen
	}
	step := s.steps[min(s.next, len(s.steps)-1)]
	s.next++
	return step, s.seen
}

// Func is a transport made of a function.
type Func func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f Func) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
