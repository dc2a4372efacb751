package scenario

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// upstream is a transport without a network. It reads the request's body to
// its end, and allocates the response and the body, if there is one.
type upstream struct {
	failures      int
	attempts      atomic.Uint64
	header        http.Header // of all responses; nobody writes to it
	answer, sorry []byte

	// buffers are free to read into. A sync.Pool would lose them to the garbage
	// collector, and they would count as allocations of some calls.
	buffers chan []byte
}

// newUpstream returns the transport of s.
func newUpstream(s Scenario) *upstream {
	u := &upstream{
		failures: s.Failures,
		header:   http.Header{"Content-Type": {"application/json"}},
		answer:   s.answer,
		sorry:    s.sorry,
		buffers:  make(chan []byte, 64),
	}
	if s.quota {
		maps.Copy(u.header, plenty(time.Now()))
	}
	return u
}

// plenty is what GitHub tells of its limits, but for the numbers: who believes
// them may send more than any machine can.
func plenty(now time.Time) http.Header {
	h := http.Header{}
	h.Set("X-RateLimit-Limit", "5000000000000")
	h.Set("X-RateLimit-Remaining", "4999999999999")
	h.Set("X-RateLimit-Used", "1")
	h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(time.Hour).Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
	return h
}

// RoundTrip answers req.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		if err := u.swallow(req.Body); err != nil {
			return nil, err
		}
	}
	if u.failures > 0 && u.attempts.Add(1)%uint64(u.failures+1) != 0 {
		return u.respond(req, http.StatusServiceUnavailable, "503 Service Unavailable", u.sorry), nil
	}
	return u.respond(req, http.StatusOK, "200 OK", u.answer), nil
}

func (u *upstream) respond(req *http.Request, code int, status string, content []byte) *http.Response {
	resp := &http.Response{
		StatusCode:    code,
		Status:        status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        u.header,
		Body:          http.NoBody,
		ContentLength: int64(len(content)),
		Request:       req,
	}
	if content != nil {
		p := &page{}
		p.Reset(content)
		resp.Body = p
	}
	return resp
}

// page is a body in memory.
type page struct{ bytes.Reader }

// Close does nothing.
func (*page) Close() error { return nil }

// swallow reads body to its end, as a transport does that sends it, and closes
// it.
func (u *upstream) swallow(body io.ReadCloser) error {
	defer body.Close()
	buf := u.buffer()
	defer u.release(buf)
	for {
		switch _, err := body.Read(buf); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func (u *upstream) buffer() []byte {
	select {
	case buf := <-u.buffers:
		return buf
	default:
		return make([]byte, 32<<10)
	}
}

func (u *upstream) release(buf []byte) {
	select {
	case u.buffers <- buf:
	default:
	}
}
