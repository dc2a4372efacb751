package retry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// net/http itself repeats a request with an idempotency key when the server dies
// on a connection that was used before. That nobody can be dialled then does not
// prove that the order was not carried out.
func TestDialAfterDeathIsNoProof(t *testing.T) {
	t.Parallel()
	plain := func() io.Reader { return strings.NewReader("order") }
	for name, tt := range map[string]struct {
		header string
		body   func() io.Reader
	}{
		"POST with a key":                {"Idempotency-Key", plain},
		"POST with a key, one-shot body": {"X-Idempotency-Key", func() io.Reader { return io.MultiReader(plain()) }},
		"POST without a key":             {"X-Other", plain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var orders []string
				network := rttest.NewNetwork(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
					if req.Method == http.MethodPost {
						order, _ := io.ReadAll(req.Body)
						orders = append(orders, string(order))
						panic(http.ErrAbortHandler) // the work is done
					}
				}))
				defer network.Close()
				dial := network.Transport.DialContext
				network.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if len(orders) > 0 {
						return nil, errRefused
					}
					return dial(ctx, network, address)
				}
				var proof []bool
				rt := newPolicy(t, retry.Config{
					Backoff:  retry.Constant(0),
					Classify: func(a retry.Attempt) retry.Verdict { proof = append(proof, a.NeverSent); return retry.ByDefault },
				}).Wrap(network.Transport)
				send := func(method string, body io.Reader) error {
					req := newRequest(t, method, body)
					req.URL.Scheme = "http"
					if body != nil {
						req.ContentLength = int64(len("order"))
					}
					req.Header.Set(tt.header, "k")
					resp, err := rt.RoundTrip(req)
					if err == nil {
						_ = resp.Body.Close()
					}
					synctest.Wait() // until the connection is idle
					return err
				}
				require.NoError(t, send(http.MethodGet, nil))
				err := send(http.MethodPost, tt.body())
				require.Error(t, err)
				require.Equal(t, []string{"order"}, orders)
				require.NotContains(t, proof, true)
				var e *retry.Error
				if tt.header == "X-Other" {
					require.NotErrorAs(t, err, &e, "sent once")
					return
				}
				require.ErrorIs(t, err, errRefused)
				require.ErrorAs(t, err, &e)
				require.False(t, e.NotSent())
			})
		})
	}
}

// stale is a connection that its server has closed while nobody used it, and
// that nobody has told so: it takes nothing any more.
type stale struct {
	net.Conn
	closed *bool
}

func (c stale) Write(p []byte) (int, error) {
	if *c.closed {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// What a connection that the server has closed has never carried is sent again
// on another one, whatever its method.
func TestClosedIdleConnection(t *testing.T) {
	t.Parallel()
	plain := func() io.Reader { return strings.NewReader("order") }
	oneShot := func() io.Reader { return io.MultiReader(plain()) }
	for name, tt := range map[string]struct {
		body   func() io.Reader
		length int64
		want   []string
	}{
		"body with GetBody":                  {plain, 5, []string{"order"}},
		"one-shot body":                      {oneShot, 5, []string{"order"}},
		"one-shot body of unknown length":    {oneShot, -1, nil}, // net/http does not say that nothing was sent
		"no body":                            {func() io.Reader { return nil }, 0, []string{""}},
		"one-shot body, longer than is kept": {func() io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", 100))) }, 100, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var orders []string
				network := rttest.NewNetwork(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
					if req.Method == http.MethodPost {
						order, _ := io.ReadAll(req.Body)
						orders = append(orders, string(order))
					}
				}))
				defer network.Close()
				closed, dial := false, network.Transport.DialContext
				network.Transport.DialContext = func(ctx context.Context, proto, address string) (net.Conn, error) {
					conn, err := dial(ctx, proto, address)
					if network.Conns() == 1 {
						conn = stale{conn, &closed}
					}
					return conn, err
				}
				rt := newPolicy(t, retry.Config{MaxBuffer: 50}).Wrap(network.Transport)
				send := func(method string, body io.Reader, length int64) error {
					req := newRequest(t, method, body)
					req.URL.Scheme, req.ContentLength = "http", length
					resp, err := rt.RoundTrip(req)
					if err == nil {
						_ = resp.Body.Close()
					}
					synctest.Wait() // until the connection is idle
					return err
				}
				require.NoError(t, send(http.MethodGet, nil, 0))
				closed = true
				err := send(http.MethodPost, tt.body(), tt.length)
				require.Equal(t, tt.want, orders)
				require.Equal(t, tt.want == nil, err != nil)
			})
		})
	}
}

// A redirect is an answer like any other: what http.Client makes of too many of
// them is not repeated.
func TestRedirectLimitIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(rttest.Step{Status: http.StatusFound, Header: []string{"Location", "/"}})
	client := &http.Client{Transport: newPolicy(t, retry.Config{}).Wrap(s)}
	resp, err := client.Do(newRequest(t, http.MethodGet, nil))
	require.Error(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, s.Calls(), 10, "as many as http.Client follows")
}
