package ratelimit_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// look reads an answer with a body, and makes sure that the body is whole
// afterwards. It has all the time that it needs.
func look(t *testing.T, d ratelimit.Dialect, step rttest.Step) (s ratelimit.Signal, body *rttest.Body) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { s, body = lookNow(t, d, step) })
	return s, body
}

func lookNow(t *testing.T, d ratelimit.Dialect, step rttest.Step) (ratelimit.Signal, *rttest.Body) {
	t.Helper()
	p, err := ratelimit.NewParser(d)
	require.NoError(t, err)
	script := rttest.NewScript(step)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://api.example.com/", nil)
	require.NoError(t, err)
	resp, err := script.RoundTrip(req)
	require.NoError(t, err)
	var s ratelimit.Signal
	p.Parse(resp, received, &s)
	check(t, &s)
	body := script.Bodies()[0]
	if step.Endless {
		require.NoError(t, resp.Body.Close())
		return s, body
	}
	got, err := io.ReadAll(resp.Body)
	if step.Cut {
		require.ErrorIs(t, err, rttest.ErrCut)
	} else {
		require.NoError(t, err)
	}
	require.Equal(t, step.Body, string(got))
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, body.Closes())
	return s, body
}

var jsonType = []string{"Content-Type", "application/json; charset=utf-8"}

// The bodies by which servers tell what their header does not.
var bodies = map[string]struct {
	preset    ratelimit.Preset
	status    int
	body      string
	throttled bool
	wait      time.Duration
	reason    string
}{
	"GitHub, secondary limit": {
		ratelimit.GitHub, 403,
		`{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again.","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`,
		true, time.Minute, "secondary-rate-limit",
	},
	"GitHub, abuse": {
		ratelimit.GitHub, 403, `{"message":"You have triggered an abuse detection mechanism."}`,
		true, time.Minute, "secondary-rate-limit",
	},
	"GitHub, primary limit": {
		ratelimit.GitHub, 403, `{"message":"API rate limit exceeded for user ID 1."}`, true, -1, "rate-limit-exceeded",
	},
	"GitHub, no permission": {
		ratelimit.GitHub, 403, `{"message":"Resource not accessible by integration","documentation_url":"https://docs.github.com/rest"}`,
		false, -1, "",
	},
	"Google, per user": {
		ratelimit.Google, 403,
		`{"error":{"errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded","message":"User Rate Limit Exceeded"}],"code":403}}`,
		true, -1, "userRateLimitExceeded",
	},
	"Google, the day is over": {
		ratelimit.Google, 403, `{"error":{"errors":[{"reason":"dailyLimitExceeded"}]}}`, true, -1, "dailyLimitExceeded",
	},
	"Google, 503": {
		ratelimit.Google, 503, `{"error":{"errors":[{"reason":"rateLimitExceeded"}],"code":503}}`, true, -1, "rateLimitExceeded",
	},
	"Google, with RetryInfo": {
		ratelimit.Google, 429,
		`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30s"}]}}`,
		true, 30 * time.Second, "RESOURCE_EXHAUSTED",
	},
	"Google, forbidden": {
		ratelimit.Google, 403, `{"error":{"errors":[{"reason":"insufficientPermissions"}],"status":"PERMISSION_DENIED"}}`, false, -1, "",
	},
	"Google, out of order": {
		ratelimit.Google, 503, `{"error":{"errors":[{"reason":"backendError"}]}}`, false, -1, "",
	},
	"Salesforce": {
		ratelimit.Salesforce, 403, `[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]`,
		true, -1, "REQUEST_LIMIT_EXCEEDED",
	},
	"Slack": {ratelimit.Slack, 429, `{"ok":false,"error":"ratelimited"}`, true, -1, "ratelimited"},
	"Notion": {
		ratelimit.Notion, 429, `{"code":"rate_limited","additional_data":{"rate_limit_reason":"workspace"}}`, true, -1, "workspace",
	},
	"HubSpot": {
		ratelimit.HubSpot, 429, `{"status":"error","errorType":"RATE_LIMIT","policyName":"DAILY"}`, true, -1, "DAILY",
	},
	"Discord": {
		ratelimit.Discord, 429, `{"message":"You are being rate limited.","retry_after":64.57,"global":true}`,
		true, 64570 * time.Millisecond, "",
	},
	"Dropbox": {
		ratelimit.Dropbox, 429, `{"error":{"reason":{".tag":"too_many_write_operations"},"retry_after":300}}`,
		true, 5 * time.Minute, "too_many_write_operations",
	},
	"Anthropic": {
		ratelimit.Anthropic, 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
		true, -1, "overloaded_error",
	},
	"503 with a wait": {ratelimit.Auto, 503, `{"retry_after":5}`, true, 5 * time.Second, ""},
	"a policy that forbids": {
		ratelimit.Auto, 403, `{"code":"RequestDisallowedByPolicy","policyName":"tags"}`, false, -1, "",
	},
	"OpenAI": {
		ratelimit.OpenAI, 429, `{"error":{"message":"You exceeded","type":"insufficient_quota","code":"insufficient_quota"}}`,
		true, -1, "insufficient_quota",
	},
	"Mailchimp, a limit":       {ratelimit.Mailchimp, 403, "", true, -1, ""},
	"Mailchimp, no permission": {ratelimit.Mailchimp, 403, `{"title":"Forbidden","status":403}`, false, -1, ""},
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for name, tt := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := rttest.Step{Status: tt.status, Body: tt.body, Header: jsonType}
			if tt.body == "" {
				step.Header = nil
			}
			for _, d := range []ratelimit.Preset{tt.preset, ratelimit.Auto} {
				if d == ratelimit.Auto && tt.preset == ratelimit.Mailchimp {
					continue
				}
				s, _ := look(t, d, step)
				require.Equal(t, tt.throttled, s.Throttled)
				require.Equal(t, tt.wait, s.Wait())
				require.Equal(t, tt.reason, s.Reason)
			}
		})
	}
}

// A problem names the policies that were violated (RFC 9457).
func TestViolatedPolicies(t *testing.T) {
	t.Parallel()
	s, _ := look(t, ratelimit.IETF, rttest.Step{
		Status: 429,
		Header: []string{
			"Content-Type", "application/problem+json",
			"RateLimit", `"minute";r=5;t=30, "day";r=900;t=3600, "month";r=0`,
		},
		Body: `{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"no more","violated-policies":["day","year"]}`,
	})
	require.Equal(t, []string{"day", "year"}, s.Violated)
	require.Equal(t, "quota-exceeded", s.Reason)
	require.Equal(t, time.Hour, s.Wait(), "the one that has nothing left tells no reset")

	s, _ = look(t, ratelimit.IETF, rttest.Step{
		Status: 503,
		Header: []string{"Content-Type", "application/problem+json", "Retry-After", "9"},
		Body:   `{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","violated-policies":["day"]}`,
	})
	require.Equal(t, []string{"day"}, s.Violated)
	require.Equal(t, 9*time.Second, s.Wait())
}

// The minute of GitHub's secondary limits is for want of anything better.
func TestSecondaryLimit(t *testing.T) {
	t.Parallel()
	const body = `{"message":"You have exceeded a secondary rate limit."}`
	for name, tt := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"some left":    {[]string{"X-RateLimit-Remaining", "4000", "X-RateLimit-Reset", "1772370000"}, time.Minute},
		"nothing left": {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1772370000"}, time.Hour},
		"a wait":       {[]string{"Retry-After", "7"}, 7 * time.Second},
	} {
		s, _ := look(t, ratelimit.GitHub, rttest.Step{Status: 403, Body: body, Header: append(tt.header, jsonType...)})
		require.Equal(t, tt.want, s.Wait(), name)
	}
}

// A 403 or 503 is no throttling by itself.
func TestEvidence(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		lines  []string
		want   bool
	}{
		"429":                           {429, nil, true},
		"529":                           {529, nil, true},
		"403":                           {403, nil, false},
		"503":                           {503, nil, false},
		"500":                           {500, []string{"Retry-After: 5"}, false},
		"401":                           {401, []string{"Retry-After: 5"}, false},
		"200":                           {200, []string{"Retry-After: 5", "X-RateLimit-Remaining: 0"}, false},
		"301":                           {301, []string{"Retry-After: 5"}, false},
		"403 with a wait":               {403, []string{"Retry-After: 5"}, true},
		"503 with a wait":               {503, []string{"Retry-After: 5"}, true},
		"403 with nothing left":         {403, []string{"X-RateLimit-Remaining: 0"}, true},
		"503 with nothing left":         {503, []string{"X-RateLimit-Remaining: 0"}, true},
		"403 with some left":            {403, []string{"X-RateLimit-Remaining: 5"}, false},
		"403 with a malformed wait":     {403, []string{"Retry-After: soon"}, false},
		"403, nothing left in a cached": {403, []string{"X-RateLimit-Remaining: 0", "Age: 5"}, false},
	} {
		s := parse(t, nil, tt.status, fields(tt.lines...), received)
		require.Equal(t, tt.want, s.Throttled, name)
	}
}

func TestAttackBodies(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, err := zip.Write(bytes.Repeat([]byte(" "), 1<<20))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	const peek = 8 << 10
	for name, tt := range map[string]struct {
		step rttest.Step
		wait time.Duration
		read int // at most
	}{
		"endless":              {rttest.Step{Body: `{"a":"`, Endless: true}, -1, peek},
		"gzip bomb":            {rttest.Step{Body: bomb.String(), Header: append([]string{"Content-Encoding", "gzip"}, jsonType...)}, -1, 0},
		"not JSON":             {rttest.Step{Body: `{"retry_after":5}`, Header: []string{"Content-Type", "text/plain"}}, -1, 0},
		"event stream":         {rttest.Step{Body: "data: {}\n\n", Header: []string{"Content-Type", "text/event-stream"}}, -1, 0},
		"no type":              {rttest.Step{Body: `{"retry_after":5}`, Header: []string{"X", "y"}}, -1, 0},
		"header says all":      {rttest.Step{Body: `{"retry_after":5}`, Header: append([]string{"Retry-After", "9"}, jsonType...)}, 9 * time.Second, 0},
		"invalid":              {rttest.Step{Body: `{"retry_after":5,`}, 5 * time.Second, peek},
		"rubbish":              {rttest.Step{Body: `}{"retry_after":5`}, -1, peek},
		"cut off":              {rttest.Step{Body: `{"retry_after":5`, Cut: true}, 5 * time.Second, peek},
		"long":                 {rttest.Step{Body: `{"retry_after":5,"x":"` + strings.Repeat("x", 1<<20) + `"}`}, 5 * time.Second, peek},
		"too late":             {rttest.Step{Body: `{"x":"` + strings.Repeat("x", 1<<20) + `","retry_after":5}`}, -1, peek},
		"errors as an object":  {rttest.Step{Body: `{"errors":{"retry_after":5}}`}, 5 * time.Second, peek},
		"errors as a string":   {rttest.Step{Body: `{"errors":"retry_after","retry_after":5}`}, 5 * time.Second, peek},
		"string for a number":  {rttest.Step{Body: `{"retry_after":"64.57"}`}, 64570 * time.Millisecond, peek},
		"object for a number":  {rttest.Step{Body: `{"retry_after":{}}`}, -1, peek},
		"null":                 {rttest.Step{Body: `{"retry_after":null,"global":null}`}, -1, peek},
		"negative":             {rttest.Step{Body: `{"retry_after":-5}`}, -1, peek},
		"exponent":             {rttest.Step{Body: `{"retry_after":1e300}`}, -1, peek},
		"a year":               {rttest.Step{Body: `{"retry_after":99999999}`}, ratelimit.Horizon, peek},
		"Unix time":            {rttest.Step{Body: `{"retry_after":1772366460}`}, -1, peek},
		"deep":                 {rttest.Step{Body: strings.Repeat(`{"a":`, 6) + `{"retry_after":5}`}, -1, peek},
		"very deep":            {rttest.Step{Body: strings.Repeat(`[`, 1<<16)}, -1, peek},
		"as deep as may be":    {rttest.Step{Body: strings.Repeat(`{"a":`, 5) + `{"retry_after":5}`}, 5 * time.Second, peek},
		"scalar":               {rttest.Step{Body: `5`}, -1, peek},
		"two values":           {rttest.Step{Body: `{} {"retry_after":5}`}, -1, peek},
		"largest of several":   {rttest.Step{Body: `{"retry_after":5,"error":{"retry_after":9,"details":[{"retryDelay":"7s"}]}}`}, 9 * time.Second, peek},
		"empty":                {rttest.Step{}, -1, 0},
		"unreadable Retry-At":  {rttest.Step{Body: `{"retry_after":5}`, Header: append([]string{"Retry-After", "soon"}, jsonType...)}, 5 * time.Second, peek},
		"duration in days":     {rttest.Step{Body: `{"retryDelay":"1d"}`}, -1, peek},
		"identity is no coder": {rttest.Step{Body: `{"retry_after":5}`, Header: append([]string{"Content-Encoding", "identity"}, jsonType...)}, 5 * time.Second, peek},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step := tt.step
			step.Status = http.StatusTooManyRequests
			if step.Header == nil {
				step.Header = jsonType
			}
			s, body := look(t, nil, step)
			require.True(t, s.Throttled)
			require.Equal(t, tt.wait, s.Wait())
			if step.Endless {
				require.LessOrEqual(t, body.BytesRead(), tt.read)
			}
		})
	}
}

// No body is touched but that of a refusal.
func TestOtherBodiesAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 206, 302, 400, 401, 404, 500, 502, 504} {
		p, err := ratelimit.NewParser(nil)
		require.NoError(t, err)
		body := io.NopCloser(iotest.ErrReader(io.ErrClosedPipe))
		resp := &http.Response{StatusCode: status, Header: fields("Content-Type: application/json", "X-RateLimit-Remaining: 0"), Body: body}
		var s ratelimit.Signal
		p.Parse(resp, received, &s)
		require.Equal(t, body, resp.Body)
	}
}

// What a body says is repeated only if it is one well-known word.
func TestReasonIsNoFreeText(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"reason":"token abc123 has no quota left","code":"secret","error":"x"}`,
		`{"policyName":"two words","rate_limit_reason":"` + strings.Repeat("x", 200) + `"}`,
	} {
		s, _ := look(t, nil, rttest.Step{Status: 429, Body: body, Header: jsonType})
		require.Empty(t, s.Reason)
	}
	s, _ := look(t, nil, rttest.Step{Status: 429, Header: jsonType, Body: `{"violated-policies":["` + strings.Repeat(`a","`, 100) + `","` + strings.Repeat("x", 300) + `"]}`})
	require.Len(t, s.Violated, 16)
}
