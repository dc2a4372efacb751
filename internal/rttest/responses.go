package rttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"
)

func discardedClosed(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
		defer cancel()
		seen := len(s.Bodies())
		r := e.do(rt, f.request(ctx).req)
		synctest.Wait()
		bodies := s.Bodies()[seen:]
		if r.err == nil && len(bodies) > 0 {
			// The last answer is the caller's now.
			last := bodies[len(bodies)-1]
			if last.Closes() > 0 && !last.SawEnd() {
				e.failf("%s: the returned body has been closed unread", where)
			}
			bodies = bodies[:len(bodies)-1]
		}
		for i, b := range bodies {
			if b.Closes() == 0 {
				e.failf("%s: the body of answer %d was not closed", where, i+1)
			}
			if !b.SawEnd() && ctx.Err() == nil {
				e.failf("%s: the body of answer %d was not drained", where, i+1)
			}
		}
		r.finish()
	})
}

// drainLimit is what a middleware may read of an answer that it throws away.
const drainLimit = 1 << 20

func drainBounded(e *env) {
	for _, step := range []Step{
		{Status: 503, Body: strings.Repeat("x", 4<<10), Endless: true},
		{Status: 503, Body: "drip", Endless: true, Drip: time.Second},
		{Status: 503, Body: "stuck", Drip: 1000 * time.Hour},
	} {
		s := NewScript(step, step, Step{})
		r := e.do(e.subject.New()(s), forms[0].request(context.Background()).req)
		if r.took > time.Minute {
			e.failf("an answer with an endless body held the call up for %v", r.took)
		}
		for i, b := range s.Bodies() {
			if b.BytesRead() > drainLimit {
				e.failf("%d bytes were read of the endless body of answer %d", b.BytesRead(), i+1)
			}
		}
		r.finish()
	}
}

func bodyReadable(e *env) {
	for _, step := range []Step{{Body: "the whole answer"}, {Status: 404, Body: "the whole answer"}, {Status: 503, Body: "the whole answer"}} {
		r := e.do(e.subject.New()(NewScript(step)), forms[1].request(context.Background()).req)
		if r.err != nil {
			e.failf("status %d: %v", step.Status, r.err)
			continue
		}
		time.Sleep(2 * time.Hour)
		data, err := io.ReadAll(r.resp.Body)
		if err != nil || string(data) != "the whole answer" {
			e.failf("status %d: two hours after RoundTrip its body gave %q and %v", step.Status, data, err)
		}
		r.finish()
	}
}

func cutBody(e *env) {
	for _, f := range forms {
		r := e.do(e.subject.New()(NewScript(Step{Body: "half an ans", Cut: true})), f.request(context.Background()).req)
		if r.err == nil {
			if data, err := io.ReadAll(r.resp.Body); !errors.Is(err, ErrCut) {
				e.failf("%s: a body that broke off after %q ended with %v", f.name, data, err)
			}
		}
		r.finish()
	}
}

func trailersArrive(e *env) {
	r := e.do(e.subject.New()(NewScript(Step{Body: "data", Trailer: "42"})), forms[0].request(context.Background()).req)
	if r.err == nil {
		_, _ = io.Copy(io.Discard, r.resp.Body)
		if got := r.resp.Trailer.Get("Sum"); got != "42" {
			e.failf("the trailer is %q after the body", got)
		}
	}
	r.finish()
}

func anyStatus(e *env) {
	for status := 200; status < 600; status++ {
		for _, f := range []form{forms[0], forms[1]} {
			s := NewScript(Step{Status: status, Body: "answer", Header: []string{"X-Answer", strconv.Itoa(status)}})
			r := e.do(e.subject.New()(s), f.request(context.Background()).req)
			switch {
			case r.err != nil:
				e.failf("%s, status %d: RoundTrip returned the error %v", f.name, status, r.err)
			case r.resp.StatusCode != status || r.resp.Header.Get("X-Answer") != strconv.Itoa(status) || r.resp.ContentLength != int64(len("answer")):
				e.failf("%s, status %d: arrived as %d with %v and length %d", f.name, status, r.resp.StatusCode, r.resp.Header, r.resp.ContentLength)
			default:
				if data, err := io.ReadAll(r.resp.Body); err != nil || string(data) != "answer" {
					e.failf("%s, status %d: the body gave %q and %v", f.name, status, data, err)
				}
			}
			r.finish()
		}
	}
}

