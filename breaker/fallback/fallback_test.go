package fallback_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

const thingsURL = "https://api.example.com/v1/things?q=1"

// newRequest makes a request, with a body that has no GetBody if body is not "".
func newRequest(t testing.TB, method, rawURL, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = rttest.NewBody(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, rawURL, r)
	require.NoError(t, err)
	return req
}

func get(t testing.TB) *http.Request {
	t.Helper()
	return newRequest(t, http.MethodGet, thingsURL, "")
}

// read returns the body of resp and closes it.
func read(t testing.TB, resp *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(data)
}

// send sends req through rt and reads the answer.
func send(t testing.TB, rt http.RoundTripper, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	return resp, read(t, resp)
}

func static(body string) fallback.Answer {
	return fallback.Static(http.StatusOK, http.Header{"Content-Type": {"text/plain"}}, []byte(body))
}

func passes(context.Context, *http.Request, fallback.Failure) (*http.Response, error) {
	return nil, nil
}

func fails(context.Context, *http.Request, fallback.Failure) (*http.Response, error) {
	return nil, errors.New("no luck")
}

type notSent struct{}

func (notSent) Error() string { return "not sent" }
func (notSent) NotSent() bool { return true }

func TestWhatIsReplaced(t *testing.T) {
	t.Parallel()
	check := func(resp *http.Response) error {
		if resp.Header.Get("X-Error") != "" {
			return errBroken
		}
		return nil
	}
	marked := []string{"X-Error", "1"}
	dial, reset := &net.OpError{Op: "dial", Err: errBroken}, &net.OpError{Op: "read", Err: errBroken}
	for name, tt := range map[string]struct {
		step    rttest.Step
		failure fallback.Failure // zero if it is not replaced
	}{
		"200":             {step: rttest.Step{}},
		"204":             {step: rttest.Step{Status: 204}},
		"302":             {step: rttest.Step{Status: 302}},
		"500":             {step: rttest.Step{Status: 500}, failure: fallback.Failure{Status: 500}},
		"501":             {step: rttest.Step{Status: 501}},
		"502":             {step: rttest.Step{Status: 502}, failure: fallback.Failure{Status: 502}},
		"503":             {step: rttest.Step{Status: 503, Body: "sorry"}, failure: fallback.Failure{Status: 503}},
		"504":             {step: rttest.Step{Status: 504}, failure: fallback.Failure{Status: 504}},
		"505":             {step: rttest.Step{Status: 505}},
		"529":             {step: rttest.Step{Status: 529}, failure: fallback.Failure{Status: 529}},
		"200 and Check":   {step: rttest.Step{Header: marked}, failure: fallback.Failure{Status: 200, Err: errBroken}},
		"404 and Check":   {step: rttest.Step{Status: 404, Header: marked}},
		"503 and Check":   {step: rttest.Step{Status: 503, Header: marked}, failure: fallback.Failure{Status: 503}},
		"transport error": {step: rttest.Step{Err: errBroken}, failure: fallback.Failure{Err: errBroken}},
		"dial error":      {step: rttest.Step{Err: dial}, failure: fallback.Failure{Err: dial, NotSent: true}},
		"reset":           {step: rttest.Step{Err: reset}, failure: fallback.Failure{Err: reset}},
		"refused below":   {step: rttest.Step{Err: notSent{}}, failure: fallback.Failure{Err: notSent{}, NotSent: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got fallback.Failure
			f := newFallback(t, fallback.Config{
				Check:   check,
				Answers: []fallback.Answer{static("degraded")},
				Hooks:   fallback.Hooks{Served: func(e fallback.Event) { got = e.Failure }},
			})
			resp, body := send(t, f.Wrap(rttest.NewScript(tt.step)), get(t))
			require.Equal(t, tt.failure, got)
			require.Equal(t, tt.failure != fallback.Failure{}, fallback.Degraded(resp))
			if (tt.failure == fallback.Failure{}) {
				require.Equal(t, tt.step.Body, body)
				require.Empty(t, resp.Header.Values(fallback.Header))
				return
			}
			require.Equal(t, "degraded", body)
			require.Equal(t, "static", resp.Header.Get(fallback.Header))
			require.Equal(t, "200 OK", resp.Status)
		})
	}
}

func TestNo4xxIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFallback(t, fallback.Config{
		Check:   func(*http.Response) error { return errBroken },
		Answers: []fallback.Answer{static("degraded")},
	})
	for status := 400; status < 500; status++ {
		resp, body := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: status, Body: "no"})), get(t))
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, "no", body)
		require.False(t, fallback.Degraded(resp))
	}
}

