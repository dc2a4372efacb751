package fallback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Static answers each GET and HEAD with the same response. status is between 200
// and 599; header may be nil and body empty. Both are copied.
//
// Any other method has it pass: to say 200 to an order that nobody has taken
// would be a lie. Use [Func] where it is none. An answer without a Cache-Control
// field gets "no-store", so that no cache above takes it for the real one; the
// Content-Length is that of body.
//
// A Static answers every URL alike. Say with [Answer.When] which ones it fits.
func Static(status int, header http.Header, body []byte) Answer {
	s := &static{status: status, header: header.Clone(), body: bytes.Clone(body)}
	if s.header == nil {
		s.header = http.Header{}
	}
	if s.header.Get("Cache-Control") == "" {
		s.header.Set("Cache-Control", "no-store")
	}
	var err error
	switch {
	case status < 200 || status > 599:
		err = fmt.Errorf("the status of Static is %d: must be between 200 and 599", status)
	case status != http.StatusNoContent && status != http.StatusNotModified:
		s.header.Set("Content-Length", strconv.Itoa(len(body)))
	case len(body) > 0:
		err = fmt.Errorf("the status of Static is %d: must not have a body", status)
	case status == http.StatusNoContent:
		s.header.Del("Content-Length")
	}
	return Answer{name: "static", source: s, err: err}
}

// static is the source of a Static.
type static struct {
	status int
	header http.Header // shared by all answers until they are marked
	body   []byte
}

func (s *static) answer(c *call) (*http.Response, error) {
	if !reads(c.req) {
		return nil, nil
	}
	resp := &http.Response{
		StatusCode: s.status, Header: s.header, Body: http.NoBody, ContentLength: int64(len(s.body)),
	}
	if len(s.body) > 0 && c.req.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(s.body))
	}
	return resp, nil
}

// Func answers with what answer returns: a response of any status between 200
// and 599, which belongs to the Fallback from then on; an error; or neither of
// them if it has nothing to offer. What is missing in the response, such as
// Header, Body or Proto, is filled in, and a HEAD is answered without the Body.
//
// The request is a copy of the caller's that must only be read, and has no Body,
// because that has gone below; GetBody is as the caller set it. Its context is
// ctx, and answer must return when that is over. answer is asked about every
// method, and must be safe for concurrent use.
func Func(answer func(ctx context.Context, req *http.Request, failure Failure) (*http.Response, error)) Answer {
	a := Answer{name: "func", source: function(answer)}
	if answer == nil {
		a.err = errors.New("the func of Func is nil")
	}
	return a
}

// function is the source of a Func.
type function func(context.Context, *http.Request, Failure) (*http.Response, error)

func (f function) answer(c *call) (*http.Response, error) {
	ctx := c.req.Context()
	req := c.req.WithContext(ctx)
	req.Body = nil
	resp, err := f(ctx, req, c.failure)
	if resp == nil {
		return nil, err
	}
	if err == nil && (resp.StatusCode < 200 || resp.StatusCode > 599) {
		err = fmt.Errorf("fallback: the func returned the status %d: must be between 200 and 599", resp.StatusCode)
	}
	if err != nil {
		httpx.Discard(resp)
		return nil, err
	}
	if c.req.Method == http.MethodHead && httpx.HasBody(resp) {
		resp.ContentLength = cmp.Or(resp.ContentLength, -1)
		closeBody(resp)
		resp.Body = http.NoBody
	}
	return resp, nil
}
