package httpx

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// The bounds of a drain. What is left of an error page fits well inside them;
// beyond them a new connection is cheaper than reading on.
const (
	DrainBytes = 64 << 10
	DrainTime  = 100 * time.Millisecond
)

var drainBuffers = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// Discard throws resp away: it reads what is left of the body, at most
// [DrainBytes] and for at most [DrainTime], so that the connection can be used
// again, and closes it. A body that is known to be longer is closed at once.
// It returns after DrainTime at the latest if the body's Close ends its Read,
// as those of net/http do.
func Discard(resp *http.Response) {
	body := resp.Body
	if body == nil {
		return
	}
	// Nothing to report to: the answer is unwanted, whatever closing it says.
	defer func() { _ = body.Close() }()
	if body == http.NoBody || resp.ContentLength == 0 || resp.ContentLength > DrainBytes ||
		resp.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	timer := time.AfterFunc(DrainTime, func() { _ = body.Close() })
	defer timer.Stop()
	buf := drainBuffers.Get().(*[4 << 10]byte)
	defer drainBuffers.Put(buf)
	for left := int64(DrainBytes); left > 0; {
		n, err := body.Read(buf[:min(int64(len(buf)), left)])
		if err != nil {
			return
		}
		left -= int64(max(n, 0))
	}
	// Exactly DrainBytes may have been all of it: only EOF frees a connection.
	_, _ = io.ReadFull(body, buf[:1])
}
