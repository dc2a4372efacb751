package retry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func TestServerHints(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		step   rttest.Step
		want   bool
	}{
		"should retry a 409":          {"GET", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "true"}}, true},
		"Stripe's word for it":        {"PUT", rttest.Step{Status: 409, Header: []string{"Stripe-Should-Retry", " True "}}, true},
		"should not retry a 503":      {"GET", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", "false"}}, false},
		"Stripe's word against it":    {"GET", rttest.Step{Status: 500, Header: []string{"Stripe-Should-Retry", "FALSE"}}, false},
		"neither yes nor no":          {"GET", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "maybe"}}, false},
		"empty hint":                  {"GET", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", ""}}, true},
		"a POST stays a POST":         {"POST", rttest.Step{Status: 409, Header: []string{"X-Should-Retry", "true"}}, false},
		"a good answer stays good":    {"GET", rttest.Step{Status: 200, Header: []string{"X-Should-Retry", "true"}}, false},
		"a redirect is not a failure": {"GET", rttest.Step{Status: 302, Header: []string{"X-Should-Retry", "true"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.step, rttest.Step{Body: "good"})
				_, err := roundTrip(t, retry.Config{}, s, newRequest(t, tt.method, nil))
				require.NoError(t, err)
				require.Equal(t, map[bool]int{false: 1, true: 2}[tt.want], len(s.Calls()))
			})
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		verdict retry.Verdict
		method  string
		step    rttest.Step
		calls   int
		reason  retry.Reason
	}{
		"by default":              {retry.ByDefault, "GET", rttest.Step{Status: 503}, 2, 0},
		"accepted answer":         {retry.Accept, "GET", rttest.Step{Status: 503}, 1, 0},
		"accepted error":          {retry.Accept, "GET", rttest.Step{Err: errBroken}, 1, 0},
		"stopped answer":          {retry.Stop, "GET", rttest.Step{Status: 503}, 1, retry.NotRetryable},
		"stopped error":           {retry.Stop, "GET", rttest.Step{Err: errBroken}, 1, retry.NotRetryable},
		"good answer repeated":    {retry.RetryIfSafe, "GET", rttest.Step{}, 2, 0},
		"not if harmful":          {retry.RetryIfSafe, "POST", rttest.Step{}, 1, retry.NotIdempotent},
		"unless never sent":       {retry.RetryIfSafe, "POST", rttest.Step{Err: errRefused}, 2, 0},
		"permanent error":         {retry.RetryIfSafe, "GET", rttest.Step{Err: backoff.Permanent(errBroken)}, 2, 0},
		"anyway":                  {retry.RetryAnyway, "POST", rttest.Step{Status: 500}, 2, 0},
		"anyway after an error":   {retry.RetryAnyway, "POST", rttest.Step{Err: errBroken}, 2, 0},
		"anyway with hint not to": {retry.RetryAnyway, "POST", rttest.Step{Status: 503, Header: []string{"X-Should-Retry", "false"}}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen []retry.Attempt
				var reason retry.Reason
				req := newRequest(t, tt.method, strings.NewReader("payload"))
				s := rttest.NewScript(tt.step, rttest.Step{Body: "good"})
				resp, err := roundTrip(t, retry.Config{
					Classify: func(a retry.Attempt) retry.Verdict {
						seen = append(seen, a)
						if a.Number > 1 {
							return retry.ByDefault
						}
						return tt.verdict
					},
					Hooks: retry.Hooks{GiveUp: func(e retry.Event) { reason = e.Reason }},
				}, s, req)
				require.Len(t, s.Calls(), tt.calls)
				require.Len(t, seen, tt.calls)
				require.Equal(t, tt.reason, reason)
				if tt.step.Err != nil && tt.calls == 1 {
					require.Equal(t, tt.step.Err, err)
				} else {
					require.NoError(t, err)
					require.NotNil(t, resp)
				}
				require.Same(t, req, seen[0].Request)
				require.Equal(t, 1, seen[0].Number)
				require.Equal(t, tt.step.Err, seen[0].Err)
				require.Equal(t, tt.step.Err == nil, seen[0].Response != nil)
				require.Equal(t, errors.Is(tt.step.Err, errRefused), seen[0].NeverSent)
			})
		})
	}
}

func TestCertificateErrorsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&tls.CertificateVerificationError{Err: errBroken},
		&net.OpError{Op: "remote error", Err: &tls.CertificateVerificationError{Err: errBroken}},
	} {
		s := rttest.NewScript(rttest.Step{Err: err})
		_, got := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil))
		require.Equal(t, err, got)
		require.Len(t, s.Calls(), 1)
	}
}

func TestMaxElapsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Wait: time.Second, Err: errBroken})
		begin := time.Now()
		_, err := roundTrip(t, retry.Config{MaxAttempts: 100, Backoff: retry.Constant(2 * time.Second), MaxElapsed: 10 * time.Second}, s, newRequest(t, http.MethodGet, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, retry.ElapsedTimeTooLong, e.Reason)
		require.Len(t, s.Calls(), 4, "at 0, 3, 6 and 9 seconds; the next would begin after 10")
		require.Equal(t, 10*time.Second, time.Since(begin))
	})
}

