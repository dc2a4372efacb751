package holdfast_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestChainOrder(t *testing.T) {
	t.Parallel()
	var trace []string
	named := func(name string) holdfast.Middleware {
		return func(next http.RoundTripper) http.RoundTripper {
			return rttest.Func(func(req *http.Request) (*http.Response, error) {
				trace = append(trace, "> "+name)
				resp, err := next.RoundTrip(req)
				trace = append(trace, "< "+name)
				return resp, err
			})
		}
	}
	rt := holdfast.Chain(rttest.NewScript(), named("outer"), nil, named("inner"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com/", nil)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, []string{"> outer", "> inner", "< inner", "< outer"}, trace)
}

func TestChainOfNothing(t *testing.T) {
	t.Parallel()
	require.Same(t, http.DefaultTransport, holdfast.Chain(nil))
	s := rttest.NewScript()
	require.Same(t, s, holdfast.Chain(s, nil, nil))
}
