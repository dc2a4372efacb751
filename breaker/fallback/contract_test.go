package fallback_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func newFallback(t testing.TB, c fallback.Config) *fallback.Fallback {
	t.Helper()
	f, err := fallback.New(c)
	require.NoError(t, err)
	return f
}

// forErrors answers errors and leaves failed statuses alone.
func forErrors(_ context.Context, _ *http.Request, f fallback.Failure) (*http.Response, error) {
	if f.Err == nil {
		return nil, nil
	}
	return &http.Response{StatusCode: http.StatusOK}, nil
}

// The contract wants every status to arrive as it is. So the configurations here
// are those whose answers serve in place of errors only, or have nothing to offer.
func TestContract(t *testing.T) {
	t.Parallel()
	down := rttest.Func(func(req *http.Request) (*http.Response, error) {
		return rttest.NewScript(rttest.Step{Err: errBroken}).RoundTrip(req)
	})
	unavailable := rttest.Func(func(req *http.Request) (*http.Response, error) {
		return rttest.NewScript(rttest.Step{Status: 503, Body: "unavailable"}).RoundTrip(req)
	})
	to := func(rt http.RoundTripper) fallback.Answer {
		return fallback.To("https://mirror.example.com/v2", fallback.ToConfig{Transport: rt})
	}
	for name, tt := range map[string]struct {
		answers   func() []fallback.Answer
		maxBuffer int64
	}{
		"func for errors":            {answers: func() []fallback.Answer { return []fallback.Answer{fallback.Func(forErrors)} }},
		"other upstream down":        {answers: func() []fallback.Answer { return []fallback.Answer{to(down)} }},
		"other upstream unavailable": {answers: func() []fallback.Answer { return []fallback.Answer{to(unavailable), to(unavailable)} }},
		"bodies not kept":            {answers: func() []fallback.Answer { return []fallback.Answer{to(down)} }, maxBuffer: -1},
		"bodies too long":            {answers: func() []fallback.Answer { return []fallback.Answer{to(down)} }, maxBuffer: 3},
		"last good": {answers: func() []fallback.Answer {
			return []fallback.Answer{fallback.LastGood(fallback.LastGoodConfig{})}
		}},
		"small memory": {answers: func() []fallback.Answer {
			return []fallback.Answer{fallback.LastGood(fallback.LastGoodConfig{MaxAnswerBytes: 3})}
		}},
		"all of them": {answers: func() []fallback.Answer {
			return []fallback.Answer{to(down), fallback.LastGood(fallback.LastGoodConfig{}), fallback.Func(forErrors)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rttest.Contract(t, rttest.Subject{
				New: func() rttest.Middleware {
					return newFallback(t, fallback.Config{Answers: tt.answers(), MaxBuffer: tt.maxBuffer}).Wrap
				},
				Hooked: func(callback func()) rttest.Middleware {
					when := func(*http.Request) bool { callback(); return true }
					answers := []fallback.Answer{
						fallback.LastGood(fallback.LastGoodConfig{
							Partition: func(*http.Request) string { callback(); return "" },
						}).When(when),
						fallback.Func(func(ctx context.Context, req *http.Request, f fallback.Failure) (*http.Response, error) {
							callback()
							return forErrors(ctx, req, f)
						}).When(when),
					}
					for _, a := range tt.answers() {
						answers = append(answers, a.When(when))
					}
					return newFallback(t, fallback.Config{
						Answers:   answers,
						MaxBuffer: tt.maxBuffer,
						Check:     func(*http.Response) error { callback(); return nil },
						Hooks: fallback.Hooks{
							Served: func(fallback.Event) { callback() },
							Failed: func(fallback.Event) { callback() },
						},
					}).Wrap
				},
			})
		})
	}
}

var errBroken = errors.New("connection broken")
