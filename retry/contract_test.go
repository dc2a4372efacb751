package retry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func newPolicy(t testing.TB, c retry.Config) *retry.Policy {
	t.Helper()
	p, err := retry.New(c)
	require.NoError(t, err)
	return p
}

func TestContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]retry.Config{
		"zero config":        {},
		"off":                {MaxAttempts: -1},
		"many attempts":      {MaxAttempts: 50},
		"bodies not kept":    {MaxBuffer: -1},
		"bodies too long":    {MaxBuffer: 3},
		"buffered responses": {BufferResponses: 1 << 20},
		"short buffer":       {BufferResponses: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return newPolicy(t, c).Wrap },
				Hooked: func(callback func()) rttest.Middleware {
					c := c
					c.Backoff = retry.FullJitter(time.Millisecond, time.Millisecond)
					c.Budget = newBudget(t, retry.BudgetConfig{
						MinPerSecond: 1000,
						Key:          func(*http.Request) string { callback(); return "key" },
					})
					c.Classify = func(retry.Attempt) retry.Verdict { callback(); return retry.ByDefault }
					c.Check = func(*http.Response) error { callback(); return nil }
					c.Hooks = retry.Hooks{
						Retry:  func(retry.Event) { callback() },
						GiveUp: func(retry.Event) { callback() },
					}
					return newPolicy(t, c).Wrap
				},
			})
		})
	}
}