// The first answer that there is serves, and those before it are accounted for.
func TestAnswersInTurn(t *testing.T) {
	t.Parallel()
	var served []fallback.Event
	f := newFallback(t, fallback.Config{
		Answers: []fallback.Answer{
			fallback.Func(passes),
			fallback.Func(fails).Named("unlucky"),
			static("never").When(func(*http.Request) bool { return true }).When(func(*http.Request) bool { return false }),
			static("third").Named("third"),
			fallback.Func(func(context.Context, *http.Request, fallback.Failure) (*http.Response, error) { panic("not asked") }),
		},
		Hooks: fallback.Hooks{Served: func(e fallback.Event) { served = append(served, e) }},
	})
	s := rttest.NewScript(rttest.Step{Status: 503, Body: "sorry"}, rttest.Step{Body: "good"})
	req := get(t)
	resp, body := send(t, f.Wrap(s), req)
	require.Equal(t, "third", body)
	require.Equal(t, "third", resp.Header.Get(fallback.Header))
	require.Equal(t, 1, s.Bodies()[0].Closes())
	require.True(t, s.Bodies()[0].SawEnd(), "what is replaced is drained")
	_, body = send(t, f.Wrap(s), get(t))
	require.Equal(t, "good", body)

	require.Len(t, served, 1)
	require.Same(t, req, served[0].Request)
	require.Equal(t, "third", served[0].Answer)
	require.EqualError(t, served[0].Err, "unlucky: no luck")
	require.Equal(t, fallback.Snapshot{
		Calls: 2, Failures: 1, Served: 1,
		Answers: []fallback.AnswerSnapshot{
			{Name: "func", Passed: 1},
			{Name: "unlucky", Failed: 1},
			{Name: "static", Passed: 1},
			{Name: "third", Served: 1},
			{Name: "func"},
		},
	}, f.Snapshot())
}

// Without an answer what came from below comes back untouched.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	var failed []fallback.Event
	f := newFallback(t, fallback.Config{
		Answers: []fallback.Answer{fallback.Func(fails), fallback.Func(passes)},
		Hooks:   fallback.Hooks{Failed: func(e fallback.Event) { failed = append(failed, e) }},
	})
	s := rttest.NewScript(rttest.Step{Status: 503, Body: "sorry"}, rttest.Step{Err: errBroken})
	rt := f.Wrap(s)
	resp, err := rt.RoundTrip(get(t))
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Zero(t, s.Bodies()[0].BytesRead())
	require.Zero(t, s.Bodies()[0].Closes())
	require.Equal(t, "sorry", read(t, resp))
	require.False(t, fallback.Degraded(resp))

	resp, err = rt.RoundTrip(get(t))
	require.Nil(t, resp)
	require.Equal(t, errBroken, err)
	require.Len(t, failed, 2)
	require.EqualError(t, failed[0].Err, "func: no luck")
	require.Equal(t, fallback.Failure{Err: errBroken}, failed[1].Failure)
	require.Empty(t, failed[1].Answer)
	require.Equal(t, uint64(2), f.Snapshot().Failures)
	require.Zero(t, f.Snapshot().Served)
}

func TestCancelledCallerGetsTheOriginal(t *testing.T) {
	t.Parallel()
	f := newFallback(t, fallback.Config{
		Answers: []fallback.Answer{static("degraded")},
		Hooks: fallback.Hooks{
			Served: func(fallback.Event) { panic("not served") },
			Failed: func(fallback.Event) { panic("no failure") },
		},
	})
	for name, end := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": context.WithCancel,
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Unix(1, 0))
		},
		// So it is with http.Client.Timeout, once in a while.
		"deadline, its timer is late": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return rttest.LateContext(ctx), func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := end(t.Context())
			resp, err := f.Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
				cancel()
				return nil, errBroken
			})).RoundTrip(get(t).WithContext(ctx))
			require.Nil(t, resp)
			require.Equal(t, errBroken, err)
			require.Zero(t, f.Snapshot().Failures)
		})
	}
}

// A caller who goes away while an answer is looked for gets the cause at once,
// and nothing stays open, not even an answer that came too late.
func TestCancelledWhileAnswering(t *testing.T) {
	t.Parallel()
	errGone := errors.New("gone")
	late := rttest.NewBody("late")
	for name, answer := range map[string]fallback.Answer{
		"func": fallback.Func(func(ctx context.Context, _ *http.Request, _ fallback.Failure) (*http.Response, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}),
		"func that is late": fallback.Func(func(ctx context.Context, _ *http.Request, _ fallback.Failure) (*http.Response, error) {
			<-ctx.Done()
			return &http.Response{StatusCode: http.StatusOK, Body: late}, nil
		}),
		"func that passes": fallback.Func(func(ctx context.Context, _ *http.Request, _ fallback.Failure) (*http.Response, error) {
			<-ctx.Done()
			return nil, nil
		}),
		"other upstream": fallback.To("https://mirror.example.com", fallback.ToConfig{
			Transport: rttest.Func(func(req *http.Request) (*http.Response, error) {
				return rttest.NewScript(rttest.Step{Wait: time.Hour}).RoundTrip(req)
			}),
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, step := range []rttest.Step{{Err: errBroken}, {Status: 503, Body: "sorry"}} {
				synctest.Test(t, func(t *testing.T) {
					var failed []fallback.Event
					f := newFallback(t, fallback.Config{
						Answers: []fallback.Answer{answer, static("degraded")},
						Hooks:   fallback.Hooks{Failed: func(e fallback.Event) { failed = append(failed, e) }},
					})
					ctx, cancel := context.WithCancelCause(context.Background())
					time.AfterFunc(time.Second, func() { cancel(errGone) })
					begin := time.Now()
					s := rttest.NewScript(step)
					resp, err := f.Wrap(s).RoundTrip(get(t).WithContext(ctx))
					require.Nil(t, resp)
					require.Equal(t, errGone, err)
					require.Equal(t, time.Second, time.Since(begin))
					require.Len(t, failed, 1)
					require.ErrorIs(t, failed[0].Err, errGone)
					for _, b := range s.Bodies() {
						require.Equal(t, 1, b.Closes())
					}
				})
			}
		})
	}
	t.Cleanup(func() { require.Equal(t, 2, late.Closes()) })
}

