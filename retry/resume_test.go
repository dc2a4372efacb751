package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

func newResume(t testing.TB, c retry.ResumeConfig) *retry.Resume {
	t.Helper()
	r, err := retry.NewResume(c)
	require.NoError(t, err)
	return r
}

// firstPart is the first part, of ten bytes that break off after five.
var firstPart = rttest.Step{Body: "01234", Cut: true, Header: []string{"Etag", `"v1"`, "Content-Length", "10"}}

// continuation is an answer 206 with body, and more header fields.
func continuation(contentRange, body string, fields ...string) rttest.Step {
	fields = append(fields, "Etag", `"v1"`)
	if contentRange != "" {
		fields = append(fields, "Content-Range", contentRange)
	}
	return rttest.Step{Status: http.StatusPartialContent, Body: body, Header: fields}
}

// brokenOff makes the body of a step break off.
func brokenOff(s rttest.Step) rttest.Step {
	s.Cut = true
	return s
}

// announced gives the answers of next the length that their header announces.
func announced(next http.RoundTripper) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if resp != nil && resp.Header.Get("Content-Length") != "" {
			resp.ContentLength, err = strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64)
		}
		return resp, err
	})
}

// resumeLog collects what the hooks say.
type resumeLog struct{ events []string }

func (w *resumeLog) hooks() retry.ResumeHooks {
	note := func(what string, e retry.ResumeEvent) {
		s := fmt.Sprintf("%s %d at %d: %v", what, e.Number, e.Offset, e.Err)
		if e.Reason != 0 {
			s += ": " + e.Reason.String()
		}
		if e.Status != 0 {
			s += fmt.Sprintf(": %d", e.Status)
		}
		if e.Cause != nil {
			s += ": " + e.Cause.Error()
		}
		w.events = append(w.events, s)
	}
	return retry.ResumeHooks{
		Resume: func(e retry.ResumeEvent) { note("resume", e) },
		GiveUp: func(e retry.ResumeEvent) { note("give up", e) },
	}
}

// readThrough sends a GET through r and s, and reads the answer to its end.
func readThrough(t *testing.T, r *retry.Resume, s http.RoundTripper) (string, error) {
	t.Helper()
	resp, err := r.Wrap(announced(s)).RoundTrip(newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	n, again := resp.Body.Read(make([]byte, 1))
	require.Zero(t, n)
	if err == nil {
		require.Equal(t, io.EOF, again)
	} else {
		require.Equal(t, err, again, "an error stays")
	}
	require.NoError(t, resp.Body.Close())
	require.NoError(t, resp.Body.Close())
	return string(data), err
}

// closedOnce checks that the answers' bodies were closed once, and discarded
// ones at least once.
func closedOnce(t *testing.T, s *rttest.Script) {
	t.Helper()
	for i, b := range s.Bodies() {
		require.Equal(t, 1, b.Closes(), "answer %d", i+1)
	}
}

func TestResumeContract(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*retry.Resume) rttest.Middleware{
		"alone": func(r *retry.Resume) rttest.Middleware { return r.Wrap },
		"over a policy": func(r *retry.Resume) rttest.Middleware {
			p := newPolicy(t, retry.Config{})
			return func(next http.RoundTripper) http.RoundTripper { return r.Wrap(p.Wrap(next)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware { return wrap(newResume(t, retry.ResumeConfig{})) },
			})
		})
	}
	for name, wrap := range map[string]func(http.RoundTripper) http.RoundTripper{
		"hooked": func(next http.RoundTripper) http.RoundTripper { return next },
		// Every answer can be continued, and every continuation is refused.
		"hooked, with validators": withTag,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooked := func(callback func()) rttest.Middleware {
				r := newResume(t, retry.ResumeConfig{Hooks: retry.ResumeHooks{
					Resume: func(retry.ResumeEvent) { callback() },
					GiveUp: func(retry.ResumeEvent) { callback() },
				}})
				return func(next http.RoundTripper) http.RoundTripper { return r.Wrap(idleThrough{wrap(next), next}) }
			}
			rttest.Contract(t, rttest.Subject{
				New:    func() rttest.Middleware { return hooked(func() {}) },
				Hooked: hooked,
			})
		})
	}
}

// withTag gives each answer of next a strong entity tag.
func withTag(next http.RoundTripper) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && resp.Header != nil {
			resp.Header.Set("Etag", `"v1"`)
		}
		return resp, err
	})
}

// idleThrough closes the idle connections of base.
type idleThrough struct {
	http.RoundTripper
	base http.RoundTripper
}

func (i idleThrough) CloseIdleConnections() {
	i.base.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

func TestResumeContinues(t *testing.T) {
	t.Parallel()
	old := []string{"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT", "Date", "Sun, 06 Nov 1994 08:50:37 GMT"}
	dated := rttest.Step{Status: http.StatusPartialContent, Body: "56789", Header: append([]string{"Content-Range", "bytes 5-9/10"}, old...)}
	for name, tt := range map[string]struct {
		steps  []rttest.Step
		ranges []string
	}{
		"nothing to do":          {[]rttest.Step{{Body: "0123456789", Header: firstPart.Header}}, []string{""}},
		"one part":               {[]rttest.Step{firstPart, continuation("bytes 5-9/10", "56789")}, []string{"", "bytes=5-"}},
		"part of unknown size":   {[]rttest.Step{firstPart, continuation("bytes 5-9/10", "56789", "Content-Length", "-1")}, []string{"", "bytes=5-"}},
		"part of known size":     {[]rttest.Step{firstPart, continuation("bytes 5-9/10", "56789", "Content-Length", "5")}, []string{"", "bytes=5-"}},
		"complete length hid":    {[]rttest.Step{firstPart, continuation("bytes 5-9/*", "56789")}, []string{"", "bytes=5-"}},
		"after one byte":         {[]rttest.Step{{Body: "0", Cut: true, Header: firstPart.Header}, continuation("bytes 1-9/10", "123456789")}, []string{"", "bytes=1-"}},
		"short part":             {[]rttest.Step{firstPart, continuation("bytes 5-6/10", "56"), continuation("bytes 7-9/10", "789")}, []string{"", "bytes=5-", "bytes=7-"}},
		"broken part":            {[]rttest.Step{firstPart, brokenOff(continuation("bytes 5-9/10", "56")), continuation("bytes 7-9/10", "789")}, []string{"", "bytes=5-", "bytes=7-"}},
		"part with an early end": {[]rttest.Step{firstPart, continuation("bytes 5-9/10", "56", "Content-Length", "5"), continuation("bytes 7-9/10", "789")}, []string{"", "bytes=5-", "bytes=7-"}},
		"first with early end":   {[]rttest.Step{{Body: "01234", Header: firstPart.Header}, continuation("bytes 5-9/10", "56789")}, []string{"", "bytes=5-"}},
		"three parts": {
			[]rttest.Step{firstPart, brokenOff(continuation("bytes 5-9/10", "5")), brokenOff(continuation("bytes 6-9/10", "6")), continuation("bytes 7-9/10", "789")},
			[]string{"", "bytes=5-", "bytes=6-", "bytes=7-"},
		},
		"length unknown at first": {
			[]rttest.Step{{Body: "01234", Cut: true, Header: []string{"Etag", `"v1"`}}, continuation("bytes 5-6/10", "56"), continuation("bytes 7-9/*", "789")},
			[]string{"", "bytes=5-", "bytes=7-"},
		},
		"by date":              {[]rttest.Step{{Body: "01234", Cut: true, Header: append([]string{"Content-Length", "10"}, old...)}, dated}, []string{"", "bytes=5-"}},
		"tag goes before date": {[]rttest.Step{{Body: "01234", Cut: true, Header: []string{"Etag", `"v1"`, "Last-Modified", "today", "Accept-Ranges", "bytes"}}, continuation("bytes 5-9/10", "56789")}, []string{"", "bytes=5-"}},
		"encoded, as the caller asked": {
			[]rttest.Step{{Body: "01234", Cut: true, Header: []string{"Etag", `"v1"`, "Content-Encoding", "br"}}, continuation("bytes 5-9/10", "56789", "Content-Encoding", "br")},
			[]string{"", "bytes=5-"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(tt.steps...)
			got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), s)
			require.NoError(t, err)
			require.Equal(t, "0123456789", got)
			require.Len(t, s.Calls(), len(tt.ranges))
			for i, call := range s.Calls() {
				require.Equal(t, tt.ranges[i], call.Header.Get("Range"))
				want := ""
				if i > 0 {
					want = `"v1"`
					if name == "by date" {
						want = old[1]
					}
				}
				require.Equal(t, want, call.Header.Get("If-Range"))
			}
			closedOnce(t, s)
		})
	}
}

