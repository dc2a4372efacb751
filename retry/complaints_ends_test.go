package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// What users of other retry libraries have reported about how calls end, and
// what is left of them.
func TestComplaintsAboutEnds(t *testing.T) {
	t.Parallel()
	inBubbles(t, map[string]func(*testing.T){
		"gojek/heimdall#45 bodies of failed attempts left open":          failedBodiesClosed,
		"gojek/heimdall#145 sleep that ignores the context":              sleepEndsWithContext,
		"go-resty/resty#47 body cut short on the second attempt":         halfABodyIsNotSent,
		"loki-vl-proxy#555 a cause hides that the caller has gone":       causeOfCancellation,
		"hashicorp/go-retryablehttp#212 giving up says nothing of why":   errorTellsHistory,
		"cenkalti/backoff#159 a long Retry-After and the time for all":   retryAfterBeyondElapsed,
		"cenkalti/backoff#174 Permanent within Permanent":                nestedPermanent,
		"aws/aws-sdk-go-v2#1665 budget not given back":                   budgetGivenBack,
		"dotnet/extensions#5105 a stream that breaks is held back":       streamsPass,
		"microsoft/kiota-http-go#180 nobody knows how often it was sent": attemptsTold,
	})
}

func failedBodiesClosed(t *testing.T) {
	resp, s, err := get(t, retry.Config{MaxAttempts: 5}, rttest.Step{Status: 503, Body: "sorry"})
	require.NoError(t, err)
	for i, body := range s.Bodies() {
		require.Equal(t, i < 4, body.Closes() == 1)
		require.Equal(t, i < 4, body.SawEnd())
	}
	require.NoError(t, resp.Body.Close())
}

func sleepEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Second, cancel)
	s := rttest.NewScript(rttest.Step{Status: 503})
	begin := time.Now()
	_, err := roundTrip(t, retry.Config{Backoff: retry.Constant(5 * time.Second)}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, time.Second, time.Since(begin))
}

func halfABodyIsNotSent(t *testing.T) {
	reason := retry.Reason(0)
	c := retry.Config{MaxBuffer: 4, Hooks: retry.Hooks{GiveUp: func(e retry.Event) { reason = e.Reason }}}
	s := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{})
	resp, err := roundTrip(t, c, s, keyed(t, strings.NewReader("payload")))
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Len(t, s.Calls(), 1)
	require.Equal(t, "payload", s.Calls()[0].Body)
	require.Equal(t, retry.BodyNotRepeatable, reason)
}

func causeOfCancellation(t *testing.T) {
	gone := errors.New("the user has closed the window")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Second, func() { cancel(gone) })
	s := rttest.NewScript(rttest.Step{Wait: time.Hour})
	_, err := roundTrip(t, retry.Config{}, s, newRequest(t, http.MethodGet, nil).WithContext(ctx))
	require.Equal(t, gone, err)
	require.Len(t, s.Calls(), 1, "though it is neither Canceled nor DeadlineExceeded")
}

func errorTellsHistory(t *testing.T) {
	_, _, err := get(t, retry.Config{}, rttest.Step{Status: 503}, rttest.Step{Status: 429}, rttest.Step{Err: errBroken})
	var e *retry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Attempts)
	require.Equal(t, []int{503, 429, 0}, []int{e.History[0].Status, e.History[1].Status, e.History[2].Status})
	require.ErrorIs(t, err, errBroken)
}

func retryAfterBeyondElapsed(t *testing.T) {
	asks := rttest.Step{Status: 429, Header: []string{"Retry-After", "30"}}
	_, s, err := get(t, retry.Config{}, asks, rttest.Step{})
	require.NoError(t, err)
	require.Len(t, s.Calls(), 2, "there is no time limit unless one is asked for")
	resp, s, err := get(t, retry.Config{MaxElapsed: 20 * time.Second}, asks, rttest.Step{})
	require.NoError(t, err)
	require.Equal(t, 429, resp.StatusCode)
	require.Len(t, s.Calls(), 1)
}

func nestedPermanent(t *testing.T) {
	err := backoff.Permanent(fmt.Errorf("outer: %w", backoff.Permanent(errBroken)))
	_, s, got := get(t, retry.Config{}, rttest.Step{Err: err})
	require.Same(t, err, got)
	require.Len(t, s.Calls(), 1)
}

func budgetGivenBack(t *testing.T) {
	c := retry.Config{Backoff: retry.Constant(0), Budget: newBudget(t, retry.BudgetConfig{Ratio: -1, MinPerSecond: 0.1})}
	for range 100 {
		resp, _, err := get(t, c, rttest.Step{Status: 503}, rttest.Step{Status: 404})
		require.NoError(t, err)
		require.Equal(t, 404, resp.StatusCode, "the upstream can bear it, whatever it thinks of the request")
	}
}

func streamsPass(t *testing.T) {
	resp, s, err := get(t, retry.Config{BufferResponses: 1 << 20},
		rttest.Step{Body: "data: 1\n\n", Drip: time.Second, Endless: true, Header: []string{"Content-Type", "text/event-stream"}})
	require.NoError(t, err)
	require.Zero(t, s.Bodies()[0].BytesRead())
	got := make([]byte, 9)
	_, err = io.ReadFull(resp.Body, got)
	require.NoError(t, err)
	require.Equal(t, "data: 1\n\n", string(got))
}

func attemptsTold(t *testing.T) {
	resp, _, err := get(t, retry.Config{}, rttest.Step{Status: 503}, rttest.Step{Err: errBroken}, rttest.Step{})
	require.NoError(t, err)
	require.Equal(t, 3, retry.AttemptsOf(resp))
}