// Nor is an answer that comes at the very end of the caller's time.
func TestDeadlineWhileAnswering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := &endingContext{Context: t.Context(), deadline: time.Now().Add(time.Second)}
		f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
			fallback.Func(func(context.Context, *http.Request, fallback.Failure) (*http.Response, error) {
				time.Sleep(time.Second)
				return &http.Response{StatusCode: http.StatusOK}, nil
			}),
		}})
		resp, err := f.Wrap(rttest.NewScript(rttest.Step{Status: 503})).RoundTrip(get(t).WithContext(ctx))
		require.Nil(t, resp)
		require.Equal(t, context.DeadlineExceeded, err)
		require.Zero(t, f.Snapshot().Served)
	})
}

// endingContext has a deadline, and does not notice when it has passed.
type endingContext struct {
	context.Context
	deadline time.Time
}

func (c *endingContext) Deadline() (time.Time, bool) { return c.deadline, true }

// A panic goes on, and leaves no body open.
func TestPanics(t *testing.T) {
	t.Parallel()
	boom := func(*http.Response) error { panic("boom") }
	for name, tt := range map[string]struct {
		step   rttest.Step
		config fallback.Config
		other  bool // an answer's body is open too
	}{
		"Check": {step: rttest.Step{Body: "good"}, config: fallback.Config{Check: boom, Answers: []fallback.Answer{static("")}}},
		"Func": {step: rttest.Step{Status: 503, Body: "bad"}, config: fallback.Config{Answers: []fallback.Answer{
			fallback.Func(func(context.Context, *http.Request, fallback.Failure) (*http.Response, error) { panic("boom") }),
		}}},
		"When": {step: rttest.Step{Status: 503, Body: "bad"}, config: fallback.Config{Answers: []fallback.Answer{
			static("").When(func(*http.Request) bool { panic("boom") }),
		}}},
		"Served": {step: rttest.Step{Status: 503, Body: "bad"}, other: true, config: fallback.Config{
			Hooks: fallback.Hooks{Served: func(fallback.Event) { panic("boom") }},
		}},
		"Check of the other upstream": {step: rttest.Step{Status: 503, Body: "bad"}, other: true, config: fallback.Config{Check: boom}},
		"Partition": {step: rttest.Step{Body: "good"}, config: fallback.Config{Answers: []fallback.Answer{
			fallback.LastGood(fallback.LastGoodConfig{Partition: func(*http.Request) string { panic("boom") }}),
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror := rttest.NewScript(rttest.Step{Body: "mirror"})
			if tt.other {
				tt.config.Answers = []fallback.Answer{fallback.To("https://mirror.example.com", fallback.ToConfig{Transport: mirror})}
			}
			s := rttest.NewScript(tt.step)
			rt := newFallback(t, tt.config).Wrap(s)
			req := newRequest(t, http.MethodPut, thingsURL, "payload")
			if name == "Partition" {
				req = get(t)
			}
			require.PanicsWithValue(t, "boom", func() { _, _ = rt.RoundTrip(req) })
			for _, b := range append(s.Bodies(), mirror.Bodies()...) {
				require.NotZero(t, b.Closes())
			}
			if body, ok := req.Body.(*rttest.Body); ok {
				require.Equal(t, 1, body.Closes())
			}
		})
	}
}

func TestNilNextIsTheDefaultTransport(t *testing.T) {
	t.Parallel()
	rt := newFallback(t, fallback.Config{Answers: []fallback.Answer{static("")}}).Wrap(nil)
	require.Same(t, http.DefaultTransport, rt.(interface{ Unwrap() http.RoundTripper }).Unwrap())
}

func TestErrorsCarryNoSecret(t *testing.T) {
	t.Parallel()
	var told string
	f := newFallback(t, fallback.Config{
		Answers: []fallback.Answer{fallback.To("https://mirror.example.com", fallback.ToConfig{
			Transport: rttest.NewScript(rttest.Step{Status: 401, Body: "hunter2"}),
		})},
		Hooks: fallback.Hooks{Failed: func(e fallback.Event) { told = fmt.Sprint(e.Err, e.Failure) }},
	})
	req := newRequest(t, http.MethodGet, "https://me:hunter2@api.example.com/hunter2?q=hunter2", "")
	req.Header.Set("Authorization", "Bearer hunter2")
	send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503, Body: "hunter2"})), req)
	require.Equal(t, "to: fallback: the other upstream answered with the status 401 {503 <nil> false}", told)
}
