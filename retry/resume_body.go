package retry

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"sync"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// errTooLong ends a body that goes on after its end.
var errTooLong = errors.New("retry: the body is longer than announced")

// resumeBody is the body of an answer that is continued when it breaks off.
type resumeBody struct {
	resumer  *resumer
	req      *http.Request  // the caller's
	resp     *http.Response // the caller's
	obstacle ResumeReason   // why it can't be continued; 0 if it can

	// Used by Read, which is called by one goroutine at a time.
	representation
	part   *http.Response // being read; resp at first
	offset int64          // bytes read of the representation
	end    int64          // offset where the part ends; math.MaxInt64 if unknown
	number int            // continuations asked for
	broken error          // came with the last bytes of the part, to be dealt with
	err    error          // of every further Read
	beyond [1]byte        // what follows the end of the part

	mu     sync.Mutex
	body   io.ReadCloser      // of the part; nil while there is none. Only Read changes it.
	cancel context.CancelFunc // of the continuation; nil for the first part
	closed bool
}

func newResumeBody(t *resumer, req *http.Request, resp *http.Response, version string, obstacle ResumeReason) *resumeBody {
	b := &resumeBody{
		resumer: t, req: req, resp: resp, obstacle: obstacle,
		representation: representation{version: version, encoding: encodingOf(resp.Header), length: resp.ContentLength},
		part:           resp, end: resp.ContentLength,
		body: resp.Body,
	}
	if obstacle != 0 {
		b.length, b.end = -1, -1 // it is watched for the hook, and nothing else
	}
	if b.end < 0 {
		b.end = math.MaxInt64
	}
	return b
}

// Read reads the part at hand, and asks for another one where it breaks off.
func (b *resumeBody) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.broken != nil {
			err := b.broken
			b.broken = nil
			b.mend(err)
			continue
		}
		n, err := b.readPart(p)
		switch {
		case err == nil:
			return n, nil
		case err == io.EOF && (b.length < 0 || b.offset == b.length): //nolint:errorlint // io.Reader gives it bare
			b.complete()
			return n, io.EOF
		case err == io.EOF: //nolint:errorlint // as above
			err = io.ErrUnexpectedEOF
		}
		b.broken = err
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// readPart reads from the part, never beyond its end.
func (b *resumeBody) readPart(p []byte) (int, error) {
	left := b.end - b.offset
	if left == 0 {
		// Only the end of the part may follow, and its trailers.
		n, err := b.body.Read(b.beyond[:])
		if n > 0 {
			err = errTooLong
		}
		return 0, err
	}
	n, err := b.body.Read(p[:min(int64(len(p)), left)])
	b.offset += int64(n)
	return n, err
}

// complete notes that all has been read: the trailers are there (a Response has
// them only now), and nothing waits for the continuation's context any more.
func (b *resumeBody) complete() {
	b.err = io.EOF
	if b.part != b.resp {
		if b.resp.Trailer == nil {
			b.resp.Trailer = b.part.Trailer
		} else {
			maps.Copy(b.resp.Trailer, b.part.Trailer)
		}
	}
	b.mu.Lock()
	cancel := b.cancel
	b.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// mend puts a further part in the place of the one that broke off with err.
// Unless it can, err is the body's end, also when a callback panics.
func (b *resumeBody) mend(err error) {
	b.err = err
	// First of all the connection, and any permit, of the broken part is freed:
	// the continuation needs them.
	if !b.drop() {
		return
	}
	event := ResumeEvent{Request: b.req, Offset: b.offset, Err: err, Number: b.number}
	if event.Reason = b.objection(err); event.Reason != 0 {
		b.giveUp(event)
		return
	}
	b.number++
	event.Number = b.number
	if hook := b.resumer.resume.hooks.Resume; hook != nil {
		hook(event)
	}
	b.ask(event)
}

// ask sends the request for what is missing.
func (b *resumeBody) ask(event ResumeEvent) {
	ctx, cancel := context.WithCancel(b.req.Context())
	accepted := false
	defer func() {
		if !accepted {
			cancel()
		}
	}()
	if !b.install(nil, cancel) {
		b.err = http.ErrBodyReadAfterClose
		return
	}
	resp, err := b.resumer.next.RoundTrip(b.rest(ctx, b.req, b.offset)) //nolint:bodyclose // accept keeps the body or discards it
	if resp == nil || err != nil {
		if resp != nil {
			httpx.Discard(resp)
		}
		event.Reason, event.Cause = ResumeFailed, err
		b.failed(event)
		return
	}
	accepted = b.accept(resp, cancel, event)
}

// accept makes resp the part at hand, or throws it away and reports false.
func (b *resumeBody) accept(resp *http.Response, cancel context.CancelFunc, event ResumeEvent) bool {
	part, reason := b.fits(resp, b.offset)
	if reason != 0 {
		httpx.Discard(resp)
		event.Reason, event.Status = reason, resp.StatusCode
		b.failed(event)
		return false
	}
	if !b.install(resp.Body, cancel) {
		httpx.Discard(resp)
		b.err = http.ErrBodyReadAfterClose
		return false
	}
	b.part, b.end, b.length = resp, part.Last+1, part.Complete
	b.err = nil
	return true
}

// objection is why a body that ended with err is not continued; 0 if it is.
func (b *resumeBody) objection(err error) ResumeReason {
	switch ctx := b.req.Context(); {
	case ctx.Err() != nil:
		return ResumeCanceled
	case b.obstacle != 0:
		return b.obstacle
	case err == errTooLong: //nolint:errorlint // our own
		return ResumeMismatch
	case b.offset == b.length:
		return ResumeNothingMissing
	case permanent(ctx, err):
		return ResumeNotRetryable
	case b.number >= b.resumer.resume.maxResumes:
		return ResumesExhausted
	}
	return 0
}

// failed ends the body after a continuation that did not come.
func (b *resumeBody) failed(event ResumeEvent) {
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed {
		b.err = http.ErrBodyReadAfterClose
		return
	}
	if ctx := b.req.Context(); ctx.Err() != nil {
		b.err = context.Cause(ctx)
		event.Reason, event.Status, event.Cause = ResumeCanceled, 0, b.err
	}
	b.giveUp(event)
}

func (b *resumeBody) giveUp(event ResumeEvent) {
	if hook := b.resumer.resume.hooks.GiveUp; hook != nil {
		hook(event)
	}
}

// drop closes the part at hand. It reports false if the caller has done so.
func (b *resumeBody) drop() bool {
	b.mu.Lock()
	body, cancel := b.body, b.cancel
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.body, b.cancel = nil, nil
	b.mu.Unlock()
	// The body has failed: how it closes tells nobody anything.
	_ = release(body, cancel)
	return true
}

// install makes body, nil while its header is awaited, the part at hand. It
// reports false if the caller has closed the whole.
func (b *resumeBody) install(body io.ReadCloser, cancel context.CancelFunc) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.body, b.cancel = body, cancel
	return true
}

// Close closes the part at hand, and ends a Read that waits for another one.
func (b *resumeBody) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	body, cancel := b.body, b.cancel
	b.mu.Unlock()
	return release(body, cancel)
}

// release closes a part and ends its context, those that there are.
func release(body io.Closer, cancel context.CancelFunc) error {
	if cancel != nil {
		defer cancel()
	}
	if body == nil {
		return nil
	}
	return body.Close()
}
