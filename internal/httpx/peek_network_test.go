package httpx_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// The bodies of net/http end a Read when they are closed, and with it the
// goroutine that Peek has left there.
func TestPeekOverNetwork(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, `{"retry`)
				_ = http.NewResponseController(w).Flush()
				<-req.Context().Done()
				close(gone)
			}))
			server.EnableHTTP2 = http2
			if http2 {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			require.NoError(t, err)
			resp, err := server.Client().Do(req)
			require.NoError(t, err)
			require.Equal(t, http2, resp.ProtoMajor == 2)
			reads := make(chan error, 10)
			resp.Body = &told{ReadCloser: resp.Body, reads: reads}
			head := string(httpx.Peek(resp, 8<<10))
			start := make([]byte, len(`{"retry`))
			_, err = io.ReadFull(resp.Body, start)
			require.NoError(t, err)
			require.Equal(t, `{"retry`, string(start))
			require.Contains(t, []string{"", `{"retry`}, head, "the machine may have been too slow")
			require.NoError(t, resp.Body.Close())
			for err := error(nil); err == nil; {
				err = <-reads
			}
			<-gone
		})
	}
}

// told tells how each Read has ended.
type told struct {
	io.ReadCloser
	reads chan<- error
}

func (b *told) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.reads <- err
	return n, err
}
