package ratelimit_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

const dullPage = `{"error":"out of order, come back at any time"}`

// server answers with what it is told to, and knows whether the limiter has
// looked into the body.
type server struct {
	t     *testing.T
	limit *ratelimit.Limiter
	step  rttest.Step
}

func newServer(t *testing.T, c ratelimit.Config) *server {
	t.Helper()
	return &server{t: t, limit: newLimiter(t, c)}
}

// looked makes a call that is answered with a body, and reports whether the
// limiter has read any of it.
func (s *server) looked(status int, body string) bool {
	s.t.Helper()
	step := s.step
	step.Status, step.Body = status, body
	if step.Header == nil {
		step.Header = jsonType
	}
	script := rttest.NewScript(step)
	resp, err := s.limit.Wrap(script).RoundTrip(newRequest(s.t, "api.example.com"))
	require.NoError(s.t, err)
	read := script.Bodies()[0].BytesRead()
	require.NoError(s.t, resp.Body.Close())
	return read > 0
}

// A page that says nothing is looked at eight times in a row, and then once a
// second.
func TestKnownPageIsSeldomLookedAt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, ratelimit.Config{})
		for range 8 {
			require.True(t, s.looked(503, dullPage))
		}
		for range 3 {
			for range 1000 {
				require.False(t, s.looked(503, dullPage))
			}
			time.Sleep(time.Second)
			require.True(t, s.looked(503, dullPage))
		}
		for range 100 { // who seldom calls misses nothing
			time.Sleep(time.Second)
			require.True(t, s.looked(503, dullPage))
		}
	})
}

// What is not that page is looked at as ever: another status or length, another
// host, and a body whose length is not known.
func TestOnlyTheKnownPageIsSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, ratelimit.Config{})
		for range 20 {
			s.looked(503, dullPage)
		}
		require.False(t, s.looked(503, dullPage))
		require.True(t, s.looked(403, dullPage))
		require.True(t, s.looked(503, dullPage+" "))
		require.True(t, s.looked(503, dullPage[:10]))
		require.False(t, s.looked(503, dullPage))
		script := rttest.NewScript(rttest.Step{Status: 503, Body: dullPage, Header: jsonType})
		resp, err := s.limit.Wrap(script).RoundTrip(newRequest(t, "other.example.com"))
		require.NoError(t, err)
		require.Positive(t, script.Bodies()[0].BytesRead())
		require.NoError(t, resp.Body.Close())
		s.step.Cut = true // without a Content-Length
		for range 100 {
			require.True(t, s.looked(503, dullPage))
		}
	})
}