// The continuation is the caller's request but for two fields, and the answer
// is the first one but for its body.
func TestResumeKeepsRequestAndAnswer(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := rttest.NewScript(firstPart, continuation("bytes 5-9/10", "56789"))
	req := newRequest(t, http.MethodGet, nil).WithContext(context.WithValue(t.Context(), key{}, "mine"))
	req.Header.Set("Authorization", "Bearer secret")
	before := req.Header.Clone()
	resp, err := newResume(t, retry.ResumeConfig{}).Wrap(announced(s)).RoundTrip(req)
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(data))
	require.Equal(t, before, req.Header)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, int64(10), resp.ContentLength)
	require.Equal(t, "10", resp.Header.Get("Content-Length"))
	require.Empty(t, resp.Header.Get("Content-Range"))
	second := s.Calls()[1]
	require.Equal(t, "mine", second.Request.Context().Value(key{}))
	require.Same(t, req.URL, second.Request.URL)
	require.Equal(t, http.MethodGet, second.Request.Method)
	before.Set("Range", "bytes=5-")
	before.Set("If-Range", `"v1"`)
	require.Equal(t, before, second.Header)
	require.Error(t, second.Request.Context().Err(), "its context ends with the body")
	require.NoError(t, resp.Body.Close())
}

func TestResumeBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(rttest.Step{Header: firstPart.Header}, continuation("bytes 0-9/10", "0123456789"))
	got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), bodied(s))
	require.NoError(t, err)
	require.Equal(t, "0123456789", got)
	require.Equal(t, "bytes=0-", s.Calls()[1].Header.Get("Range"))
}

func TestResumeNilHeader(t *testing.T) {
	t.Parallel()
	req := newRequest(t, "", nil)
	req.Header = nil
	resp, err := newResume(t, retry.ResumeConfig{}).Wrap(rttest.NewScript(firstPart, continuation("bytes 5-9/10", "56789"))).RoundTrip(req)
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(data))
	require.Nil(t, req.Header)
}

func TestResumeTrailersOfTheLastPart(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"announced": "never sent", "not announced": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step, last := firstPart, continuation("bytes 5-9/10", "56789")
			step.Trailer, last.Trailer = first, "42"
			resp, err := newResume(t, retry.ResumeConfig{}).Wrap(rttest.NewScript(step, last)).RoundTrip(newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			require.Equal(t, "42", resp.Trailer.Get("Sum"))
			require.NoError(t, resp.Body.Close())
		})
	}
}

// A byte at a time, with the last byte and the error in one Read or not.
func TestResumeSmallReads(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		s := rttest.NewScript(firstPart, brokenOff(continuation("bytes 5-9/10", "567")), continuation("bytes 8-9/10", "89"))
		next := rttest.Func(func(req *http.Request) (*http.Response, error) {
			resp, err := s.RoundTrip(req)
			if together {
				resp.Body = &eagerBody{resp.Body}
			}
			return resp, err
		})
		resp, err := newResume(t, retry.ResumeConfig{}).Wrap(announced(next)).RoundTrip(newRequest(t, http.MethodGet, nil))
		require.NoError(t, err)
		var got []byte
		for buf := make([]byte, 1); err == nil; {
			var n int
			n, err = resp.Body.Read(buf)
			got = append(got, buf[:n]...)
		}
		require.Equal(t, io.EOF, err)
		require.Equal(t, "0123456789", string(got))
		require.NoError(t, resp.Body.Close())
		closedOnce(t, s)
	}
}

// eagerBody gives the error together with the last bytes.
type eagerBody struct{ io.ReadCloser }

func (e *eagerBody) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		return n, err
	}
	_, err = e.ReadCloser.Read(nil)
	return n, err
}

func TestResumeIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(firstPart, rttest.Step{Status: 503}, rttest.Step{Err: errors.New("reset")}, continuation("bytes 5-9/10", "56789"))
		p := newPolicy(t, retry.Config{Backoff: retry.FullJitter(time.Second, time.Minute)})
		var w resumeLog
		got, err := readThrough(t, newResume(t, retry.ResumeConfig{MaxResumes: 1, Hooks: w.hooks()}), p.Wrap(s))
		require.NoError(t, err)
		require.Equal(t, "0123456789", got)
		require.Equal(t, []string{"resume 1 at 5: unexpected EOF"}, w.events)
		for _, call := range s.Calls()[1:] {
			require.Equal(t, "bytes=5-", call.Header.Get("Range"))
		}
	})
}

func TestResumeInvalidConfig(t *testing.T) {
	t.Parallel()
	r, err := retry.NewResume(retry.ResumeConfig{MaxResumes: -1})
	require.Nil(t, r)
	require.EqualError(t, err, "retry: ResumeConfig.MaxResumes is -1: must not be negative")
}

func TestResumeNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newResume(t, retry.ResumeConfig{}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func TestResumeReasonString(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for r := retry.ResumeDecompressed; r <= retry.ResumeMismatch; r++ {
		require.NotEmpty(t, r.String())
		require.NotEqual(t, "unknown", r.String())
		seen[r.String()] = true
	}
	require.Len(t, seen, int(retry.ResumeMismatch))
	require.Equal(t, "unknown", retry.ResumeReason(0).String())
	require.Equal(t, "unknown", (retry.ResumeMismatch + 1).String())
}
