package httpx_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

func TestHops(t *testing.T) {
	t.Parallel()
	ring := hop("r", nil)
	ring.Response = &http.Response{Request: ring}
	for name, tt := range map[string]struct {
		req  *http.Request
		want []string
	}{
		"no redirect":          {hop("a", nil), nil},
		"two":                  {hop("c", hop("b", hop("a", nil))), []string{"b", "a"}},
		"unknown":              {&http.Request{Response: &http.Response{}}, []string{"?"}},
		"unknown further back": {hop("c", hop("b", &http.Request{})), []string{"b", "?"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for hop := range httpx.Hops(tt.req) {
				if hop == nil {
					got = append(got, "?")
					continue
				}
				got = append(got, hop.URL.Host)
			}
			require.Equal(t, tt.want, got)
		})
	}
	twice := httpx.Hops(hop("c", hop("b", hop("a", nil))))
	require.Len(t, slices.Collect(twice), 2)
	require.Len(t, slices.Collect(twice), 2)
	n := 0
	for hop := range httpx.Hops(ring) {
		require.Equal(t, n == 100, hop == nil, "a way without an end is not known")
		n++
	}
	require.Equal(t, 101, n)
	for hop := range httpx.Hops(ring) {
		require.NotNil(t, hop)
		break
	}
}

// hop is a request to host that the answer to before has led to.
func hop(host string, before *http.Request) *http.Request {
	req := &http.Request{URL: &url.URL{Scheme: "https", Host: host}}
	if before != nil {
		req.Response = &http.Response{Request: before}
	}
	return req
}
