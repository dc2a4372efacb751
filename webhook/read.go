package webhook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// eager is the most that is allocated for a body because its length was
// announced. A longer one takes memory as it comes.
const eager = 1 << 20

// buffers hold bodies of unknown length until they are complete.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// limitReading sets the time by which the body must be there. The limit holds
// after a refusal, too: the server reads on before it closes the connection or
// waits for the next request, for which it sets a deadline of its own. Where a
// wrapped ResponseWriter knows no deadlines there is nothing to be done.
func (r *Receiver) limitReading(w http.ResponseWriter, now time.Time) {
	if r.config.ReadTimeout > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(now.Add(r.config.ReadTimeout))
	}
}

// unlimitReading lifts the limit when the body is there: the server goes on
// reading, to notice when the client hangs up.
func (r *Receiver) unlimitReading(w http.ResponseWriter) {
	if r.config.ReadTimeout > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
}

// read reads the body, within the limits. Its error comes with a status.
func (r *Receiver) read(req *http.Request) ([]byte, int, error) {
	limit := r.config.MaxBody
	if req.ContentLength > limit {
		return nil, http.StatusRequestEntityTooLarge, r.engine.refuse(ErrBodyTooLarge, "")
	}
	if req.Body == nil {
		return nil, 0, nil
	}
	body, err := readAll(req.Body, req.ContentLength, limit)
	switch {
	case err == nil && len(body) == 0 && req.ContentLength > 0, errors.Is(err, http.ErrBodyReadAfterClose):
		return nil, http.StatusInternalServerError, r.engine.refuse(ErrBodyConsumed, "")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout, errSlow
	case err != nil || req.ContentLength > 0 && int64(len(body)) < req.ContentLength:
		return nil, http.StatusBadRequest, errCutOff
	case int64(len(body)) > limit:
		return nil, http.StatusRequestEntityTooLarge, r.engine.refuse(ErrBodyTooLarge, "")
	}
	return body, 0, nil
}

// readAll reads at most one byte more than limit. The result is allocated once,
// for a body of up to a mebibyte at its length, if that is known.
func readAll(body io.Reader, length, limit int64) ([]byte, error) {
	if length >= 0 && length <= eager {
		b := make([]byte, length)
		n, err := io.ReadFull(body, b)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
			return b[:n], nil
		}
		if err != nil {
			return nil, err
		}
		// Nothing comes after the announced length, but for a body that somebody
		// has put in the place of the server's.
		var more [1]byte
		if m, err := io.ReadFull(body, more[:]); m > 0 {
			return nil, errors.New("longer than announced")
		} else if !errors.Is(err, io.EOF) {
			return nil, err
		}
		return b, nil
	}
	buffer, _ := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buffer.Cap() <= 4*eager {
			buffer.Reset()
			buffers.Put(buffer)
		}
	}()
	if _, err := buffer.ReadFrom(io.LimitReader(body, limit+1)); err != nil {
		return nil, err
	}
	return bytes.Clone(buffer.Bytes()), nil
}

// newBody returns a body that reads b.
func newBody(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }
