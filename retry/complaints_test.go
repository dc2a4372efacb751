package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// What users of other retry libraries have reported, each as a test.
func TestComplaints(t *testing.T) {
	t.Parallel()
	inBubbles(t, map[string]func(*testing.T){
		"hashicorp/go-retryablehttp#247 Retry-After without a cap":            retryAfterWithoutCap,
		"docker/hub-feedback#2459 Unix time in Retry-After":                   epochInRetryAfter,
		"hashicorp/go-retryablehttp#169 classifier without the request":       classifierSeesRequest,
		"go-resty/resty#777 POST repeated by default":                         postIsNotRepeated,
		"hashicorp/go-retryablehttp#85 idle connections closed on failure":    poolIsLeftAlone,
		"hashicorp/go-retryablehttp#82 drain of a body that never ends":       drainIsBounded,
		"hashicorp/go-retryablehttp#215 body gone before the decision":        bodyThereForDecision,
		"hashicorp/go-retryablehttp#272 sleeps past the deadline":             noSleepPastDeadline,
		"hashicorp/go-retryablehttp#46 last response dropped":                 lastResponseKept,
		"golang/vulndb#2947 credentials in errors":                            noCredentialsInErrors,
		"hashicorp/go-retryablehttp#94 reader shared between attempts":        freshReaderPerAttempt,
		"PuerkitoBio/rehttp#6 no time limit per attempt":                      limitPerAttempt,
		"turbopuffer/turbopuffer-go#138 attempt's timeout taken for caller's": attemptTimeoutIsRepeated,
		"failsafe-go/failsafe-go#65 winner's body cut by its context":         winnersBodyIsWhole,
		"failsafe-go/failsafe-go#73 POST repeated with an empty body":         sameBodyAgain,
		"failsafe-go/failsafe-go#136 policy keeps one call's context":         policyKeepsNoContext,
		"cenkalti/backoff#120 schedule that never stops":                      scheduleWithoutStop,
		"cenkalti/backoff#123 Permanent loses its wrapping":                   permanentKeepsWrapping,
		"cenkalti/backoff#65 schedule shared by goroutines":                   schedulePerCall,
		"cenkalti/backoff#184 cause lost with RetryAfter":                     causeKept,
		"aws/aws-sdk-go-v2#3186 budget starves other keys":                    budgetPerKey,
		"aws/aws-sdk-go-v2#3189 budget error looks like the server's":         budgetErrorSaysSo,
		"golang/go#19943 idempotency key makes POST repeatable":               keyMakesRepeatable,
		"googleapis/google-cloud-go#1311 body cut in the middle":              cutBodyIsRepeated,
		"App-vNext/Polly#1035 one 429 becomes thousands":                      throttlingIsNotMultiplied,
		"stacklok/toolhive#6483 CloseIdleConnections swallowed":               closeIdleReachesTransport,
	})
}

// inBubbles runs each test, under its name, in a bubble of its own.
func inBubbles(t *testing.T, tests map[string]func(*testing.T)) {
	t.Helper()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, test)
		})
	}
}

// get sends a GET through a policy made of c to a script of steps.
func get(t *testing.T, c retry.Config, steps ...rttest.Step) (*http.Response, *rttest.Script, error) {
	t.Helper()
	s := rttest.NewScript(steps...)
	resp, err := roundTrip(t, c, s, newRequest(t, http.MethodGet, nil))
	return resp, s, err
}

func retryAfterWithoutCap(t *testing.T) {
	begin := time.Now()
	resp, s, err := get(t, retry.Config{}, rttest.Step{Status: 429, Header: []string{"Retry-After", "1743449420"}})
	require.NoError(t, err)
	require.Equal(t, 429, resp.StatusCode)
	require.Len(t, s.Calls(), 1)
	require.Zero(t, time.Since(begin))
}

func epochInRetryAfter(t *testing.T) {
	// A bubble begins at 946684800.
	_, s, err := get(t, retry.Config{Backoff: retry.Constant(time.Second)},
		rttest.Step{Status: 429, Header: []string{"Retry-After", "1000000000"}}, rttest.Step{})
	require.NoError(t, err)
	require.Len(t, s.Calls(), 1, "that is in 2001, not in thirty years")

	time.Sleep(time.Until(time.Unix(1000000000, 0)) - 20*time.Second)
	_, s, err = get(t, retry.Config{Backoff: retry.Constant(time.Second)},
		rttest.Step{Status: 429, Header: []string{"Retry-After", "1000000000"}}, rttest.Step{})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{21 * time.Second}, waits(s.Calls()))
}