func TestMinAttempt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		min  time.Duration
		want int
	}{{0, 2}, {2 * time.Second, 2}, {3 * time.Second, 1}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
			defer cancel()
			s := rttest.NewScript(rttest.Step{Status: 503})
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(5 * time.Second), MinAttempt: tt.min}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
			require.NoError(t, err)
			require.Len(t, s.Calls(), tt.want)
		})
	}
}

func TestClampedRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "9223372036854775807"}}, rttest.Step{})
		resp, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0), ClampRetryAfter: true}, s, newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, []time.Duration{time.Minute}, waits(s.Calls()))
	})
}

// Two layers of three attempts each send at most five times, not nine.
func TestNestedLayersDoNotMultiply(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]rttest.Step{"answers": {Status: 503, Body: "sorry"}, "errors": {Err: errBroken}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var reasons []retry.Reason
				inner := newPolicy(t, retry.Config{Hooks: retry.Hooks{GiveUp: func(e retry.Event) { reasons = append(reasons, e.Reason) }}})
				s := rttest.NewScript(step)
				_, err := roundTrip(t, retry.Config{}, inner.Wrap(s), newRequest(t, http.MethodGet, nil))
				if step.Err != nil {
					require.ErrorIs(t, err, step.Err)
					require.Len(t, s.Calls(), 3, "the error says that a layer has done what can be done")
					return
				}
				require.NoError(t, err)
				require.Len(t, s.Calls(), 5)
				require.Equal(t, []retry.Reason{retry.AttemptsExhausted, retry.NestedRetry, retry.NestedRetry}, reasons)
			})
		})
	}
}

func TestVerdictString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "by default, accept, stop, retry if safe, retry anyway, unknown", fmt.Sprintf("%v, %v, %v, %v, %v, %v",
		retry.ByDefault, retry.Accept, retry.Stop, retry.RetryIfSafe, retry.RetryAnyway, retry.Verdict(-1)))
}

func TestPolicyString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "retry: 3 attempts, delays of at most 10s, Retry-After up to 1m0s", newPolicy(t, retry.Config{}).String())
	budget, err := retry.NewBudget(retry.BudgetConfig{})
	require.NoError(t, err)
	require.Equal(t, "retry: 5 attempts, delays of at most 1s, Retry-After clamped to 1m0s, within 30s, "+
		"budget of 0.1 per request and 1 per second, answers buffered up to 1024 bytes",
		newPolicy(t, retry.Config{
			MaxAttempts: 5, MaxDelay: time.Second, ClampRetryAfter: true, MaxElapsed: 30 * time.Second,
			Budget: budget, BufferResponses: 1024,
		}).String())
	require.Contains(t, newPolicy(t, retry.Config{MaxRetryAfter: -1}).String(), "Retry-After ignored")
	require.Equal(t, "retry: off", newPolicy(t, retry.Config{MaxAttempts: -1, MaxDelay: time.Second}).String())
	require.Equal(t, "retry: 3 attempts, delays of at most 10s, Retry-After up to 1m0s, 2s left for each attempt, "+
		"request bodies kept up to 1024 bytes, with Classify, with Check",
		newPolicy(t, retry.Config{
			MinAttempt: 2 * time.Second, MaxBuffer: 1024,
			Classify: func(retry.Attempt) retry.Verdict { return retry.ByDefault },
			Check:    func(*http.Response) error { return nil },
		}).String())
	require.Contains(t, newPolicy(t, retry.Config{MaxBuffer: -1}).String(), "request bodies not kept")
}

func TestEmptyKeyIsNoKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		values []string
		want   int
	}{"empty": {[]string{""}, 1}, "a wish, as in net/http": {nil, 3}, "a key": {[]string{"k"}, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(rttest.Step{Err: errBroken})
			req := newRequest(t, http.MethodPost, nil)
			req.Header["Idempotency-Key"] = tt.values
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, s, req)
			require.Error(t, err)
			require.Len(t, s.Calls(), tt.want)
		})
	}
}

// A key in a field of its own makes the request repeatable that has it, and no
// other that is sent with the same context.
func TestKeyFieldIsNotInherited(t *testing.T) {
	t.Parallel()
	keys, err := retry.NewKeys(retry.KeysConfig{Header: "PayPal-Request-Id"})
	require.NoError(t, err)
	tokens := rttest.NewScript(rttest.Step{Err: errBroken})
	policy := newPolicy(t, retry.Config{Backoff: retry.Constant(0)})
	auth := rttest.Func(func(req *http.Request) (*http.Response, error) {
		return policy.Wrap(tokens).RoundTrip(newRequest(t, http.MethodPost, nil).WithContext(req.Context()))
	})
	_, err = keys.Wrap(auth).RoundTrip(newRequest(t, http.MethodPost, nil))
	require.Error(t, err)
	require.Len(t, tokens.Calls(), 1)
}

// What is done between the decision and the wait is part of the wait.
func TestDrainIsPartOfTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 503, Body: "stuck", Drip: time.Hour}, rttest.Step{})
		_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(150 * time.Millisecond)}, s, newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{150 * time.Millisecond}, waits(s.Calls()))
	})
}

func TestGetBodyErrorIsTold(t *testing.T) {
	t.Parallel()
	gone := errors.New("the file is gone")
	s := rttest.NewScript(rttest.Step{Err: errBroken})
	req := newRequest(t, http.MethodPut, strings.NewReader("payload"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	_, err := roundTrip(t, retry.Config{}, s, req)
	require.ErrorIs(t, err, gone)
	require.ErrorIs(t, err, errBroken)
}
