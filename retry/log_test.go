package retry_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	req := newRequest(t, http.MethodGet, nil)
	req.URL.RawQuery, req.URL.User = "api_key=hunter2", url.UserPassword("user", "hunter2")
	s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken})
	_, err := roundTrip(t, retry.Config{MaxAttempts: 2, Backoff: retry.Constant(time.Millisecond), Hooks: retry.LogHooks(rttest.NewLogger(&buf))}, s, req)
	require.Error(t, err)
	require.Equal(t, `level=INFO msg=retrying method=GET origin=https://api.example.com attempt=1 status=503 delay=1ms
level=WARN msg="not retrying" method=GET origin=https://api.example.com attempt=2 error="connection broken" reason="attempts exhausted"
`, buf.String())

	buf.Reset()
	_, err = retry.Do(t.Context(), newPolicy(t, retry.Config{MaxAttempts: -1, Hooks: retry.LogHooks(rttest.NewLogger(&buf))}),
		func(context.Context) (int, error) { return 0, errBroken })
	require.Error(t, err)
	require.Equal(t, "level=WARN msg=\"not retrying\" attempt=1 error=\"connection broken\" reason=\"attempts exhausted\"\n", buf.String())
	require.NotNil(t, retry.LogHooks(nil).Retry)
}
