package retry_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// cuttingWriter cuts the connection after so many bytes of the body.
type cuttingWriter struct {
	http.ResponseWriter
	left int
}

func (b *cuttingWriter) Write(p []byte) (int, error) {
	if len(p) < b.left {
		b.left -= len(p)
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:b.left])
	control := http.NewResponseController(b.ResponseWriter)
	_ = control.Flush()
	conn, _, err := control.Hijack()
	if err != nil {
		return 0, err
	}
	_ = conn.Close()
	return 0, http.ErrHijacked
}

// fileServer serves content by http.ServeContent and cuts its first answers.
type fileServer struct {
	content string
	header  http.Header
	cuts    []int // bytes of each answer; the further ones are whole
	change  int   // the request from which on another version is served; 0 for never

	requests []*http.Request
}

func (f *fileServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f.requests = append(f.requests, req)
	maps.Copy(w.Header(), f.header)
	content, n := f.content, len(f.requests)
	if f.change != 0 && n >= f.change {
		content = strings.ToUpper(content)
		w.Header().Set("Etag", `"v2"`)
	}
	if n <= len(f.cuts) {
		w = &cuttingWriter{ResponseWriter: w, left: f.cuts[n-1]}
	}
	// Time in a bubble begins in 2000.
	http.ServeContent(w, req, "file", time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), strings.NewReader(content))
}

// net/http on both sides, and connections that break.
func TestResumeOverNetwork(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789abcdef", 8<<10)
	tag := http.Header{"Etag": {`"v1"`}}
	for name, tt := range map[string]struct {
		server   fileServer
		requests int
		got      int // bytes; -1 for all
	}{
		"by tag":           {fileServer{header: tag, cuts: []int{50_000}}, 2, -1},
		"by date":          {fileServer{cuts: []int{50_000}}, 2, -1},
		"again and again":  {fileServer{header: tag, cuts: []int{50_000, 1, 30_000}}, 4, -1},
		"once too often":   {fileServer{header: tag, cuts: []int{5_000, 5_000, 5_000, 5_000}}, 4, 20_000},
		"changed":          {fileServer{header: tag, cuts: []int{50_000}, change: 2}, 2, 50_000},
		"changed later":    {fileServer{header: tag, cuts: []int{50_000, 10_000}, change: 3}, 3, 60_000},
		"weak tag":         {fileServer{header: http.Header{"Etag": {`W/"v1"`}}, cuts: []int{50_000}}, 1, 50_000},
		"at the last byte": {fileServer{header: tag, cuts: []int{len(content) - 1}}, 2, -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := tt.server
				server.content = content
				network := rttest.NewNetwork(&server)
				defer network.Close()
				rt := newResume(t, retry.ResumeConfig{}).Wrap(newPolicy(t, retry.Config{}).Wrap(network.Transport))
				client := &http.Client{Transport: rt, Timeout: time.Hour}
				resp, err := client.Get("http://files.example.com/file")
				require.NoError(t, err)
				require.Equal(t, int64(len(content)), resp.ContentLength)
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, resp.Body.Close())
				require.Len(t, server.requests, tt.requests)
				if tt.got < 0 {
					require.NoError(t, err)
					require.True(t, content == string(data))
					return
				}
				require.Equal(t, io.ErrUnexpectedEOF, err)
				require.True(t, content[:tt.got] == string(data), "%d bytes", len(data))
			})
		})
	}
}

// What net/http has decompressed can't be continued, and the hook says so.
func TestResumeDecompressedOverNetwork(t *testing.T) {
	t.Parallel()
	// A gzip stream of nothing; its last four bytes are cut off.
	const gzipped = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	for name, tt := range map[string]struct {
		disabled bool
		err      error
		told     string
	}{
		"transparent": {false, io.ErrUnexpectedEOF, "give up 0 at 0: unexpected EOF: decompressed by the transport"},
		"disabled":    {true, nil, "resume 1 at 19: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &fileServer{
					content: gzipped,
					cuts:    []int{len(gzipped) - 4},
					header: http.Header{
						"Etag": {`"v1"`}, "Content-Encoding": {"gzip"}, "Content-Type": {"text/plain"},
						"Content-Length": {"23"}, // ServeContent leaves that of encoded content out
					},
				}
				network := rttest.NewNetwork(server)
				defer network.Close()
				network.Transport.DisableCompression = tt.disabled
				var w resumeLog
				resp, err := newResume(t, retry.ResumeConfig{Hooks: w.hooks()}).Wrap(network.Transport).RoundTrip(plainGet(t))
				require.NoError(t, err)
				require.Equal(t, !tt.disabled, resp.Uncompressed)
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, tt.err, err)
				require.Equal(t, []string{tt.told}, w.events)
				if tt.disabled {
					require.Equal(t, gzipped, string(data))
				}
			})
		})
	}
}

// plainGet is a GET without TLS, which a Network does not speak.
func plainGet(t *testing.T) *http.Request {
	t.Helper()
	req := newRequest(t, http.MethodGet, nil)
	req.URL.Scheme = "http"
	return req
}

// Close ends the wait for a server that does not answer the continuation.
func TestResumeCloseOverNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := &fileServer{content: strings.Repeat("x", 1000), header: http.Header{"Etag": {`"v1"`}}, cuts: []int{500}}
		asked := make(chan context.Context, 1)
		network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Range") != "" {
				asked <- req.Context()
				<-req.Context().Done()
				return
			}
			file.ServeHTTP(w, req)
		}))
		defer network.Close()
		resp, err := newResume(t, retry.ResumeConfig{}).Wrap(network.Transport).RoundTrip(plainGet(t))
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(resp.Body)
			done <- err
		}()
		server := <-asked
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.ErrBodyReadAfterClose, <-done)
		<-server.Done()
	})
}
