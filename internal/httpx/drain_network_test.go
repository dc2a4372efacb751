package httpx_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// Of an answer that net/http decompresses, what it becomes is what is bounded:
// a gzip bomb without end is put down after the first bytes.
func TestDiscardGzipBomb(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zeros := make([]byte, 64<<10)
		gone := false
		network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusTooManyRequests)
			z := gzip.NewWriter(w)
			for err := error(nil); err == nil; {
				_, err = z.Write(zeros)
			}
			gone = true
		}))
		defer network.Close()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com/", nil)
		require.NoError(t, err)
		resp, err := network.Transport.RoundTrip(req)
		require.NoError(t, err)
		require.True(t, resp.Uncompressed)
		read := &counted{ReadCloser: resp.Body}
		resp.Body = read
		httpx.Discard(resp)
		require.LessOrEqual(t, read.bytes, httpx.DrainBytes+1)
		synctest.Wait()
		require.True(t, gone, "the server is told")
	})
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	bytes int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes += n
	return n, err
}
