package sender_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// What one attempt comes to. The schedule says ten minutes.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	const never = -1
	for name, tt := range map[string]struct {
		step  rttest.Step
		state sender.State
		next  time.Duration // after the answer
		pause time.Duration
	}{
		"200":                     {rttest.Step{}, sender.Done, never, 0},
		"204":                     {rttest.Step{Status: 204}, sender.Done, never, 0},
		"299":                     {rttest.Step{Status: 299}, sender.Done, never, 0},
		"101":                     {rttest.Step{Status: 101}, sender.Pending, 10 * time.Minute, 0},
		"301 is not followed":     {rttest.Step{Status: 301, Header: []string{"Location", "http://169.254.169.254/"}}, sender.Pending, 10 * time.Minute, 0},
		"307 is not followed":     {rttest.Step{Status: 307, Header: []string{"Location", "https://b.example.com/"}}, sender.Pending, 10 * time.Minute, 0},
		"400":                     {rttest.Step{Status: 400}, sender.Pending, 10 * time.Minute, 0},
		"404":                     {rttest.Step{Status: 404}, sender.Pending, 10 * time.Minute, 0},
		"429":                     {rttest.Step{Status: 429}, sender.Pending, 10 * time.Minute, time.Minute},
		"500":                     {rttest.Step{Status: 500}, sender.Pending, 10 * time.Minute, 0},
		"502":                     {rttest.Step{Status: 502}, sender.Pending, 10 * time.Minute, 0},
		"503":                     {rttest.Step{Status: 503}, sender.Pending, 10 * time.Minute, 0},
		"error":                   {rttest.Step{Err: errBroken}, sender.Pending, 10 * time.Minute, 0},
		"Retry-After sooner":      {rttest.Step{Status: 503, Header: []string{"Retry-After", "30"}}, sender.Pending, 10 * time.Minute, 30 * time.Second},
		"Retry-After later":       {rttest.Step{Status: 503, Header: []string{"Retry-After", "1800"}}, sender.Pending, 30 * time.Minute, 30 * time.Minute},
		"Retry-After of a 500":    {rttest.Step{Status: 500, Header: []string{"Retry-After", "1800"}}, sender.Pending, 30 * time.Minute, 0},
		"Retry-After of 429":      {rttest.Step{Status: 429, Header: []string{"Retry-After", "2"}}, sender.Pending, 10 * time.Minute, 2 * time.Second},
		"Retry-After much later":  {rttest.Step{Status: 429, Header: []string{"Retry-After", "1000000000000"}}, sender.Pending, time.Hour, time.Hour},
		"Retry-After overflow":    {rttest.Step{Status: 503, Header: []string{"Retry-After", "9223372036854775807"}}, sender.Pending, time.Hour, time.Hour},
		"Retry-After -1":          {rttest.Step{Status: 503, Header: []string{"Retry-After", "-1"}}, sender.Pending, 10 * time.Minute, 0},
		"Retry-After in the past": {rttest.Step{Status: 503, Header: []string{"Retry-After", "Mon, 02 Jan 1995 15:04:05 GMT"}}, sender.Pending, 10 * time.Minute, 0},
		"Retry-After garbage":     {rttest.Step{Status: 503, Header: []string{"Retry-After", "soon"}}, sender.Pending, 10 * time.Minute, 0},
		"too slow":                {rttest.Step{Wait: time.Hour}, sender.Pending, 10 * time.Minute, 0},
		"endless body":            {rttest.Step{Body: "x", Endless: true}, sender.Done, never, 0},
		"endless slow body":       {rttest.Step{Body: "x", Endless: true, Drip: time.Second}, sender.Done, never, 0},
		"cut body":                {rttest.Step{Body: "x", Cut: true}, sender.Done, never, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := rttest.NewScript(tt.step)
				var notes tape
				c := steady(script)
				c.Hooks, c.Timeout = notes.hooks(), 10*time.Second
				c.Backoff = func() backoff.BackOff { return backoff.NewConstantBackOff(10 * time.Minute) }
				s := newSender(t, c)
				enqueue(t, s, sender.Message{Endpoint: "a", Body: []byte("{}")})
				start := time.Now()
				stop := run(t, s)
				time.Sleep(12 * time.Second)
				stop()

				require.Len(t, script.Calls(), 1)
				for _, body := range script.Bodies() {
					require.Positive(t, body.Closes())
				}
				record, state := one(t, s), health(t, s, "a")
				require.Equal(t, tt.state, record.State)
				require.Len(t, notes.attempts, 1)
				a := notes.attempts[0]
				require.Less(t, a.Duration, 11*time.Second)
				answered := start.Add(a.Duration)
				if tt.next != never {
					require.WithinDuration(t, answered.Add(tt.next), record.Due, 0)
					require.NotEmpty(t, record.Reason)
					var failed *sender.DeliveryError
					require.ErrorAs(t, a.Err, &failed)
					require.Equal(t, "https://a.example.com", failed.Origin)
					require.Equal(t, 1, state.Failures)
				}
				if tt.pause > 0 {
					require.WithinDuration(t, answered.Add(tt.pause), state.PausedUntil, 0)
					require.Equal(t, sender.Paused, state.State(answered))
				} else {
					require.False(t, state.PausedUntil.After(answered))
				}
			})
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var notes tape
		c := steady(hang)
		c.Hooks = notes.hooks()
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(sender.DefaultTimeout + time.Second)
		stop()
		require.ErrorIs(t, notes.attempts[0].Err, sender.ErrTimeout)
		require.Equal(t, sender.DefaultTimeout, notes.attempts[0].Duration)
	})
}

func TestDeadWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	blocked := &net.OpError{Op: "dial", Err: &sender.BlockedError{Reason: "loopback (RFC 1122)"}}
	for name, tt := range map[string]struct {
		endpoint func(context.Context, string) (sender.Endpoint, error)
		step     rttest.Step
		is       error
		failures int
	}{
		"no endpoint": {func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{}, fmt.Errorf("deleted: %w", sender.ErrNoEndpoint)
		}, rttest.Step{}, sender.ErrNoEndpoint, 0},
		"bad URL": {func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "http://secret@example.com"}, nil
		}, rttest.Step{}, nil, 1},
		"blocked address": {func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "https://169.254.169.254/secret"}, nil
		}, rttest.Step{}, sender.ErrBlocked, 1},
		"blocked when dialled": {lookup, rttest.Step{Err: blocked}, sender.ErrBlocked, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var notes tape
				c := steady(rttest.NewScript(tt.step))
				c.Endpoint, c.Hooks = tt.endpoint, notes.hooks()
				s := newSender(t, c)
				enqueue(t, s, sender.Message{Endpoint: "a"})
				stop := run(t, s)
				time.Sleep(time.Hour)
				stop()
				require.Equal(t, []string{"dead 1"}, notes.all())
				require.Equal(t, sender.Dead, one(t, s).State)
				require.NotContains(t, one(t, s).Reason, "secret")
				if tt.is != nil {
					require.ErrorIs(t, notes.attempts[0].Err, tt.is)
				}
				if errors.Is(tt.is, sender.ErrBlocked) {
					require.EqualValues(t, 1, stats(t, s).Sent.Blocked)
				}
				require.Equal(t, tt.failures, health(t, s, "a").Failures)
			})
		})
	}
}

// That our own database is down is no fault of the endpoint, and uses up none of
// its attempts.
func TestLookupFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript()
		healed := time.Now().Add(time.Hour)
		c := steady(script)
		c.MaxAttempts = -1
		c.Endpoint = func(ctx context.Context, name string) (sender.Endpoint, error) {
			if time.Now().Before(healed) {
				return sender.Endpoint{}, errBroken
			}
			return lookup(ctx, name)
		}
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		require.Zero(t, one(t, s).Attempt)
		require.Contains(t, one(t, s).Reason, "broken")
		require.Zero(t, health(t, s, "a").Failures)
		time.Sleep(2 * time.Minute)
		stop()
		require.Len(t, script.Calls(), 1)
		require.Equal(t, sender.Done, one(t, s).State)
	})
}

