package retry

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
)

// maxGrow is how much memory an announced Content-Length gets in advance.
const maxGrow = 32 << 10

// buffer reads the body of resp, up to limit bytes, and puts what it read back
// in front of the rest. It returns the error that cut the body off; the body
// then gives the same bytes and the same error to its reader.
func buffer(resp *http.Response, limit int64) error {
	if resp.Body == nil || resp.Body == http.NoBody || resp.ContentLength > limit || streams(resp) {
		return nil
	}
	var start bytes.Buffer
	// The length is the peer's word: believe it, but not with memory.
	start.Grow(int(min(max(resp.ContentLength, 0), maxGrow)) + bytes.MinRead)
	_, err := start.ReadFrom(io.LimitReader(resp.Body, limit))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = brokenReader{err}
	}
	resp.Body = &restored{Reader: io.MultiReader(&start, rest), Closer: resp.Body}
	return err
}

// streams reports whether resp has to be read as it comes.
func streams(resp *http.Response) bool {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return true
	}
	return mediaType(resp) == "text/event-stream"
}

// mediaType returns that of the body of resp, in small letters; "" if nobody can
// tell. Its parameters, good or bad, do not matter.
func mediaType(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return media
}

// restored is a body whose beginning has been read once already.
type restored struct {
	io.Reader
	io.Closer
}

// brokenReader fails every read.
type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }
