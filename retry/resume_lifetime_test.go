package retry_test

import (
	"context"
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

// anHourLater makes a step take an hour.
func anHourLater(s rttest.Step) rttest.Step {
	s.Wait = time.Hour
	return s
}

// resumeReading is an answer whose body is being read by another goroutine.
type resumeReading struct {
	resp *http.Response
	s    *rttest.Script
	told *resumeLog
	done chan error
	got  []byte
}

// startReading reads the answer to a request with the context ctx until it ends,
// and returns when that waits.
func startReading(t *testing.T, ctx context.Context, steps ...rttest.Step) *resumeReading { //nolint:revive // t comes first in tests
	t.Helper()
	r := &resumeReading{s: rttest.NewScript(steps...), told: &resumeLog{}, done: make(chan error, 1)}
	rt := newResume(t, retry.ResumeConfig{Hooks: r.told.hooks()}).Wrap(announced(r.s))
	var err error
	r.resp, err = rt.RoundTrip(newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.NoError(t, err)
	go func() {
		var err error
		r.got, err = io.ReadAll(r.resp.Body)
		r.done <- err
	}()
	synctest.Wait()
	return r
}

// Close ends a Read wherever it waits, and every body is closed once.
func TestResumeCloseDuringRead(t *testing.T) {
	t.Parallel()
	drip := continuation("bytes 5-9/10", "56789")
	drip.Drip = time.Hour
	stuck := firstPart
	stuck.Drip = time.Hour
	refused := rttest.Step{Status: 500, Body: "sorry", Drip: time.Hour}
	for name, tt := range map[string]struct {
		steps []rttest.Step
		calls int
		want  error
		told  int
	}{
		"in the first part":             {[]rttest.Step{stuck}, 1, rttest.ErrReadAfterClose, 0},
		"while it waits for an answer":  {[]rttest.Step{firstPart, anHourLater(drip)}, 2, http.ErrBodyReadAfterClose, 1},
		"in a further part":             {[]rttest.Step{firstPart, drip}, 2, rttest.ErrReadAfterClose, 1},
		"while an answer is thrown off": {[]rttest.Step{firstPart, refused}, 2, http.ErrBodyReadAfterClose, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := startReading(t, t.Context(), tt.steps...)
				begin := time.Now()
				require.NoError(t, r.resp.Body.Close())
				require.Equal(t, tt.want, <-r.done)
				require.Zero(t, time.Since(begin))
				require.NoError(t, r.resp.Body.Close())
				_, err := r.resp.Body.Read(make([]byte, 1))
				require.Equal(t, tt.want, err)
				require.Len(t, r.s.Calls(), tt.calls)
				require.Len(t, r.told.events, tt.told, "the caller knows that it has closed the body")
				for i, b := range r.s.Bodies() {
					require.Positive(t, b.Closes(), "answer %d", i+1)
				}
				if tt.calls > 1 {
					require.Error(t, r.s.Calls()[1].Request.Context().Err())
				}
			})
		})
	}
}

// An answer that comes in the moment of Close is closed too.
func TestResumeClosedAsTheAnswerComes(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(firstPart, continuation("bytes 5-9/10", "56789"))
	var resp *http.Response
	calls := 0
	next := rttest.Func(func(req *http.Request) (*http.Response, error) {
		part, err := s.RoundTrip(req)
		if calls++; calls == 2 {
			require.NoError(t, resp.Body.Close())
		}
		return part, err
	})
	resp, err := newResume(t, retry.ResumeConfig{}).Wrap(next).RoundTrip(newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	data, err := io.ReadAll(resp.Body)
	require.Equal(t, http.ErrBodyReadAfterClose, err)
	require.Equal(t, "01234", string(data))
	closedOnce(t, s)
}

func TestResumeClosedInHook(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(firstPart, continuation("bytes 5-9/10", "56789"))
	var resp *http.Response
	r := newResume(t, retry.ResumeConfig{Hooks: retry.ResumeHooks{
		Resume: func(retry.ResumeEvent) { require.NoError(t, resp.Body.Close()) },
	}})
	resp, err := r.Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Equal(t, http.ErrBodyReadAfterClose, err)
	require.Len(t, s.Calls(), 1)
	closedOnce(t, s)
}

// The caller's context bounds the wait for a continuation.
func TestResumeContextEnds(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		"deadline": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, context.DeadlineExceeded},
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Minute, func() { cancel(gone) })
			return ctx, func() { cancel(nil) }
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := tt.ctx(t.Context())
				defer cancel()
				begin := time.Now()
				r := startReading(t, ctx, firstPart, anHourLater(continuation("bytes 5-9/10", "56789")))
				require.Equal(t, tt.want, <-r.done)
				require.Equal(t, time.Minute, time.Since(begin))
				require.Equal(t, "01234", string(r.got))
				require.Equal(t, []string{
					"resume 1 at 5: unexpected EOF",
					"give up 1 at 5: unexpected EOF: canceled: " + tt.want.Error(),
				}, r.told.events)
				require.NoError(t, r.resp.Body.Close())
				closedOnce(t, r.s)
			})
		})
	}
}

// The broken part is closed before the continuation is sent: what is below may
// have one connection, or one permit.
func TestResumeClosesBeforeItSends(t *testing.T) {
	t.Parallel()
	s := rttest.NewScript(firstPart, brokenOff(continuation("bytes 5-9/10", "567")), continuation("bytes 8-9/10", "89"))
	next := rttest.Func(func(req *http.Request) (*http.Response, error) {
		closedOnce(t, s)
		return s.RoundTrip(req)
	})
	got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), next)
	require.NoError(t, err)
	require.Equal(t, "0123456789", got)
}

// panicOf calls f and returns what it panics with.
func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// A panic leaves a body that has ended, and nothing that runs or is open.
func TestResumePanics(t *testing.T) {
	t.Parallel()
	boom := func(retry.ResumeEvent) { panic("boom") }
	for name, tt := range map[string]struct {
		hooks retry.ResumeHooks
		steps []rttest.Step
	}{
		"hook before a continuation": {retry.ResumeHooks{Resume: boom}, []rttest.Step{firstPart}},
		"hook at the end":            {retry.ResumeHooks{GiveUp: boom}, []rttest.Step{firstPart, {Status: 500, Body: "sorry"}}},
		"hook, nothing to continue":  {retry.ResumeHooks{GiveUp: boom}, []rttest.Step{{Body: "01234", Cut: true}}},
		"transport":                  {retry.ResumeHooks{}, []rttest.Step{firstPart, {Panic: "boom"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rttest.NewScript(tt.steps...)
			resp, err := newResume(t, retry.ResumeConfig{Hooks: tt.hooks}).Wrap(s).RoundTrip(newRequest(t, http.MethodGet, nil))
			require.NoError(t, err)
			require.Equal(t, "boom", panicOf(func() { _, _ = io.ReadAll(resp.Body) }))
			_, err = resp.Body.Read(make([]byte, 1))
			require.Equal(t, rttest.ErrCut, err)
			require.NoError(t, resp.Body.Close())
			for _, b := range s.Bodies() {
				require.Positive(t, b.Closes())
			}
			for _, call := range s.Calls()[1:] {
				require.Error(t, call.Request.Context().Err())
			}
		})
	}
}

// A transport that answers in a way that no server could ends the body, and no
// more.
func TestResumeOddTransport(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]*http.Response{
		"neither answer nor error": nil,
		"no body": {
			StatusCode: http.StatusPartialContent, ContentLength: -1,
			Header: http.Header{"Etag": {`"v1"`}, "Content-Range": {"bytes 5-9/10"}},
		},
		"decompressed": {
			StatusCode: http.StatusPartialContent, ContentLength: -1, Uncompressed: true,
			Header: http.Header{"Etag": {`"v1"`}, "Content-Range": {"bytes 5-9/10"}},
			Body:   io.NopCloser(strings.NewReader("56789")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, calls := rttest.NewScript(firstPart), 0
			next := rttest.Func(func(req *http.Request) (*http.Response, error) {
				if calls++; calls == 1 {
					return s.RoundTrip(req)
				}
				return odd, nil
			})
			got, err := readThrough(t, newResume(t, retry.ResumeConfig{}), next)
			require.Equal(t, rttest.ErrCut, err)
			require.Equal(t, "01234", got)
		})
	}
}

func TestResumeAllocations(t *testing.T) {
	req := newRequest(t, http.MethodGet, nil)
	body := failingBody{io.EOF}
	for name, tt := range map[string]struct {
		header http.Header
		want   float64
	}{
		"not to be continued": {http.Header{}, 0},
		"to be continued":     {http.Header{"Etag": {`"v1"`}, "Content-Encoding": {"br"}}, 1},
	} {
		resp := &http.Response{StatusCode: http.StatusOK, Header: tt.header, ContentLength: -1}
		rt := newResume(t, retry.ResumeConfig{}).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
			resp.Body = body
			return resp, nil
		}))
		buf := make([]byte, 8)
		require.InDelta(t, tt.want, testing.AllocsPerRun(100, func() {
			resp, _ := rt.RoundTrip(req)
			_, _ = resp.Body.Read(buf)
			_ = resp.Body.Close()
		})-testing.AllocsPerRun(100, func() { resp.Body = failingBody{io.EOF} }), 0, name)
	}
}

// A continuation that comes with an error has failed, and is closed.
func TestResumeAnswerWithAnError(t *testing.T) {
	t.Parallel()
	s, calls := rttest.NewScript(firstPart, continuation("bytes 5-9/10", "56789")), 0
	next := rttest.Func(func(req *http.Request) (*http.Response, error) {
		resp, err := s.RoundTrip(req)
		if calls++; calls == 2 {
			err = errBroken
		}
		return resp, err
	})
	told := &resumeLog{}
	got, err := readThrough(t, newResume(t, retry.ResumeConfig{Hooks: told.hooks()}), next)
	require.Equal(t, rttest.ErrCut, err)
	require.Equal(t, "01234", got)
	require.Contains(t, told.events[len(told.events)-1], "continuation failed: connection broken")
	closedOnce(t, s)
}
