package breaker_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestHappyPathAllocations(t *testing.T) {
	body := rttest.NewBody("")
	resp := &http.Response{StatusCode: http.StatusOK}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newBreaker(t, breaker.Config{}).Wrap(next)
	req := newRequest(t, host)
	for name, tt := range map[string]struct {
		body io.ReadCloser
		want float64
	}{
		"without a body":              {http.NoBody, 0},
		"with a body: to see its end": {body, 1},
	} {
		got := testing.AllocsPerRun(100, func() {
			resp.Body = tt.body
			got, _ := rt.RoundTrip(req)
			_ = got.Body.Close()
		})
		require.Equal(t, tt.want, got, name)
	}
}