func classifierSeesRequest(t *testing.T) {
	var methods []string
	c := retry.Config{Classify: func(a retry.Attempt) retry.Verdict {
		methods = append(methods, a.Request.Method)
		return retry.ByDefault
	}}
	_, _, err := get(t, c, rttest.Step{Err: errBroken}, rttest.Step{})
	require.NoError(t, err)
	require.Equal(t, []string{"GET", "GET"}, methods, "after an error too")
}

func postIsNotRepeated(t *testing.T) {
	for _, step := range []rttest.Step{{Status: 500}, {Status: 503}, {Status: 429}, {Err: errBroken}, {Err: io.ErrUnexpectedEOF}} {
		s := rttest.NewScript(step)
		_, _ = roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodPost, strings.NewReader("charge")))
		require.Len(t, s.Calls(), 1)
	}
}

func poolIsLeftAlone(t *testing.T) {
	_, s, err := get(t, retry.Config{}, rttest.Step{Err: errBroken})
	require.Error(t, err)
	require.Zero(t, s.IdleClosed())
}

func drainIsBounded(t *testing.T) {
	for _, body := range []rttest.Step{
		{Status: 503, Body: strings.Repeat("x", 1000), Endless: true},
		{Status: 503, Body: "x", Endless: true, Drip: time.Second},
	} {
		begin := time.Now()
		_, s, err := get(t, retry.Config{Backoff: retry.Constant(0)}, body, rttest.Step{})
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(begin), 100*time.Millisecond)
		require.LessOrEqual(t, s.Bodies()[0].BytesRead(), 64<<10+1)
	}
}

func bodyThereForDecision(t *testing.T) {
	var seen []string
	c := retry.Config{Classify: func(a retry.Attempt) retry.Verdict {
		peeked, _ := io.ReadAll(a.Response.Body)
		seen = append(seen, string(peeked))
		a.Response.Body = io.NopCloser(strings.NewReader(string(peeked)))
		return retry.ByDefault
	}}
	resp, _, err := get(t, c, rttest.Step{Status: 503, Body: "first"}, rttest.Step{Body: "second"})
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second"}, seen)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "second", string(data))
}

func noSleepPastDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begin := time.Now()
	s := rttest.NewScript(rttest.Step{Status: 503})
	resp, err := roundTrip(t, retry.Config{Backoff: retry.Constant(2 * time.Second)}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Zero(t, time.Since(begin))
}

func lastResponseKept(t *testing.T) {
	resp, _, err := get(t, retry.Config{}, rttest.Step{Status: 503, Body: `{"error":"maintenance"}`})
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, `503 {"error":"maintenance"}`, fmt.Sprint(resp.StatusCode, " ", string(data)))
}

func noCredentialsInErrors(t *testing.T) {
	s := rttest.NewScript(rttest.Step{Err: errBroken})
	req := newRequest(t, http.MethodGet, nil)
	req.URL.User = url.UserPassword("user", "hunter2")
	req.URL.RawQuery = "api_key=hunter2"
	req.Header.Set("Authorization", "Bearer hunter2")
	_, err := roundTrip(t, retry.Config{}, s, req)
	for _, format := range []string{"%v", "%+v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(format, err), "hunter2")
	}
}

func freshReaderPerAttempt(t *testing.T) {
	// The first attempt goes on reading its body while the second does.
	var wg sync.WaitGroup
	attempts := 0
	var second string
	rt := rttest.Func(func(req *http.Request) (*http.Response, error) {
		attempts++
		if attempts == 1 {
			wg.Go(func() {
				_, _ = io.Copy(io.Discard, iotest.OneByteReader(req.Body))
				_ = req.Body.Close()
			})
			return nil, errBroken
		}
		data, err := io.ReadAll(req.Body)
		second = string(data)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, errors.Join(err, req.Body.Close())
	})
	_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rt, keyed(t, strings.NewReader(strings.Repeat("payload", 100))))
	require.NoError(t, err)
	wg.Wait()
	require.Equal(t, strings.Repeat("payload", 100), second)
}

func limitPerAttempt(t *testing.T) {
	s := rttest.NewScript(rttest.Step{Wait: time.Hour}, rttest.Step{})
	begin := time.Now()
	_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, retry.AttemptTimeout(time.Second)(s), newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	require.Equal(t, time.Second, time.Since(begin))
}

