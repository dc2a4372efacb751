package scenario

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"

	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// Scenario is one kind of work and the subjects that can do it.
type Scenario struct {
	// Name selects the scenario, About describes it in a line.
	Name, About string
	// Baseline names the subject that all are compared with, beside "bare".
	// Empty means "glue".
	Baseline string
	// Subjects are compared. One is the baseline, and if they make calls one is
	// named "bare".
	Subjects []subject.Subject
	// Failures is how many attempts of each call are answered with 503 before
	// one is answered with 200. The upstream counts attempts of all callers
	// together, so it must be 0 if Parallel.
	Failures int
	// Parallel means as many callers at the same time as GOMAXPROCS allows.
	Parallel bool

	// delivery is the body of a webhook. Where there is one no calls are made.
	delivery []byte

	fields  http.Header // the header of a request
	payload []byte      // the body of a request; nil means a GET
	answer  []byte      // the body of a 200
	sorry   []byte      // the body of a 503
	hosts   int         // how many hosts a caller goes around
	quota   bool        // the header of all answers tells how much may be sent
}

// Bases returns the names of the subjects that all are compared with.
func (s Scenario) Bases() []string {
	bases := []string{cmp.Or(s.Baseline, "glue")}
	if s.delivery == nil {
		bases = append(bases, "bare")
	}
	return bases
}

// Work makes the callers of one subject, which share it. The calls of a caller
// carry ctx, and only one goroutine may make them. Each has another start on
// its way around the hosts, by its number.
type Work func(ctx context.Context, number int) (call func() error, err error)

// Work returns the work of sub, one of the Subjects.
func (s Scenario) Work(sub subject.Subject) Work {
	if s.delivery == nil {
		return s.Through(sub.Wrap(s.Upstream()))
	}
	return func(context.Context, int) (func() error, error) {
		verify := sub.Receive(s.delivery)
		return func() error { return verify(s.delivery) }, nil
	}
}

// Through returns the work of making calls through transport.
func (s Scenario) Through(transport http.RoundTripper) Work {
	return func(ctx context.Context, number int) (func() error, error) {
		c, err := s.caller(ctx, transport, number)
		if err != nil {
			return nil, err
		}
		return c.call, nil
	}
}

// Upstream returns the transport that answers the calls. It is safe for
// concurrent use.
func (s Scenario) Upstream() http.RoundTripper {
	return newUpstream(s)
}

// caller makes the calls of a scenario, one after the other.
type caller struct {
	transport http.RoundTripper
	requests  []*http.Request
	next      int
	want      int // the length of the answer
	buf       []byte
}

func (s Scenario) caller(ctx context.Context, transport http.RoundTripper, number int) (*caller, error) {
	c := &caller{transport: transport, want: len(s.answer), buf: make([]byte, 4<<10)}
	for i := range s.hosts {
		req, err := s.request(ctx, (i+number*s.hosts/2)%s.hosts)
		if err != nil {
			return nil, err
		}
		c.requests = append(c.requests, req)
	}
	return c, nil
}

func (s Scenario) request(ctx context.Context, host int) (*http.Request, error) {
	url := fmt.Sprintf("https://api%d.example.com/v1/orders", host)
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if s.payload != nil {
		method, body = http.MethodPost, bytes.NewReader(s.payload)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, s.fields)
	return req, nil
}

// call makes one call and reads the answer. It fails if that is not the
// expected one.
func (c *caller) call() error {
	req, err := c.request()
	if err != nil {
		return err
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	n, err := c.read(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", resp.StatusCode)
	case n != c.want:
		return fmt.Errorf("%d bytes instead of %d", n, c.want)
	}
	return nil
}

// request returns the next request. One with a body can be sent only once.
func (c *caller) request() (*http.Request, error) {
	req := c.requests[c.next]
	if c.next++; c.next == len(c.requests) {
		c.next = 0
	}
	if req.ContentLength == 0 {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.WithContext(req.Context())
	req.Body = body
	return req, nil
}

// read empties and closes body, and returns its length.
func (c *caller) read(body io.ReadCloser) (int, error) {
	defer body.Close()
	for total := 0; ; {
		n, err := body.Read(c.buf)
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}
