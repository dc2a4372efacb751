package retry_test

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

const ms = time.Millisecond

func newHedge(t testing.TB, c retry.HedgeConfig) *retry.Hedge {
	t.Helper()
	h, err := retry.NewHedge(c)
	require.NoError(t, err)
	return h
}

// readAll reads the body of resp to its end.
func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(data)
}

// The second copy is due after 100 ms, a third after 200 ms.
func TestHedge(t *testing.T) {
	t.Parallel()
	type steps = []rttest.Step
	errOther := errors.New("another error")
	slow := rttest.Step{Wait: time.Second, Body: "slow"}
	stuck := rttest.Step{Wait: time.Hour}
	bad := func(resp *http.Response) error {
		if resp.Header.Get("Bad") == "" {
			return nil
		}
		return behaving{retryable: resp.Header.Get("Bad") == "passing"}
	}
	for name, tt := range map[string]struct {
		method string
		extra  int
		steps  steps
		body   string // of the answer
		err    error
		took   time.Duration
		calls  int
	}{
		"fast":               {steps: steps{{Wait: 99 * ms, Body: "1"}}, body: "1", took: 99 * ms, calls: 1},
		"second wins":        {steps: steps{stuck, {Wait: 30 * ms, Body: "2"}}, body: "2", took: 130 * ms, calls: 2},
		"first wins late":    {steps: steps{{Wait: 150 * ms, Body: "1"}, stuck}, body: "1", took: 150 * ms, calls: 2},
		"one extra by zero":  {steps: steps{slow, stuck, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"third wins":         {extra: 2, steps: steps{stuck, stuck, {Wait: 10 * ms, Body: "3"}}, body: "3", took: 210 * ms, calls: 3},
		"a 404 wins":         {steps: steps{slow, {Status: 404, Body: "2"}}, body: "2", took: 100 * ms, calls: 2},
		"a 500 to PUT wins":  {method: "PUT", steps: steps{slow, {Status: 500, Body: "2"}}, body: "2", took: 100 * ms, calls: 2},
		"a 500 to GET fails": {steps: steps{slow, {Status: 500}}, body: "slow", took: time.Second, calls: 2},

		"an error does not win":     {steps: steps{slow, {Err: errBroken}}, body: "slow", took: time.Second, calls: 2},
		"a 503 does not win":        {steps: steps{slow, {Status: 503}}, body: "slow", took: time.Second, calls: 2},
		"a rejected does not win":   {steps: steps{slow, {Header: []string{"Bad", "passing"}}}, body: "slow", took: time.Second, calls: 2},
		"first fails, others run":   {steps: steps{{Wait: 200 * ms, Status: 503}, {Wait: 300 * ms, Body: "2"}}, body: "2", took: 400 * ms, calls: 2},
		"first fails, third comes":  {extra: 2, steps: steps{{Wait: 150 * ms, Err: errBroken}, stuck, {Body: "3"}}, body: "3", took: 200 * ms, calls: 3},
		"not a retry of a 503":      {steps: steps{{Wait: 50 * ms, Status: 503, Body: "1"}, {Body: "2"}}, body: "1", took: 50 * ms, calls: 1},
		"not a retry of an error":   {steps: steps{{Wait: 50 * ms, Err: errBroken}, {Body: "2"}}, err: errBroken, took: 50 * ms, calls: 1},
		"not a retry of two":        {extra: 2, steps: steps{{Wait: 150 * ms, Err: errBroken}, {Err: errOther}, {Body: "3"}}, err: errOther, took: 150 * ms, calls: 2},
		"earliest response of two":  {steps: steps{{Wait: 300 * ms, Status: 503, Body: "1"}, {Status: 502, Body: "2"}}, body: "2", took: 300 * ms, calls: 2},
		"a response beats an error": {steps: steps{{Wait: 300 * ms, Status: 503, Body: "1"}, {Err: errBroken}}, body: "1", took: 300 * ms, calls: 2},
		"not the other way":         {steps: steps{{Wait: 300 * ms, Err: errBroken}, {Status: 503, Body: "2"}}, body: "2", took: 300 * ms, calls: 2},
		"a rejected beats an error": {steps: steps{{Wait: 300 * ms, Err: errBroken}, {Header: []string{"Bad", "passing"}, Body: "2"}}, body: "2", took: 300 * ms, calls: 2},

		"PUT: 404 may be an echo":     {method: "PUT", steps: steps{slow, {Status: 404, Body: "2"}}, body: "slow", took: time.Second, calls: 2},
		"DELETE: of either copy":      {method: "DELETE", steps: steps{{Wait: 150 * ms, Status: 404}, {Wait: 100 * ms, Body: "2"}}, body: "2", took: 200 * ms, calls: 2},
		"PUT: 409 without a copy":     {method: "PUT", steps: steps{{Status: 409, Body: "1"}, {Body: "2"}}, body: "1", calls: 1},
		"PUT: 404 beats an error":     {method: "PUT", steps: steps{{Wait: 300 * ms, Err: errBroken}, {Status: 404, Body: "2"}}, body: "2", took: 300 * ms, calls: 2},
		"PUT: 404 when all have come": {method: "PUT", steps: steps{{Wait: 300 * ms, Status: 404, Body: "1"}, {Err: errBroken}}, body: "1", took: 300 * ms, calls: 2},

		"third after 503":              {extra: 2, steps: steps{slow, {Status: 503}, {Body: "3"}}, body: "3", took: 200 * ms, calls: 3},
		"third after error":            {extra: 2, steps: steps{slow, {Err: errBroken}, {Body: "3"}}, body: "3", took: 200 * ms, calls: 3},
		"third after a rejected":       {extra: 2, steps: steps{slow, {Header: []string{"Bad", "passing"}}, {Body: "3"}}, body: "3", took: 200 * ms, calls: 3},
		"none after 429":               {extra: 2, steps: steps{slow, {Status: 429}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after 529":               {extra: 2, steps: steps{slow, {Status: 529}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after Retry-After":       {extra: 2, steps: steps{slow, {Status: 503, Header: []string{"Retry-After", "0"}}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after the first's":       {extra: 2, steps: steps{{Wait: 150 * ms, Status: 429}, slow, {Body: "3"}}, body: "slow", took: 1100 * ms, calls: 2},
		"none after X-Should-Retry":    {extra: 2, steps: steps{slow, {Status: 503, Header: []string{"X-Should-Retry", "false"}}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after a refusal":         {extra: 2, steps: steps{slow, {Err: behaving{retryable: true, notSent: true}}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after a permanent error": {extra: 2, steps: steps{slow, {Err: behaving{}}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
		"none after a lasting fault":   {extra: 2, steps: steps{slow, {Header: []string{"Bad", "lasting"}}, {Body: "3"}}, body: "slow", took: time.Second, calls: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.steps...)
				rt := newHedge(t, retry.HedgeConfig{Delay: 100 * ms, MaxExtra: tt.extra, Check: bad}).Wrap(s)
				begin := time.Now()
				resp, err := rt.RoundTrip(newRequest(t, tt.method, nil))
				require.Equal(t, tt.took, time.Since(begin))
				require.Equal(t, tt.err, err)
				if err == nil {
					require.Equal(t, tt.body, readAll(t, resp))
				}
				time.Sleep(time.Minute)
				require.Len(t, s.Calls(), tt.calls)
				for i, b := range s.Bodies() {
					require.Positive(t, b.Closes(), "answer %d", i+1)
				}
			})
		})
	}
}

func TestWhatIsHedged(t *testing.T) {
	t.Parallel()
	key := []string{"Idempotency-Key", "k"}
	for name, tt := range map[string]struct {
		method     string
		header     []string
		body       io.Reader
		idempotent bool
		trailer    http.Header
		want       bool
	}{
		"GET":                     {method: "GET", want: true},
		"no method":               {want: true},
		"HEAD":                    {method: "HEAD", want: true},
		"DELETE":                  {method: "DELETE", want: true},
		"PUT with GetBody":        {method: "PUT", body: strings.NewReader("data"), want: true},
		"PUT without GetBody":     {method: "PUT", body: rttest.NewBody("data")},
		"PUT with NoBody":         {method: "PUT", body: http.NoBody, want: true},
		"PUT with trailers":       {method: "PUT", body: strings.NewReader("data"), trailer: http.Header{"Sum": nil}},
		"POST":                    {method: "POST", body: strings.NewReader("data")},
		"POST without a body":     {method: "POST"},
		"PATCH":                   {method: "PATCH"},
		"CONNECT":                 {method: "CONNECT"},
		"POST with key":           {method: "POST", header: key, body: strings.NewReader("data"), want: true},
		"POST said to be so":      {method: "POST", body: strings.NewReader("data"), idempotent: true, want: true},
		"so, but without GetBody": {method: "POST", body: rttest.NewBody("data"), idempotent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.idempotent {
					ctx = retry.Idempotent(ctx)
				}
				req := newRequest(t, tt.method, tt.body).WithContext(ctx)
				req.Trailer = tt.trailer
				if tt.header != nil {
					req.Header.Set(tt.header[0], tt.header[1])
				}
				s := rttest.NewScript(rttest.Step{Wait: time.Hour, Body: "1"}, rttest.Step{Body: "2"})
				resp, err := newHedge(t, retry.HedgeConfig{Delay: time.Second}).Wrap(s).RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				if tt.want {
					require.Len(t, s.Calls(), 2)
				} else {
					require.Len(t, s.Calls(), 1)
					require.Same(t, req, s.Calls()[0].Request)
				}
				for _, c := range s.Calls() {
					require.NoError(t, c.Err)
					require.Equal(t, tt.body != nil && tt.body != http.NoBody, c.Body == "data")
				}
			})
		})
	}
}

func TestUnhedgedCostsNothing(t *testing.T) {
	answer := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	rt := newHedge(t, retry.HedgeConfig{Delay: time.Hour}).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
		return answer, nil
	}))
	req := newRequest(t, http.MethodPost, nil)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(req) }))
}