func TestErrorsHideTheURL(t *testing.T) {
	t.Parallel()
	const path, token = "/T00/covert%2Fpath", "sesame-open"
	for name, cause := range map[string]error{
		"url.Error": &url.Error{Op: "Post", URL: "https://a.example.com" + path + "?token=" + token, Err: errBroken},
		"path":      fmt.Errorf("no route to %s", path),
		"token":     fmt.Errorf("refused %s: %w", token, errBroken),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var notes tape
				var log strings.Builder
				c := steady(rttest.NewScript(rttest.Step{Err: cause}))
				c.MaxAttempts = -1
				logged := sender.LogHooks(rttest.NewLogger(&log))
				c.Hooks = sender.Hooks{Dead: func(a sender.Attempt) {
					notes.hooks().Dead(a)
					logged.Dead(a)
				}}
				c.Endpoint = func(context.Context, string) (sender.Endpoint, error) {
					return sender.Endpoint{URL: "https://a.example.com" + path + "?token=" + token, Keys: []sender.Key{{Secret: secret}}}, nil
				}
				s := newSender(t, c)
				enqueue(t, s, sender.Message{Endpoint: "a", Body: []byte("private")})
				stop := run(t, s)
				synctest.Wait()
				stop()

				err := notes.attempts[0].Err
				var deep *url.Error
				require.NotErrorAs(t, err, &deep)
				if errors.Is(cause, errBroken) {
					require.ErrorIs(t, err, errBroken)
				}
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err), one(t, s).Reason, log.String()} {
					require.NotContains(t, text, "covert")
					require.NotContains(t, text, token)
					require.NotContains(t, text, "private")
				}
				require.Contains(t, err.Error(), "https://a.example.com")
			})
		})
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	spread := make(map[time.Duration]bool)
	for range 100 {
		s := sender.StandardSchedule()()
		for _, d := range want {
			got := s.NextBackOff()
			require.InDelta(t, float64(d), float64(got), 0.2*float64(d)+1)
			spread[got] = true
		}
		require.Equal(t, backoff.Stop, s.NextBackOff())
		require.Equal(t, backoff.Stop, s.NextBackOff())
		s.Reset()
		require.NotEqual(t, backoff.Stop, s.NextBackOff())
	}
	require.Greater(t, len(spread), 500, "there is jitter")

	s := sender.Schedule(math.MaxInt64, math.MinInt64)()
	require.Greater(t, s.NextBackOff(), 24*time.Hour, "no overflow")
	require.Zero(t, s.NextBackOff())
	require.Equal(t, backoff.Stop, sender.Schedule()().NextBackOff())
}

// By the standard schedule there are ten attempts in about three days.
func TestStandardSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript(rttest.Step{Status: http.StatusInternalServerError})
		c := steady(script)
		c.Backoff, c.Poll = nil, time.Minute
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		time.Sleep(100 * time.Hour)
		stop()
		require.Len(t, script.Calls(), 10)
		require.Equal(t, sender.Dead, one(t, s).State)
		require.Equal(t, 10, one(t, s).Attempt)
	})
}

func TestMaxAttempts(t *testing.T) {
	t.Parallel()
	for max, want := range map[int]int{-1: 1, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			script := rttest.NewScript(rttest.Step{Status: 500})
			c := steady(script)
			c.MaxAttempts = max
			s := newSender(t, c)
			enqueue(t, s, sender.Message{Endpoint: "a"})
			stop := run(t, s)
			time.Sleep(time.Hour)
			stop()
			require.Len(t, script.Calls(), want)
			require.Equal(t, sender.Dead, one(t, s).State)
		})
	}
}
