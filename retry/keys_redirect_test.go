package retry_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// hop is a request as a server saw it.
type hop struct{ url, method, key, body string }

func post(url, key string) hop { return hop{url, "POST", key, "order"} }

// redirects is a server that sends the request for a URL on to another, with a
// status. A request with a key fails when it comes for the first time.
type redirects struct {
	status int
	to     map[string]string
	hops   []hop
}

func (r *redirects) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	h := hop{req.Host + req.URL.Path, req.Method, req.Header.Get("Key"), string(body)}
	again := slices.Contains(r.hops, h)
	r.hops = append(r.hops, h)
	switch to := r.to[h.url]; {
	case h.key != "" && !again:
		w.WriteHeader(http.StatusServiceUnavailable)
	case to != "":
		http.Redirect(w, req, "http://"+to, r.status)
	}
}

// follow lets a client with keys above retries post an order to a/, and returns
// what the servers saw: in a row, and each request once.
func follow(t *testing.T, r *redirects, hosts []string, client http.Client, change func(*http.Request) *http.Request) []hop {
	t.Helper()
	network := rttest.NewNetwork(r)
	defer network.Close()
	keys := newKeys(t, retry.KeysConfig{Header: "Key", Hosts: hosts, NewKey: numbered()})
	client.Transport = keys.Wrap(newPolicy(t, retry.Config{}).Wrap(network.Transport))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://a/", strings.NewReader("order"))
	require.NoError(t, err)
	resp, err := client.Do(change(req))
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return slices.Compact(r.hops)
}

func TestKeysAcrossRedirects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hosts  []string
		status int
		to     map[string]string
		own    string // key in the context
		set    string // key in the header
		want   []hop
	}{
		"same host": {
			[]string{"a"},
			307,
			map[string]string{"a/": "a/v2"},
			"", "",
			[]hop{post("a/", "k1"), post("a/v2", "k1")},
		},
		"308": {
			[]string{"a"},
			308,
			map[string]string{"a/": "a/v2"},
			"", "",
			[]hop{post("a/", "k1"), post("a/v2", "k1")},
		},
		"any host, three hops": {
			nil, 307,
			map[string]string{"a/": "b/", "b/": "c/"},
			"", "",
			[]hop{post("a/", "k1"), post("b/", "k1"), post("c/", "k1")},
		},
		"to a host without keys": {
			[]string{"a"},
			307,
			map[string]string{"a/": "b/"},
			"", "",
			[]hop{post("a/", "k1"), post("b/", "")},
		},
		"own key, to a host without keys": {
			[]string{"a"},
			307,
			map[string]string{"a/": "b/"},
			"own", "",
			[]hop{post("a/", "own"), post("b/", "")},
		},
		"and back": {
			[]string{"a"},
			307,
			map[string]string{"a/": "b/", "b/": "a/v2"},
			"", "",
			[]hop{post("a/", "k1"), post("b/", ""), post("a/v2", "k1")},
		},
		"from a host without keys": {
			[]string{"b"},
			307,
			map[string]string{"a/": "b/"},
			"", "",
			[]hop{post("a/", ""), post("b/", "k1")},
		},
		"own key": {
			nil, 307,
			map[string]string{"a/": "a/v2"},
			"own", "",
			[]hop{post("a/", "own"), post("a/v2", "own")},
		},
		"caller's header": {
			nil, 307,
			map[string]string{"a/": "a/v2"},
			"own", "mine",
			[]hop{post("a/", "mine"), post("a/v2", "mine")},
		},
		"a GET in the end": {
			nil, 303,
			map[string]string{"a/": "a/done"},
			"", "",
			[]hop{post("a/", "k1"), {"a/done", "GET", "", ""}},
		},
		"a GET in the end, own key": {
			nil, 302,
			map[string]string{"a/": "a/done"},
			"own", "",
			[]hop{post("a/", "own"), {"a/done", "GET", "", ""}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &redirects{status: tt.status, to: tt.to}
				got := follow(t, r, tt.hosts, http.Client{}, func(req *http.Request) *http.Request {
					if tt.set != "" {
						req.Header.Set("Key", tt.set)
					}
					if tt.own != "" {
						req = req.WithContext(retry.WithIdempotencyKey(req.Context(), tt.own))
					}
					return req
				})
				require.Equal(t, tt.want, got)
			})
		})
	}
}

// A logical request has one key, even where CheckRedirect takes it away.
func TestFirstKeyStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := http.Client{CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			req.Header.Del("Key")
			return nil
		}}
		got := follow(t, &redirects{status: 307, to: map[string]string{"a/": "a/v2"}}, nil, client, func(req *http.Request) *http.Request {
			req.Header.Set("Key", "mine")
			return req.WithContext(retry.WithIdempotencyKey(req.Context(), "own"))
		})
		require.Equal(t, []hop{post("a/", "mine"), post("a/v2", "mine")}, got)
	})
}

// With every method in the list, a redirect that changes it is a new request.
func TestAnotherMethodAnotherKey(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	rt := newKeys(t, retry.KeysConfig{Methods: []string{"GET", "POST"}, NewKey: numbered()}).Wrap(s)
	resp, err := rt.RoundTrip(newRequest(t, "POST", nil))
	require.NoError(t, err)
	for _, method := range []string{"GET", ""} {
		req := newRequest(t, "GET", nil)
		req.Method, req.Response = method, resp
		resp, err = rt.RoundTrip(req)
		require.NoError(t, err)
	}
	var got []string
	for _, call := range s.Calls() {
		got = append(got, call.Header.Get("Idempotency-Key"))
	}
	require.Equal(t, []string{"k1", "k2", "k2"}, got)
}

func TestRedirectsInARing(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	req := newRequest(t, "POST", nil)
	req.Response = &http.Response{Request: req}
	_, err := newKeys(t, retry.KeysConfig{NewKey: numbered()}).Wrap(s).RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, "k1", s.Calls()[0].Header.Get("Idempotency-Key"))
}
