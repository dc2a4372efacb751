package retry_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// keyed returns a POST that may be repeated, with a body that has no GetBody.
func keyed(t testing.TB, body io.Reader) *http.Request {
	t.Helper()
	req := newRequest(t, http.MethodPost, io.MultiReader(body))
	require.Nil(t, req.GetBody)
	req.Header.Set("Idempotency-Key", "k")
	return req
}

func TestIdenticalBodyEachTime(t *testing.T) {
	t.Parallel()
	payload := strings.Repeat("0123456789abcdef", 64<<10/16)
	for name, withGetBody := range map[string]bool{"with GetBody": true, "recorded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken}, rttest.Step{Status: 502}, rttest.Step{})
				req := keyed(t, strings.NewReader(payload))
				if withGetBody {
					req = newRequest(t, http.MethodPost, strings.NewReader(payload))
					req.Header.Set("Idempotency-Key", "k")
				}
				resp, err := roundTrip(t, retry.Config{MaxAttempts: 4}, s, req)
				require.NoError(t, err)
				require.Equal(t, 200, resp.StatusCode)
				require.Len(t, s.Calls(), 4)
				for _, call := range s.Calls() {
					require.NoError(t, call.Err)
					require.Equal(t, payload, call.Body)
				}
			})
		})
	}
}

func TestUnrepeatableBodyIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		step   rttest.Step
		config retry.Config
	}{
		"answer, too long":     {rttest.Step{Status: 503, Body: "sorry"}, retry.Config{MaxBuffer: 6}},
		"error, too long":      {rttest.Step{Err: errBroken}, retry.Config{MaxBuffer: 6}},
		"answer, nothing kept": {rttest.Step{Status: 503, Body: "sorry"}, retry.Config{MaxBuffer: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reason retry.Reason
			tt.config.Hooks.GiveUp = func(e retry.Event) { reason = e.Reason }
			s := rttest.NewScript(tt.step, rttest.Step{})
			resp, err := roundTrip(t, tt.config, s, keyed(t, strings.NewReader("payload")))
			require.Len(t, s.Calls(), 1)
			require.Equal(t, "payload", s.Calls()[0].Body)
			require.Equal(t, retry.BodyNotRepeatable, reason, "the caller can see it")
			if tt.step.Err == nil {
				require.NoError(t, err)
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, "sorry", string(data))
				return
			}
			var e *retry.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, retry.BodyNotRepeatable, e.Reason)
			require.ErrorIs(t, err, errBroken)
		})
	}
}

// A body that was not read at all can be sent, however long it is and whatever
// the method.
func TestUnreadBodyIsRepeatable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Err: errRefused, Unread: true}, rttest.Step{Err: errRefused, Unread: true}, rttest.Step{})
		req := newRequest(t, http.MethodPost, io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20))))
		_, err := roundTrip(t, retry.Config{}, s, req)
		require.NoError(t, err)
		require.Len(t, s.Calls()[2].Body, 1<<20)
	})
}

func TestGetBodyFails(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(rttest.Step{Status: 503, Body: "sorry"}, rttest.Step{})
	req := newRequest(t, http.MethodPut, strings.NewReader("payload"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") }
	resp, err := roundTrip(t, retry.Config{}, s, req)
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "sorry", string(data), "the answer comes back untouched")
	require.Len(t, s.Calls(), 1)
}

func TestBufferedResponses(t *testing.T) {
	t.Parallel()
	cut := rttest.Step{Body: "half an ans", Cut: true}
	whole := rttest.Step{Body: "the whole answer"}
	for name, tt := range map[string]struct {
		steps  []rttest.Step
		method string
		limit  int64
		calls  int
		body   string
		cut    bool
	}{
		"cut answer is repeated":        {[]rttest.Step{cut, whole}, "GET", 1 << 10, 2, "the whole answer", false},
		"unless it is not asked for":    {[]rttest.Step{cut, whole}, "GET", 0, 1, "half an ans", true},
		"unless it is too long":         {[]rttest.Step{cut, whole}, "GET", 5, 1, "half an ans", true},
		"unless doing it twice is harm": {[]rttest.Step{cut, whole}, "POST", 1 << 10, 1, "half an ans", true},
		"always cut":                    {[]rttest.Step{cut}, "GET", 1 << 10, 3, "half an ans", true},
		"exactly the limit":             {[]rttest.Step{whole}, "GET", 16, 1, "the whole answer", false},
		"longer than the limit":         {[]rttest.Step{whole}, "GET", 3, 1, "the whole answer", false},
		"no limit to speak of":          {[]rttest.Step{cut, whole}, "GET", 1<<63 - 1, 2, "the whole answer", false},
		"event stream": {
			[]rttest.Step{{Body: "data: 1\n\n", Cut: true, Header: []string{"Content-Type", "text/event-stream; charset=utf-8"}}},
			"GET", 1 << 10, 1, "data: 1\n\n", true,
		},
		"event stream with odd parameters": {
			[]rttest.Step{{Body: "data: 1\n\n", Cut: true, Header: []string{"Content-Type", "text/event-stream; charset"}}},
			"GET", 1 << 10, 1, "data: 1\n\n", true,
		},
		"upgrade": {[]rttest.Step{{Status: 101, Body: "frames", Cut: true}}, "GET", 1 << 10, 1, "frames", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.steps...)
				resp, err := roundTrip(t, retry.Config{BufferResponses: tt.limit}, s, newRequest(t, tt.method, nil))
				require.NoError(t, err)
				data, err := io.ReadAll(resp.Body)
				require.Equal(t, tt.body, string(data))
				if tt.cut {
					require.ErrorIs(t, err, rttest.ErrCut, "what is cut never looks whole")
				} else {
					require.NoError(t, err)
				}
				require.NoError(t, resp.Body.Close())
				require.Len(t, s.Calls(), tt.calls)
				for _, b := range s.Bodies() {
					require.Positive(t, b.Closes())
				}
			})
		})
	}
}