func responseStreams(e *env) {
	second := make(chan struct{})
	network := NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		timer := time.NewTimer(time.Hour)
		defer timer.Stop()
		select {
		case <-second:
		case <-timer.C:
			e.failf("the first event had not reached the caller after an hour")
		}
		_, _ = io.WriteString(w, "data: 2\n\n")
	}))
	defer network.Close()
	r := e.do(e.subject.New()(network.Transport), forms[0].request(context.Background()).req)
	if r.err != nil {
		e.failf("an event stream: %v", r.err)
		close(second)
		return
	}
	event := make([]byte, len("data: 1\n\n"))
	_, err := io.ReadFull(r.resp.Body, event)
	close(second)
	rest, restErr := io.ReadAll(r.resp.Body)
	if got := string(event) + string(rest); err != nil || restErr != nil || got != "data: 1\n\ndata: 2\n\n" {
		e.failf("an event stream gave %q, %v and %v", got, err, restErr)
	}
	r.finish()
}

func upgradeWritable(e *env) {
	s := NewScript(Step{Status: http.StatusSwitchingProtocols, Body: "from the peer", Header: []string{"Upgrade", "echo", "Connection", "Upgrade"}})
	r := e.do(e.subject.New()(s), forms[0].request(context.Background()).req)
	if r.err != nil {
		e.failf("an upgrade: %v", r.err)
		return
	}
	w, ok := r.resp.Body.(io.Writer)
	if !ok {
		e.failf("the body of an upgraded connection is a %T, which can't be written to", r.resp.Body)
		r.finish()
		return
	}
	if n := s.Bodies()[0].BytesRead(); n > 0 {
		e.failf("%d bytes of an upgraded connection were read before the caller did", n)
	}
	if _, err := io.WriteString(w, "to the peer"); err != nil {
		e.failf("writing to an upgraded connection: %v", err)
	}
	// As httputil.ReverseProxy does when one side has said all.
	if half, ok := w.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		e.failf("an upgraded connection can't be closed for writing alone")
	}
	if b := s.Bodies()[0]; string(b.written) != "to the peer" || !b.half || b.Closes() > 0 {
		e.failf("%q reached the peer of an upgraded connection, closed for writing: %v, at all: %d times", b.written, b.half, b.Closes())
	}
	if data, err := io.ReadAll(r.resp.Body); err != nil || string(data) != "from the peer" {
		e.failf("an upgraded connection gave %q and %v", data, err)
	}
	r.finish()
	if s.Bodies()[0].Closes() == 0 {
		e.failf("closing an upgraded connection did not reach the transport")
	}
}

func connectionsReused(e *env) {
	for _, size := range []int{0, 100, 3 << 10} {
		n := 0
		network := NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if n++; n%2 == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = w.Write(slices.Repeat([]byte("x"), size))
		}))
		rt := e.subject.New()(network.Transport)
		for range 10 {
			ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
			r := e.do(rt, forms[3].request(ctx).req)
			if r.err == nil {
				_, _ = io.Copy(io.Discard, r.resp.Body)
			}
			r.finish()
			cancel()
		}
		if got := network.Conns(); got > 1 {
			e.failf("%d requests one after the other, answered with %d bytes each, took %d connections", n, size, got)
		}
		network.Close()
	}
}

// bareMessages checks that requests and answers may lack what they need not
// have: those that a program makes by hand, such as a fake transport's, do.
func bareMessages(e *env) {
	u := &url.URL{Scheme: "http", Host: "api.example.com"}
	for _, status := range []int{200, 401, 404, 429, 500, 503} {
		for _, req := range []*http.Request{
			{},
			{URL: u},
			{URL: u, Method: "PUT", Body: NewBody("payload")},
			{URL: u, Method: "POST", Body: NewBody("payload"), ContentLength: 7},
		} {
			rt := e.subject.New()(Func(func(req *http.Request) (*http.Response, error) {
				if req.Body != nil {
					_ = req.Body.Close()
				}
				return &http.Response{StatusCode: status}, nil
			}))
			r := e.do(rt, req)
			if r.panicked != nil {
				e.failf("%s, answered with status %d: panicked with %v", req.Method, status, r.panicked)
			}
			r.finish()
			if b, ok := req.Body.(*Body); ok && b.Closes() != 1 {
				e.failf("%s, answered with status %d: request body closed %d times", req.Method, status, b.Closes())
			}
		}
	}
}
