package retry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func newRequest(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://api.example.com/v1/things", body)
	require.NoError(t, err)
	return req
}

// roundTrip sends req through a policy made of c to the script.
func roundTrip(t *testing.T, c retry.Config, s http.RoundTripper, req *http.Request) (*http.Response, error) {
	t.Helper()
	resp, err := newPolicy(t, c).Wrap(s).RoundTrip(req)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// behaving is an error that says how to treat it.
type behaving struct {
	retryable bool
	notSent   bool
	after     time.Duration
}

func (e behaving) Error() string             { return "behaving" }
func (e behaving) Retryable() bool           { return e.retryable }
func (e behaving) NotSent() bool             { return e.notSent }
func (e behaving) RetryAfter() time.Duration { return e.after }

var (
	errBroken  = errors.New("connection broken")
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errors.New("refused"))}
)

func TestWhatIsRepeated(t *testing.T) {
	t.Parallel()
	key := []string{"Idempotency-Key", "k"}
	for name, tt := range map[string]struct {
		method string
		header []string
		step   rttest.Step
		want   bool
	}{
		"GET 500":       {method: "GET", step: rttest.Step{Status: 500}, want: true},
		"HEAD 500":      {method: "HEAD", step: rttest.Step{Status: 500}, want: true},
		"OPTIONS 500":   {method: "OPTIONS", step: rttest.Step{Status: 500}, want: true},
		"TRACE 500":     {method: "TRACE", step: rttest.Step{Status: 500}, want: true},
		"PUT 500":       {method: "PUT", step: rttest.Step{Status: 500}},
		"DELETE 500":    {method: "DELETE", step: rttest.Step{Status: 500}},
		"POST key 500":  {method: "POST", header: key, step: rttest.Step{Status: 500}},
		"GET 501":       {method: "GET", step: rttest.Step{Status: 501}},
		"GET 505":       {method: "GET", step: rttest.Step{Status: 505}},
		"GET 404":       {method: "GET", step: rttest.Step{Status: 404}},
		"GET 400":       {method: "GET", step: rttest.Step{Status: 400}},
		"GET 401":       {method: "GET", step: rttest.Step{Status: 401}},
		"GET 409":       {method: "GET", step: rttest.Step{Status: 409}},
		"GET 304":       {method: "GET", step: rttest.Step{Status: 304}},
		"GET 408":       {method: "GET", step: rttest.Step{Status: 408}, want: true},
		"GET 421":       {method: "GET", step: rttest.Step{Status: 421}, want: true},
		"GET 425":       {method: "GET", step: rttest.Step{Status: 425}, want: true},
		"GET 429":       {method: "GET", step: rttest.Step{Status: 429}, want: true},
		"GET 502":       {method: "GET", step: rttest.Step{Status: 502}, want: true},
		"GET 503":       {method: "GET", step: rttest.Step{Status: 503}, want: true},
		"GET 504":       {method: "GET", step: rttest.Step{Status: 504}, want: true},
		"GET 529":       {method: "GET", step: rttest.Step{Status: 529}, want: true},
		"PUT 503":       {method: "PUT", step: rttest.Step{Status: 503}, want: true},
		"DELETE 503":    {method: "DELETE", step: rttest.Step{Status: 503}, want: true},
		"no method 503": {method: "", step: rttest.Step{Status: 503}, want: true},
		"POST 408":      {method: "POST", step: rttest.Step{Status: 408}},
		"POST 421":      {method: "POST", step: rttest.Step{Status: 421}},
		"POST 425":      {method: "POST", step: rttest.Step{Status: 425}},
		"POST 429":      {method: "POST", step: rttest.Step{Status: 429}},
		"POST 500":      {method: "POST", step: rttest.Step{Status: 500}},
		"POST 502":      {method: "POST", step: rttest.Step{Status: 502}},
		"POST 503":      {method: "POST", step: rttest.Step{Status: 503}},
		"POST 504":      {method: "POST", step: rttest.Step{Status: 504}},
		"POST 529":      {method: "POST", step: rttest.Step{Status: 529}},
		"PATCH 429":     {method: "PATCH", step: rttest.Step{Status: 429}},
		"CONNECT 503":   {method: "CONNECT", step: rttest.Step{Status: 503}},
		"POST key 503":  {method: "POST", header: key, step: rttest.Step{Status: 503}, want: true},
		"POST X-key":    {method: "POST", header: []string{"X-Idempotency-Key", "k"}, step: rttest.Step{Status: 503}, want: true},
		"PATCH key 429": {method: "PATCH", header: key, step: rttest.Step{Status: 429}, want: true},

		"GET broken":      {method: "GET", step: rttest.Step{Err: errBroken}, want: true},
		"GET reset":       {method: "GET", step: rttest.Step{Err: &net.OpError{Op: "read", Err: errBroken}}, want: true},
		"GET EOF":         {method: "GET", step: rttest.Step{Err: io.EOF}, want: true},
		"GET timeout":     {method: "GET", step: rttest.Step{Err: os.ErrDeadlineExceeded}, want: true},
		"POST broken":     {method: "POST", step: rttest.Step{Err: errBroken}},
		"POST write":      {method: "POST", step: rttest.Step{Err: &net.OpError{Op: "write", Err: errBroken}}},
		"POST key broken": {method: "POST", header: key, step: rttest.Step{Err: errBroken}, want: true},
		"POST refused":    {method: "POST", step: rttest.Step{Err: errRefused}, want: true},
		"POST refused in url.Error": {
			method: "POST", want: true,
			step: rttest.Step{Err: &url.Error{Op: "Post", URL: "https://api.example.com", Err: errRefused}},
		},
		"POST not sent":       {method: "POST", step: rttest.Step{Err: behaving{retryable: true, notSent: true}}, want: true},
		"POST perhaps sent":   {method: "POST", step: rttest.Step{Err: behaving{retryable: true}}},
		"GET not retryable":   {method: "GET", step: rttest.Step{Err: fmt.Errorf("below: %w", behaving{})}},
		"GET permanent":       {method: "GET", step: rttest.Step{Err: fmt.Errorf("below: %w", backoff.Permanent(errBroken))}},
		"GET certificate":     {method: "GET", step: rttest.Step{Err: &tls.CertificateVerificationError{Err: errBroken}}},
		"GET not TLS":         {method: "GET", step: rttest.Step{Err: tls.RecordHeaderError{Msg: "not TLS"}}},
		"GET scheme mismatch": {method: "GET", step: rttest.Step{Err: http.ErrSchemeMismatch}},
		"GET unknown host": {
			method: "GET",
			step:   rttest.Step{Err: &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}},
		},
		"GET DNS server fails": {
			method: "GET", want: true,
			step: rttest.Step{Err: &net.OpError{Op: "dial", Err: &net.DNSError{IsTemporary: true}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := rttest.NewScript(tt.step, rttest.Step{Body: "good"})
				req := newRequest(t, tt.method, strings.NewReader("payload"))
				req.Method = tt.method
				for i := 0; i+1 < len(tt.header); i += 2 {
					req.Header.Set(tt.header[i], tt.header[i+1])
				}
				resp, err := roundTrip(t, retry.Config{}, s, req)
				if tt.want {
					require.NoError(t, err)
					require.Equal(t, 200, resp.StatusCode)
					require.Len(t, s.Calls(), 2)
					require.Equal(t, "payload", s.Calls()[1].Body)
					return
				}
				require.Len(t, s.Calls(), 1)
				if tt.step.Err != nil {
					require.Equal(t, tt.step.Err, err, "as it is")
				} else {
					require.NoError(t, err)
					require.Equal(t, tt.step.Status, resp.StatusCode)
				}
			})
		})
	}
}

func TestIdempotentByContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{})
		req := newRequest(t, http.MethodPost, strings.NewReader("payload"))
		resp, err := roundTrip(t, retry.Config{}, s, req.WithContext(retry.Idempotent(t.Context())))
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	})
}

func TestUnknownSchemeIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"ftp://api.example.com/", "https:///nowhere", "/relative"} {
		s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, raw, nil)
		require.NoError(t, err)
		_, err = roundTrip(t, retry.Config{}, s, req)
		require.Equal(t, errBroken, err)
		require.Len(t, s.Calls(), 1)
	}
}

// What net/http refuses to send, with errors that have no type, it will refuse
// again.
func TestMalformedRequestIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*http.Request)
		calls int
	}{
		"nothing wrong":         {func(*http.Request) {}, 3},
		"odd, but well formed":  {func(r *http.Request) { r.Header["X-odd~"] = []string{"\ttab \xff", "", "a, b"} }, 3},
		"method":                {func(r *http.Request) { r.Method = "PUT IT" }, 1},
		"field name":            {func(r *http.Request) { r.Header["X Y"] = []string{"v"} }, 1},
		"field without a name":  {func(r *http.Request) { r.Header[""] = []string{"v"} }, 1},
		"line break in a value": {func(r *http.Request) { r.Header["X"] = []string{"good", "a\r\nEvil: 1"} }, 1},
		"NUL in a value":        {func(r *http.Request) { r.Header["X"] = []string{"\x00"} }, 1},
		"DEL in a value":        {func(r *http.Request) { r.Header["X"] = []string{"\x7f"} }, 1},
		"name of a trailer":     {func(r *http.Request) { r.Trailer = http.Header{"X Y": nil} }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := newRequest(t, http.MethodPut, nil)
			tt.spoil(req)
			calls := 0
			transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
				client, server := net.Pipe()
				return client, server.Close()
			}}
			_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, rttest.Func(func(req *http.Request) (*http.Response, error) {
				calls++
				return transport.RoundTrip(req)
			}), req)
			require.Error(t, err)
			require.Equal(t, tt.calls, calls)
		})
	}
}

func TestLastAnswerIsReturnedUntouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(
			rttest.Step{Status: 503, Body: "first"},
			rttest.Step{Status: 502, Body: "second"},
			rttest.Step{Status: 503, Body: "third", Header: []string{"X-Id", "3"}},
		)
		resp, err := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		require.Equal(t, 503, resp.StatusCode)
		require.Equal(t, "3", resp.Header.Get("X-Id"))
		data, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "third", string(data))
		require.Len(t, s.Calls(), retry.DefaultMaxAttempts)
	})
}

func TestErrorAfterAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Err: errRefused})
		_, err := roundTrip(t, retry.Config{MaxAttempts: 4}, s, newRequest(t, http.MethodPost, nil))
		var e *retry.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 4, e.Attempts)
		require.Equal(t, retry.AttemptsExhausted, e.Reason)
		require.ErrorIs(t, err, errRefused)
		require.Equal(t, "retry: 4 attempts, attempts exhausted: last error: "+errRefused.Error(), err.Error())
		require.Len(t, s.Calls(), 4)
	})
}

func TestOffMeansOnce(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(rttest.Step{Err: errRefused})
	_, err := roundTrip(t, retry.Config{MaxAttempts: -1}, s, newRequest(t, http.MethodGet, nil))
	require.Equal(t, errRefused, err, "an error of a single attempt is not dressed up")
	require.Len(t, s.Calls(), 1)
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	_, err := retry.New(retry.Config{MaxDelay: -time.Second, BufferResponses: -1})
	require.EqualError(t, err, "retry: Config.MaxDelay is -1s: must not be negative\n"+
		"retry: Config.BufferResponses is -1: must not be negative")
}

func TestNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newPolicy(t, retry.Config{}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func TestReasonString(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for r := retry.NotRetryable; r <= retry.Canceled; r++ {
		require.NotEqual(t, "unknown", r.String())
		require.False(t, seen[r.String()])
		seen[r.String()] = true
	}
	require.Equal(t, "unknown", retry.Reason(0).String())
	require.Equal(t, "unknown", (retry.Canceled + 1).String())
	require.Equal(t, "unknown", retry.Reason(-1).String())
}

// A transport that returns an answer with an error is against the contract, and
// an http.Client in the place of one does so. The error counts, whichever
// attempt it is of, and nothing is left open.
func TestAnswerWithAnError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		config retry.Config
		calls  int
	}{
		"once":         {http.MethodGet, retry.Config{MaxAttempts: -1}, 1},
		"repeated":     {http.MethodGet, retry.Config{Backoff: retry.Constant(0)}, 3},
		"not repeated": {http.MethodPost, retry.Config{}, 1},
		"classified": {http.MethodGet, retry.Config{Classify: func(a retry.Attempt) retry.Verdict {
			if a.Response != nil {
				return retry.Accept
			}
			return retry.Stop
		}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bodies []*rttest.Body
			rt := rttest.Func(func(req *http.Request) (*http.Response, error) {
				bodies = append(bodies, rttest.NewBody("sorry"))
				return &http.Response{StatusCode: http.StatusFound, Body: bodies[len(bodies)-1], Request: req}, errBroken
			})
			resp, err := newPolicy(t, tt.config).Wrap(rt).RoundTrip(newRequest(t, tt.method, nil))
			require.ErrorIs(t, err, errBroken)
			require.Nil(t, resp)
			require.Len(t, bodies, tt.calls)
			for _, b := range bodies {
				require.Equal(t, 1, b.Closes())
			}
		})
	}
}