func TestHedgeOff(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	h := newHedge(t, retry.HedgeConfig{MaxExtra: -1})
	require.Same(t, s, h.Wrap(s))
	require.Same(t, http.DefaultTransport, h.Wrap(nil))
}

func TestHedgeUnwraps(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript()
	rt, ok := newHedge(t, retry.HedgeConfig{}).Wrap(s).(interface{ Unwrap() http.RoundTripper })
	require.True(t, ok)
	require.Same(t, s, rt.Unwrap())
}

func TestInvalidHedge(t *testing.T) {
	t.Parallel()
	_, err := retry.NewHedge(retry.HedgeConfig{Delay: -1, Percentile: math.NaN(), MaxExtra: 11, MaxKeys: -1})
	require.EqualError(t, err, strings.Join([]string{
		"retry: HedgeConfig.Delay is -1ns: must not be negative",
		"retry: HedgeConfig.Percentile is NaN: must be between 0 and 1",
		"retry: HedgeConfig.MaxExtra is 11: must be at most 10",
		"retry: HedgeConfig.MaxKeys is -1: must not be negative",
	}, "\n"))
	for _, p := range []float64{-0.1, 1, 95} {
		_, err := retry.NewHedge(retry.HedgeConfig{Percentile: p})
		require.ErrorContains(t, err, "HedgeConfig.Percentile", p)
	}
}

// What the caller's end means is the same before, during and after a hedge.
func TestHedgeCallerGone(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	deaf := func(s http.RoundTripper) rttest.Func {
		return func(req *http.Request) (*http.Response, error) {
			return s.RoundTrip(req.WithContext(context.WithoutCancel(req.Context())))
		}
	}
	for name, after := range map[string]time.Duration{"before": 0, "first": 50 * ms, "both": 150 * ms, "one has failed": 250 * ms} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(rttest.Step{Wait: time.Hour, Body: "1"}, rttest.Step{Wait: 100 * ms, Status: 503, Body: "2"})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(after, func() { cancel(gone) })
				begin := time.Now()
				_, err := newHedge(t, retry.HedgeConfig{Delay: 100 * ms}).Wrap(deaf(s)).RoundTrip(newRequest(t, "GET", nil).WithContext(ctx))
				require.Equal(t, gone, err)
				require.Equal(t, after, time.Since(begin), "it does not wait for a transport that does not heed the context")
				synctest.Wait()
				calls := len(s.Calls())
				time.Sleep(2 * time.Hour)
				require.Len(t, s.Calls(), calls)
				for _, b := range s.Bodies() {
					require.Positive(t, b.Closes())
				}
			})
		})
	}
}