// However often a server has said nothing, a wait is heard when it comes in a
// body of another length, and at once.
func TestWaitAfterDullPages(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a wait":          `{"retry_after":5}`,
		"secondary limit": `{"message":"You have exceeded a secondary rate limit."}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				held := 0
				s := newServer(t, ratelimit.Config{Hooks: ratelimit.Hooks{Hold: func(ratelimit.Hold) { held++ }}})
				for range 100 {
					s.looked(403, dullPage)
				}
				require.Zero(t, held)
				require.True(t, s.looked(403, body))
				require.Equal(t, 1, held)
			})
		})
	}
}

// A page that said something once is not dull, whatever it said before.
func TestPageThatSpeaksIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, ratelimit.Config{MaxRetryAfter: -1})
		speaks := `{"retry_after":5}` + strings.Repeat(" ", len(dullPage)-17)
		for range 20 {
			s.looked(503, dullPage)
		}
		require.False(t, s.looked(503, speaks), "for a second they are the same")
		time.Sleep(time.Second)
		for range 20 {
			require.True(t, s.looked(503, speaks))
		}
		for range 8 {
			require.True(t, s.looked(503, dullPage))
		}
		require.False(t, s.looked(503, dullPage))
	})
}

// A server with many pages makes the limiter look at them all, not remember
// them all.
func TestManyPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, ratelimit.Config{})
		for range 20 {
			for i := range 5 {
				require.True(t, s.looked(503, dullPage+strings.Repeat(" ", i)))
			}
		}
		for range 20 {
			for i := range 4 {
				s.looked(503, dullPage+strings.Repeat(" ", i))
			}
		}
		for i := range 4 {
			require.False(t, s.looked(503, dullPage+strings.Repeat(" ", i)))
		}
	})
}

// Parse has no memory.
func TestParserLooksAtEachPage(t *testing.T) {
	t.Parallel()
	for range 20 {
		_, body := look(t, nil, rttest.Step{Status: 503, Body: dullPage, Header: jsonType})
		require.Positive(t, body.BytesRead())
	}
}

func TestPagesOfManyCallers(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, ratelimit.Config{MaxRetryAfter: -1})
	script := rttest.NewScript(
		rttest.Step{Status: 503, Body: dullPage, Header: jsonType}, rttest.Step{Status: 403, Body: dullPage, Header: jsonType},
		rttest.Step{Status: 429, Body: `{"retry_after":5}`, Header: jsonType}, rttest.Step{Status: 503, Body: dullPage, Header: jsonType},
	)
	rt := l.Wrap(script)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				resp, err := rt.RoundTrip(newRequest(t, "api.example.com"))
				if err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
	wg.Wait()
}

// A body that drips costs a call the time of a look, whatever its status.
func TestDrippingRefusal(t *testing.T) {
	t.Parallel()
	for _, status := range []int{403, 429, 503, 529} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := rttest.NewScript(rttest.Step{Status: status, Body: `{"retry_after":5}`, Header: jsonType, Drip: time.Hour})
				begin := time.Now()
				resp, err := newLimiter(t, ratelimit.Config{}).Wrap(script).RoundTrip(newRequest(t, "api.example.com"))
				require.NoError(t, err)
				require.Equal(t, 100*time.Millisecond, time.Since(begin))
				got := make([]byte, 100)
				n, err := resp.Body.Read(got)
				require.NoError(t, err)
				require.Equal(t, `{"retry_after":5}`, string(got[:n]), "and loses nothing of it")
				require.NoError(t, resp.Body.Close())
			})
		})
	}
}

// What decoding would find is found, whether or not a body looks promising: the
// second one is the same but for bytes behind its end that make it so.
func FuzzPromisingBodies(f *testing.F) {
	for _, tt := range bodies {
		f.Add(tt.body, tt.status)
		f.Add(strings.ToUpper(tt.body), tt.status)
	}
	for _, body := range []string{
		dullPage, `{"global":true}`, `{"violated-policies":["x"]}`, `{"policyName":"x"}`, `{"rate_limit_reason":"x"}`,
		`{"retryDelay":"5s"}`, `{"retry_after_seconds":5}`, `{"code":"temporary-reduced-capacity"}`,
		`{"code":"abnormal-usage-detected"}`, `{"code":"THROTTLED"}`, `{"type":"a#too_many_requests"}`,
		`{"code":"insufficient_quota"}`, `{"message":"secondary-rate-limits"}`, `{"message":"API RATE L` + "\u0130" + `MIT EXCEEDED"}`,
		`{"\u0072etry_after":5}`, `{"status":"RESOURCE_EXHAUSTED"}`, `{"code":"overloaded_error"}`, `{"message":"abuse detection"}`,
	} {
		f.Add(body, 429)
		f.Add(body, 403)
	}
	p, err := ratelimit.NewParser(nil)
	require.NoError(f, err)
	parse := func(t *testing.T, body string, status int) (s ratelimit.Signal) {
		resp, err := rttest.NewScript(rttest.Step{Status: status, Body: body, Header: jsonType}).RoundTrip(&http.Request{})
		require.NoError(t, err)
		p.Parse(resp, received, &s)
		return emptied(s)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		if status < 400 || status > 599 || len(body) > 8000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, parse(t, body+` \u`, status), parse(t, body, status))
		})
	})
}
