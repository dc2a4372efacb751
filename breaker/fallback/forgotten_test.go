package fallback_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestWhatIsForgotten(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		step   rttest.Step
		stays  bool
	}{
		"304":                {step: rttest.Step{Status: 304}, stays: true},
		"408":                {step: rttest.Step{Status: 408}, stays: true},
		"425":                {step: rttest.Step{Status: 425}, stays: true},
		"429":                {step: rttest.Step{Status: 429}, stays: true},
		"204":                {step: rttest.Step{Status: 204}},
		"302":                {step: rttest.Step{Status: 302}},
		"401":                {step: rttest.Step{Status: 401}},
		"403":                {step: rttest.Step{Status: 403}},
		"404":                {step: rttest.Step{Status: 404}},
		"410":                {step: rttest.Step{Status: 410}},
		"501":                {step: rttest.Step{Status: 501}},
		"no-store now":       {step: rttest.Step{Body: "new", Header: []string{"Cache-Control", "no-store"}}},
		"HEAD 200":           {method: http.MethodHead, step: rttest.Step{}, stays: true},
		"HEAD 404":           {method: http.MethodHead, step: rttest.Step{Status: 404}},
		"OPTIONS 200":        {method: http.MethodOptions, step: rttest.Step{}, stays: true},
		"PUT 200":            {method: http.MethodPut, step: rttest.Step{}},
		"POST 303":           {method: http.MethodPost, step: rttest.Step{Status: 303}},
		"DELETE 204":         {method: http.MethodDelete, step: rttest.Step{Status: 204}},
		"unknown method 200": {method: "MOVE", step: rttest.Step{}},
		"PUT 409":            {method: http.MethodPut, step: rttest.Step{Status: 409}, stays: true},
		"PUT 503":            {method: http.MethodPut, step: rttest.Step{Status: 503}, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fallback.LastGoodConfig{})
			w.teach(t, get(t), rttest.Step{Body: "good"})
			req := get(t)
			if tt.method != "" {
				req = withHeader(newRequest(t, tt.method, get(t).URL.String(), ""), "X-Writer", "somebody else")
			}
			if tt.method == http.MethodHead {
				req.Header.Del("X-Writer")
			}
			w.step(tt.step)
			resp, err := w.RoundTrip(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			resp, body := w.recall(t, get(t))
			require.Equal(t, tt.stays, resp != nil)
			if tt.stays {
				require.Equal(t, "good", body)
				return
			}
			require.Equal(t, fallback.Memory{}, w.memory())
		})
	}
}

// An answer that breaks off, or that the caller does not read, takes nothing away.
func TestUnreadAnswerForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fallback.LastGoodConfig{})
	w.teach(t, get(t), rttest.Step{Body: "good"})
	w.next = func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 2, Header: http.Header{}, ContentLength: -1, Request: req,
			Body: io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(rttest.ErrCut))),
		}, nil
	}
	resp, err := w.RoundTrip(get(t))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, rttest.ErrCut)
	w.step(rttest.Step{Body: "unread"})
	resp, err = w.RoundTrip(get(t))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	_, body := w.recall(t, get(t))
	require.Equal(t, "good", body)
}

// What was asked before it became untrue does not come back when it is read.
func TestForgottenWhileRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		status int
		early  bool // the answer has not arrived before
		want   string
	}{
		"not allowed any more": {method: http.MethodGet, status: 403},
		"written to":           {method: http.MethodPut, status: 200},
		"written, on its way":  {method: http.MethodPut, status: 200, early: true},
		"nothing said":         {method: http.MethodGet, status: 429, want: "old"},
		"not written":          {method: http.MethodPut, status: 409, want: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, fallback.LastGoodConfig{})
				meanwhile := func() {
					time.Sleep(time.Second)
					w.step(rttest.Step{Status: tt.status})
					send(t, w, newRequest(t, tt.method, thingsURL, ""))
					time.Sleep(time.Second)
				}
				w.next = func(req *http.Request) (*http.Response, error) {
					if tt.early {
						meanwhile()
					}
					return rttest.NewScript(rttest.Step{Body: "old"}).RoundTrip(req)
				}
				slow, err := w.RoundTrip(get(t))
				require.NoError(t, err)
				if !tt.early {
					meanwhile()
				}
				require.Equal(t, "old", read(t, slow))
				_, body := w.recall(t, get(t))
				require.Equal(t, tt.want, body)
				w.teach(t, get(t), rttest.Step{Body: "new"})
				_, body = w.recall(t, get(t))
				require.Equal(t, "new", body)
			})
		})
	}
}

// What was written to another upstream, or below an inner Fallback, was written.
func TestDegradedWriteForgets(t *testing.T) {
	t.Parallel()
	for method, stays := range map[string]bool{http.MethodPut: false, http.MethodPatch: true, http.MethodGet: true} {
		for _, nested := range []bool{false, true} {
			to := fallback.To(mirrorURL, fallback.ToConfig{Transport: rttest.NewScript(rttest.Step{Status: 201})})
			memory := fallback.LastGood(fallback.LastGoodConfig{})
			s := rttest.NewScript(rttest.Step{Body: "old"}, rttest.Step{Status: 503})
			outer := newFallback(t, fallback.Config{Answers: []fallback.Answer{memory, to}})
			rt := outer.Wrap(s)
			if nested {
				outer = newFallback(t, fallback.Config{Answers: []fallback.Answer{memory}})
				rt = outer.Wrap(newFallback(t, fallback.Config{Answers: []fallback.Answer{to}}).Wrap(s))
			}
			send(t, rt, get(t))
			resp, _ := send(t, rt, newRequest(t, method, thingsURL, ""))
			require.Equal(t, method != http.MethodPatch, fallback.Degraded(resp))
			require.Equal(t, stays, outer.Snapshot().Answers[0].Memory.Keys == 1, method)
		}
	}
}

// A transport may make something of a request without a URL.
func TestWriteWithoutAURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fallback.LastGoodConfig{})
	w.step(rttest.Step{Status: 201})
	req := newRequest(t, http.MethodPost, thingsURL, "")
	req.URL = nil
	resp, _ := send(t, w, req)
	require.Equal(t, 201, resp.StatusCode)
}
