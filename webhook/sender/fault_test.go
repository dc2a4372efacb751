package sender_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// nilError is an error whose nil pointer is none, and whose text panics.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// evil panics whatever it is asked.
type evil struct{}

func (e evil) Error() string { return "evil" }
func (e evil) Unwrap() error { panic(e) }
func (e evil) Is(error) bool { panic(e) }
func (e evil) As(any) bool   { panic(e) }

// What a program has us call runs on goroutines of ours: a panic in it must
// neither end the program nor lose a message.
func TestFaultsEndNothing(t *testing.T) {
	t.Parallel()
	boom := func() { panic("oh, " + "https://bad.example.com/hook") }
	for name, test := range map[string]struct {
		config  func(*sender.Config)
		reason  string
		attempt int
		failed  int
	}{
		"Endpoint": {
			config: func(c *sender.Config) { c.Endpoint = badLookup(func() error { panic("no database") }) },
			reason: "sender: a callback panicked: no database",
		},
		"Endpoint ends": {
			config: func(c *sender.Config) { c.Endpoint = badLookup(func() error { runtime.Goexit(); return nil }) },
			reason: "sender: a callback has ended its goroutine",
		},
		"Endpoint's error": {
			config: func(c *sender.Config) { c.Endpoint = badLookup(func() error { return (*nilError)(nil) }) },
			reason: "sender: a callback panicked: runtime error: invalid memory address",
		},
		"Endpoint's evil error": {
			config: func(c *sender.Config) { c.Endpoint = badLookup(func() error { return evil{} }) },
			reason: "sender: a callback panicked: evil",
		},
		"DangerouslyTransport": {
			config: func(c *sender.Config) {
				c.DangerouslyTransport = badHost(func() (*http.Response, error) { boom(); return nil, nil })
			},
			reason: "sender: a callback panicked: oh, [redacted]", attempt: 1, failed: 1,
		},
		"its evil error": {
			config: func(c *sender.Config) {
				c.DangerouslyTransport = badHost(func() (*http.Response, error) { return nil, evil{} })
			},
			reason: "sender: a callback panicked: evil", attempt: 1, failed: 1,
		},
		"Backoff": {
			config: func(c *sender.Config) {
				c.DangerouslyTransport = badHost(func() (*http.Response, error) { return nil, errBroken })
				c.Backoff = func() backoff.BackOff { boom(); return nil }
			},
			reason: "sender: a callback panicked: oh, [redacted]", attempt: 1, failed: 1,
		},
		"Classify": {
			config: func(c *sender.Config) {
				c.DangerouslyTransport = badHost(func() (*http.Response, error) { return nil, errBroken })
				c.Circuits = newCircuits(t, breaker.Config{Classify: func(error) breaker.Verdict { boom(); return breaker.Success }})
			},
			reason: "sender: a callback panicked: oh, [redacted]", attempt: 1, failed: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var attempts []sender.Attempt
				c := steady(rttest.NewScript(rttest.Step{}))
				c.Workers, c.PerEndpoint = 1, 1
				c.Hooks.Retry = func(a sender.Attempt) { attempts = append(attempts, a) }
				test.config(&c)
				s := newSender(t, c)
				enqueue(t, s, sender.Message{Endpoint: "bad"}, sender.Message{Endpoint: "good"})
				stop := run(t, s)
				time.Sleep(time.Second)
				stop()
				require.Equal(t, sender.Done, records(t, s, sender.Filter{Endpoint: "good"})[0].State)
				bad := records(t, s, sender.Filter{Endpoint: "bad"})[0]
				require.Equal(t, sender.Pending, bad.State)
				require.Equal(t, test.attempt, bad.Attempt)
				require.Contains(t, bad.Reason, test.reason)
				require.Equal(t, test.failed, health(t, s, "bad").Failures)

				require.Len(t, attempts, 1)
				require.ErrorContains(t, attempts[0].Err, test.reason)
				require.True(t, attempts[0].Next.After(time.Now()))
			})
		})
	}
}

func badLookup(f func() error) func(context.Context, string) (sender.Endpoint, error) {
	return func(ctx context.Context, name string) (sender.Endpoint, error) {
		if name == "bad" {
			if err := f(); err != nil {
				return sender.Endpoint{}, err
			}
		}
		return lookup(ctx, name)
	}
}

func badHost(f func() (*http.Response, error)) http.RoundTripper {
	return byHost(rttest.NewScript(rttest.Step{}), map[string]http.RoundTripper{
		"bad": rttest.Func(func(*http.Request) (*http.Response, error) { return f() }),
	})
}

func newCircuits(t *testing.T, c breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(c)
	require.NoError(t, err)
	return b
}

// A message whose endpoint keeps failing in this way is Dead in the end.
func TestFaultsCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.Func(func(*http.Request) (*http.Response, error) { panic(errBroken) }))
		c.MaxAttempts = 3
		c.DisableAfter = -1
		var dead sender.Attempt
		c.Hooks.Dead = func(a sender.Attempt) { dead = a }
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(24 * time.Hour)
		stop()
		require.Equal(t, sender.Dead, one(t, s).State)
		require.Equal(t, 3, one(t, s).Attempt)
		var panicked *sender.PanicError
		require.True(t, errors.As(dead.Err, &panicked))
		require.Equal(t, errBroken, panicked.Value)
		require.Contains(t, string(panicked.Stack), "TestFaultsCount")
		require.EqualValues(t, 3, stats(t, s).Sent.Failed)
	})
}

// What an endpoint has taken is not sent again because of what comes after it.
func TestFaultAfterDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := steady(rttest.Func(func(*http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return nil, errBroken
			}
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
		}))
		c.Circuits = newCircuits(t, breaker.Config{
			ConsecutiveFailures: 1, OpenTimeout: time.Second,
			Hooks: breaker.Hooks{StateChange: func(e breaker.Change) {
				if e.To == breaker.Closed {
					panic("in a hook")
				}
			}},
		})
		var delivered []sender.Attempt
		c.Hooks.Delivered = func(a sender.Attempt) { delivered = append(delivered, a) }
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(time.Hour)
		stop()
		require.Equal(t, sender.Done, one(t, s).State)
		require.Equal(t, 2, calls)
		require.Len(t, delivered, 1)
		require.ErrorContains(t, delivered[0].Err, "sender: a callback panicked: in a hook")
		require.EqualValues(t, 1, stats(t, s).Sent.Delivered)
	})
}
