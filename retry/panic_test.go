package retry_test

import (
	"context"
	"io"
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

// panicking panics in the methods that package retry asks.
type panicking struct{ behaving }

func (panicking) Retryable() bool { panic("mine") }

type panickingSchedule struct{}

func (panickingSchedule) NextBackOff() time.Duration { panic("mine") }
func (panickingSchedule) Reset()                     {}

// Whatever of the caller's code panics, and whenever: the panic comes to him as
// it is, all bodies are closed, the budget has what it had, no timer and no
// goroutine is left, and the next call goes as ever.
func TestCallbackPanics(t *testing.T) {
	t.Parallel()
	down := rttest.Step{Status: 503, Body: "sorry"}
	const spent = true // the budget has paid for an attempt that was made
	for name, tt := range map[string]struct {
		steps  []rttest.Step
		change func(*retry.Config, *http.Request)
		spent  bool
	}{
		"Classify": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Classify = func(retry.Attempt) retry.Verdict { panic("mine") }
		}, false},
		"Classify, second attempt": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Classify = func(a retry.Attempt) retry.Verdict {
				if a.Number == 2 {
					panic("mine")
				}
				return retry.ByDefault
			}
		}, spent},
		"Check": {[]rttest.Step{{Body: "good"}}, func(c *retry.Config, _ *http.Request) {
			c.Check = func(*http.Response) error { panic("mine") }
		}, false},
		"Hooks.Retry": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Hooks.Retry = func(retry.Event) { panic("mine") }
		}, false},
		"Hooks.Retry, after an error": {[]rttest.Step{{Err: errBroken}}, func(c *retry.Config, _ *http.Request) {
			c.Hooks.Retry = func(retry.Event) { panic("mine") }
		}, false},
		"Hooks.GiveUp": {[]rttest.Step{{Status: 503, Body: "x", Header: []string{"Retry-After", "3600"}}}, func(c *retry.Config, _ *http.Request) {
			c.Hooks.GiveUp = func(retry.Event) { panic("mine") }
		}, false},
		"Hooks.GiveUp, when the caller has gone": {[]rttest.Step{down}, func(c *retry.Config, req *http.Request) {
			ctx, cancel := context.WithTimeout(req.Context(), time.Hour)
			c.Hooks.Retry = func(retry.Event) { cancel() }
			c.Hooks.GiveUp = func(retry.Event) { panic("mine") }
			*req = *req.WithContext(ctx)
		}, false},
		"Backoff": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Backoff = func() backoff.BackOff { panic("mine") }
		}, false},
		"the schedule": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Backoff = func() backoff.BackOff { return panickingSchedule{} }
		}, false},
		"GetBody": {[]rttest.Step{down}, func(_ *retry.Config, req *http.Request) {
			req.GetBody = func() (io.ReadCloser, error) { panic("mine") }
		}, false},
		"an error's method": {[]rttest.Step{{Err: panicking{}}}, func(*retry.Config, *http.Request) {}, false},
		"the body of the answer": {[]rttest.Step{down}, func(c *retry.Config, _ *http.Request) {
			c.Classify = func(a retry.Attempt) retry.Verdict {
				a.Response.Body = &panickingBody{ReadCloser: a.Response.Body}
				return retry.ByDefault
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.1})
				c := retry.Config{Backoff: retry.Constant(0), Budget: b}
				sent := rttest.NewBody("payload")
				req := newRequest(t, http.MethodPut, sent)
				var opened []*rttest.Body
				req.GetBody = func() (io.ReadCloser, error) {
					body := rttest.NewBody("payload")
					opened = append(opened, body)
					return body, nil
				}
				tt.change(&c, req)
				s := rttest.NewScript(tt.steps...)
				require.PanicsWithValue(t, "mine", func() { _, _ = newPolicy(t, c).Wrap(s).RoundTrip(req) })
				require.Equal(t, 1, sent.Closes())
				for _, body := range opened {
					require.Equal(t, 1, body.Closes())
				}
				time.Sleep(time.Second)
				for _, body := range s.Bodies() {
					require.Equal(t, 1, body.Closes(), "no timer closes it again")
				}
				left := 1.0
				if tt.spent {
					left = 0
				}
				require.InDelta(t, left, b.Snapshot()[0].Tokens, 1e-9)
				require.Equal(t, 4-btoi(tt.spent), sends(t, newPolicy(t, retry.Config{Backoff: retry.Constant(0), Budget: b}), 3))
			})
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

type panickingBody struct{ io.ReadCloser }

func (*panickingBody) Read([]byte) (int, error) { panic("mine") }

func TestDoCallbackPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.1})
		p := newPolicy(t, retry.Config{Budget: b, Hooks: retry.Hooks{Retry: func(retry.Event) { panic("mine") }}})
		require.PanicsWithValue(t, "mine", func() {
			_, _ = retry.Do(t.Context(), p, func(context.Context) (int, error) { return 0, errBroken })
		})
		require.InDelta(t, 1, b.Snapshot()[0].Tokens, 1e-9)
	})
}

// Where GetBody opens the body again nothing of it is copied: the transport
// reads what GetBody has returned, however long it is.
func TestReplayableBodyIsNotCopied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("x", 1<<20)
		first := rttest.NewBody(text)
		given := []io.ReadCloser{first}
		req := newRequest(t, http.MethodPost, first)
		req.Header.Set("Idempotency-Key", "k")
		req.GetBody = func() (io.ReadCloser, error) {
			given = append(given, rttest.NewBody(text))
			return given[len(given)-1], nil
		}
		s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Err: errBroken}, rttest.Step{})
		var sent []io.ReadCloser
		rt := rttest.Func(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req.Body)
			return s.RoundTrip(req)
		})
		_, err := roundTrip(t, retry.Config{}, rt, req)
		require.NoError(t, err)
		require.Len(t, sent, 3)
		for i := range sent {
			require.Same(t, given[i], sent[i])
		}
	})
}
