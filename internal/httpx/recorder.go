package httpx

import (
	"context"
	"errors"
	"io"
	"sync"
)

// errStale answers reads of a body that is closed, or whose attempt has been
// replaced by another that has more right to the rest of it.
var errStale = errors.New("http: request body read after its attempt ended")

// recorder keeps what was read of a body, so that a later attempt can read it
// again, while the attempts read it at their own pace.
//
// A transport may still be reading an attempt's body after its RoundTrip has
// returned, and needs to see the end of it to keep its connection. So each
// attempt has a reader of its own with its place in the record; whichever comes
// to the end of the record first reads on from the source, one at a time.
type recorder struct {
	ctx    context.Context // of the one RoundTrip that the recorder lives for
	source io.ReadCloser
	limit  int64
	turn   chan struct{} // holds a token while the source is being read

	mu       sync.Mutex
	buf      []byte
	err      error        // how the source ended: io.EOF or its failure
	overflow bool         // more than limit was read: buf is gone
	current  *attemptBody // the newest attempt: once buf is gone, only it may read
	finished bool         // no attempt follows
	closed   bool         // the source has been closed
}

func newRecorder(ctx context.Context, source io.ReadCloser, limit int64) *recorder {
	return &recorder{ctx: ctx, source: source, limit: limit, turn: make(chan struct{}, 1)}
}

// attempt returns a reader of the whole body and makes it the current one.
func (r *recorder) attempt() io.ReadCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = &attemptBody{rec: r}
	return r.current
}

// getBody returns another reader of the whole body to what is below. If the
// attempt is through with its own, this one takes its place.
func (r *recorder) getBody() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.repeatableLocked() {
		return nil, ErrNotRepeatable
	}
	body := &attemptBody{rec: r}
	if r.current.closed {
		r.current = body
	}
	return body, nil
}

// repeatable reports whether a further attempt could send the whole body.
func (r *recorder) repeatable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repeatableLocked()
}

func (r *recorder) repeatableLocked() bool {
	// To a transport an error that wraps io.EOF is a failure.
	return !r.overflow && !r.closed && (r.err == nil || r.err == io.EOF) //nolint:errorlint // see above
}

// finish lets the source be closed as soon as the current attempt has.
func (r *recorder) finish() {
	r.mu.Lock()
	r.finished = true
	// Nobody is left to hear how closing the caller's body went.
	_ = r.closeAndUnlock()
}

// closeAndUnlock releases mu and closes the source, once, if nobody can want
// it any more.
func (r *recorder) closeAndUnlock() error {
	idle := r.current == nil || r.current.closed
	last := (r.finished || r.overflow) && idle && !r.closed
	r.closed = r.closed || last
	r.mu.Unlock()
	if last {
		return r.source.Close()
	}
	return nil
}

// attemptBody is the request body of one attempt.
type attemptBody struct {
	rec *recorder
	// Guarded by rec.mu.
	offset int
	closed bool
}

// errNeedSource says that the record has no more to give.
var errNeedSource = errors.New("httpx: the record has ended, the source has not")

// Read returns recorded bytes while there are some, then bytes of the source.
func (a *attemptBody) Read(p []byte) (int, error) {
	n, err := a.recorded(p)
	if err != errNeedSource { //nolint:errorlint // our own, and not seen outside
		return n, err
	}
	r := a.rec
	select {
	case r.turn <- struct{}{}:
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
	defer func() { <-r.turn }()
	// While this reader waited, another may have recorded more.
	n, err = a.recorded(p)
	if err != errNeedSource { //nolint:errorlint // as above
		return n, err
	}
	if p = a.mayRead(p); len(p) == 0 {
		return 0, errStale
	}
	n, err = r.source.Read(p)
	return a.record(p[:max(n, 0)], err)
}

// recorded serves p without the source; its error is errNeedSource when only
// that can.
func (a *attemptBody) recorded(p []byte) (int, error) {
	r := a.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a.closed, r.overflow && a != r.current:
		return 0, errStale
	case len(p) == 0:
		return 0, nil
	case !r.overflow && a.offset < len(r.buf):
		n := copy(p, r.buf[a.offset:])
		a.offset += n
		return n, nil
	case r.err != nil:
		return 0, r.err
	}
	return 0, errNeedSource
}

// mayRead returns the part of p that may be read from the source: an attempt
// that was replaced must not make the record overflow for the one after it.
func (a *attemptBody) mayRead(p []byte) []byte {
	r := a.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	if a == r.current {
		return p
	}
	return p[:min(int64(len(p)), r.limit-int64(len(r.buf)))]
}

// record keeps what the source gave, and passes it on.
func (a *attemptBody) record(data []byte, err error) (int, error) {
	r := a.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	if r.overflow = r.overflow || int64(len(r.buf)+len(data)) > r.limit; r.overflow {
		r.buf = nil
		if a != r.current {
			// Replaced during the read: the bytes are lost to the newer one.
			r.err = ErrNotRepeatable
		}
		return len(data), err
	}
	r.buf = append(r.buf, data...)
	a.offset += len(data)
	return len(data), err
}

// Close ends the attempt's use of the body.
func (a *attemptBody) Close() error {
	r := a.rec
	r.mu.Lock()
	a.closed = true
	return r.closeAndUnlock()
}