// A Content-Length is a promise, not a reason to take memory.
func TestBufferedResponseOfBoastfulServer(t *testing.T) {
	t.Parallel()
	rt := newPolicy(t, retry.Config{BufferResponses: 1 << 62, MaxAttempts: -1}).Wrap(
		rttest.Func(func(req *http.Request) (*http.Response, error) {
			body := rttest.NewBody("tiny")
			return &http.Response{StatusCode: http.StatusOK, ContentLength: 1 << 61, Body: body, Request: req}, nil
		}))
	resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "tiny", string(data))
	require.NoError(t, resp.Body.Close())
}

// flawed is what a Check may say.
type flawed struct{ behaving }

func TestCheck(t *testing.T) {
	t.Parallel()
	throttled := rttest.Step{Body: "throttled", Header: []string{"X-Throttled", "1"}}
	for name, tt := range map[string]struct {
		flaw   error
		method string
		calls  int
		wait   time.Duration
	}{
		"plain error is repeated": {errBroken, "GET", 2, time.Second},
		"not when doing harm":     {errBroken, "POST", 1, 0},
		"not when it says so":     {flawed{behaving{}}, "GET", 1, 0},
		"after the wait that it asks for": {
			flawed{behaving{retryable: true, after: 7 * time.Second}}, "GET", 2, 8 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(throttled, rttest.Step{Body: "good"})
				c := retry.Config{
					Backoff: retry.Constant(time.Second),
					Check: func(resp *http.Response) error {
						if resp.Header.Get("X-Throttled") != "" {
							return tt.flaw
						}
						return nil
					},
				}
				begin := time.Now()
				resp, err := roundTrip(t, c, s, newRequest(t, tt.method, nil))
				require.NoError(t, err, "it only classifies")
				require.Len(t, s.Calls(), tt.calls)
				require.Equal(t, tt.wait, time.Since(begin))
				data, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, map[int]string{1: "throttled", 2: "good"}[tt.calls], string(data))
			})
		})
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var events []retry.Event
		note := func(e retry.Event) { events = append(events, e) }
		req := newRequest(t, http.MethodGet, nil)
		c := retry.Config{Backoff: retry.Constant(time.Second), Hooks: retry.Hooks{Retry: note, GiveUp: note}}

		s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken})
		_, err := roundTrip(t, c, s, req)
		require.Error(t, err)
		require.Equal(t, []retry.Event{
			{Request: req, Attempt: 1, Status: 503, Delay: time.Second},
			{Request: req, Attempt: 2, Err: errBroken, Delay: time.Second},
			{Request: req, Attempt: 3, Err: errBroken, Reason: retry.AttemptsExhausted},
		}, events)

		events = nil
		_, err = roundTrip(t, c, rttest.NewScript(), req)
		require.NoError(t, err)
		require.Empty(t, events, "none on a call that succeeds at once")
	})
}

func TestHappyPathAllocatesNothing(t *testing.T) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	rt := newPolicy(t, retry.Config{}).Wrap(next)
	post := func() *http.Request {
		return newRequest(t, http.MethodPost, strings.NewReader(strings.Repeat("x", 1<<20)))
	}
	withKey := post()
	withKey.Header.Set("Idempotency-Key", "k")
	for name, tt := range map[string]struct {
		req  *http.Request
		want float64
	}{
		"GET":                        {newRequest(t, http.MethodGet, nil), 0},
		"POST with key and GetBody":  {withKey, 0},
		"POST: the trace of sending": {post(), 7},
	} {
		got := testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(tt.req) })
		require.Equal(t, tt.want, got, name)
	}
}