func attemptTimeoutIsRepeated(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := rttest.NewScript(rttest.Step{Wait: time.Hour}, rttest.Step{Wait: time.Hour}, rttest.Step{})
	_, err := roundTrip(t, retry.Config{}, retry.AttemptTimeout(time.Second)(s), newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.NoError(t, err)
	require.Len(t, s.Calls(), 3)
}

func winnersBodyIsWhole(t *testing.T) {
	s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Body: "answer"})
	resp, err := roundTrip(t, retry.Config{}, retry.AttemptTimeout(time.Second)(s), newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	time.Sleep(time.Hour)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "answer", string(data))
}

func sameBodyAgain(t *testing.T) {
	s := rttest.NewScript(rttest.Step{Wait: time.Hour}, rttest.Step{})
	_, err := roundTrip(t, retry.Config{}, retry.AttemptTimeout(time.Second)(s), keyed(t, strings.NewReader("payload")))
	require.NoError(t, err)
	for _, call := range s.Calls() {
		require.Equal(t, "payload", call.Body)
	}
}

func policyKeepsNoContext(t *testing.T) {
	p := newPolicy(t, retry.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{})
	rt := p.Wrap(s)
	cancel()
	_, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

func scheduleWithoutStop(t *testing.T) {
	// A literal struct has a Stop of 0 and a MaxInterval of 0: it never stops
	// and never waits.
	c := retry.Config{MaxAttempts: 10, Backoff: func() backoff.BackOff {
		return &backoff.ExponentialBackOff{Clock: backoff.SystemClock}
	}}
	_, s, err := get(t, c, rttest.Step{Status: 503})
	require.NoError(t, err)
	require.Len(t, s.Calls(), 10)
}

func permanentKeepsWrapping(t *testing.T) {
	wrapped := fmt.Errorf("while charging: %w", backoff.Permanent(errBroken))
	_, s, err := get(t, retry.Config{}, rttest.Step{Err: wrapped})
	require.Equal(t, wrapped, err)
	require.Len(t, s.Calls(), 1)
}

func schedulePerCall(t *testing.T) {
	made := 0
	p := newPolicy(t, retry.Config{Backoff: func() backoff.BackOff {
		made++
		return backoff.NewConstantBackOff(0)
	}})
	for range 3 {
		resp, err := p.Wrap(rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Status: 503}, rttest.Step{})).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, 3, made)
}

func causeKept(t *testing.T) {
	below := behaving{retryable: true, after: time.Hour}
	_, _, err := get(t, retry.Config{}, rttest.Step{Err: fmt.Errorf("below: %w", below)})
	require.ErrorIs(t, err, below)
}

func budgetPerKey(t *testing.T) {
	p := newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: newBudget(t, retry.BudgetConfig{})})
	sends(t, p, 1000)
	other := newRequest(t, http.MethodGet, nil)
	other.URL.Host = "other.example.com"
	s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{})
	resp, err := p.Wrap(s).RoundTrip(other)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
}

func budgetErrorSaysSo(t *testing.T) {
	c := retry.Config{Budget: newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: -1})}
	_, _, err := get(t, c, rttest.Step{Err: errBroken})
	require.EqualError(t, err, "retry: 1 attempt, retry budget exhausted: last error: connection broken")
}

func keyMakesRepeatable(t *testing.T) {
	s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{})
	_, err := roundTrip(t, retry.Config{}, s, keyed(t, strings.NewReader("charge")))
	require.NoError(t, err)
	require.Len(t, s.Calls(), 2)
}

func cutBodyIsRepeated(t *testing.T) {
	resp, _, err := get(t, retry.Config{BufferResponses: 1 << 10}, rttest.Step{Body: "half", Cut: true}, rttest.Step{Body: "whole"})
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "whole", string(data))
}

func throttlingIsNotMultiplied(t *testing.T) {
	p := newPolicy(t, retry.Config{MaxAttempts: 10, Budget: newBudget(t, retry.BudgetConfig{MinPerSecond: -1})})
	s := rttest.NewScript(rttest.Step{Status: 429, Header: []string{"Retry-After", "1"}})
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			resp, err := p.Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
			if err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	require.Len(t, s.Calls(), 1100, "to hold back the first attempts of the others is a limiter's work")
}

func closeIdleReachesTransport(t *testing.T) {
	s := rttest.NewScript()
	client := &http.Client{Transport: newPolicy(t, retry.Config{}).Wrap(retry.AttemptTimeout(time.Second)(s))}
	client.CloseIdleConnections()
	require.Equal(t, 1, s.IdleClosed())
}
