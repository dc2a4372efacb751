package fallback_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestLogHooks(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	f := newFallback(t, fallback.Config{
		Answers: []fallback.Answer{fallback.Func(fails), static("degraded")},
		Hooks:   fallback.LogHooks(rttest.NewLogger(&buf)),
	})
	rt := f.Wrap(rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken}))
	req := newRequest(t, http.MethodGet, "https://me:hunter2@api.example.com/hunter2?q=hunter2", "")
	req.Method = ""
	send(t, rt, req)
	_, err := rt.RoundTrip(newRequest(t, http.MethodPost, thingsURL, ""))
	require.Equal(t, errBroken, err)
	require.Equal(t, `level=WARN msg="served a degraded answer" method=GET origin=https://api.example.com answer=static status=503 in_vain="func: no luck"
level=WARN msg="no degraded answer" method=POST origin=https://api.example.com error="connection broken" in_vain="func: no luck"
`, buf.String())
	require.NotNil(t, fallback.LogHooks(nil).Served)
}
