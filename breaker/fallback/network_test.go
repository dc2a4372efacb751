package fallback_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// The rest of the stack is net/http here, on both sides.
func TestLastGoodOverNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := false
		network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if down {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			switch req.URL.Path {
			case "/gzip":
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				_, _ = io.WriteString(z, `{"n": 42}`)
				_ = z.Close()
			case "/chunked":
				_, _ = io.WriteString(w, `{"n": `)
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, `42}`)
			default:
				_, _ = io.WriteString(w, `{"n": 42}`)
			}
		}))
		defer network.Close()
		f := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.LastGood(fallback.LastGoodConfig{})}})
		client := &http.Client{Transport: f.Wrap(network.Transport)}
		for _, down = range []bool{false, true} {
			for _, path := range []string{"/plain", "/gzip", "/chunked"} {
				resp, err := client.Get("http://api.example.com" + path)
				require.NoError(t, err)
				var got struct{ N int }
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&got), path)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 42, got.N)
				require.Equal(t, down, fallback.Degraded(resp), path)
			}
		}
		require.Equal(t, 1, network.Conns(), "replaced answers leave their connection to the next")
	})
}

// The first upstream may refuse a body before it has read it.
func TestToOverNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := strings.Repeat("x", 50_000)
		network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Host != "mirror.example.com" {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			data, _ := io.ReadAll(req.Body)
			_, _ = w.Write(data)
		}))
		defer network.Close()
		f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
			fallback.To("http://mirror.example.com", fallback.ToConfig{Transport: network.Transport}),
		}})
		for range 10 {
			req := newRequest(t, http.MethodPut, "http://api.example.com/things", body)
			req.ContentLength = int64(len(body))
			resp, got := send(t, f.Wrap(network.Transport), req)
			require.True(t, fallback.Degraded(resp))
			require.Equal(t, len(body), len(got))
			synctest.Wait()
			require.Equal(t, 1, req.Body.(*rttest.Body).Closes())
		}
	})
}
