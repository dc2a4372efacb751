package fallback_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// An upstream can't make its answer look degraded.
func TestMarkCannotBeForged(t *testing.T) {
	t.Parallel()
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.Func(passes)}})
	for _, status := range []int{200, 404, 503} {
		step := rttest.Step{Status: status, Header: []string{fallback.Header, "last-good", "X-Other", "1"}}
		resp, _ := send(t, f.Wrap(rttest.NewScript(step)), get(t))
		require.False(t, fallback.Degraded(resp))
		require.Empty(t, resp.Header.Values(fallback.Header))
		require.Equal(t, "1", resp.Header.Get("X-Other"))
	}
	// Nor one that another upstream sends.
	mirror := rttest.NewScript(rttest.Step{Header: []string{fallback.Header, "forged", fallback.Header, "twice"}})
	f = newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.To("https://mirror.example.com", fallback.ToConfig{Transport: mirror})}})
	resp, _ := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), get(t))
	require.True(t, fallback.Degraded(resp))
	require.Equal(t, []string{"to"}, resp.Header.Values(fallback.Header))
}

func TestDegraded(t *testing.T) {
	t.Parallel()
	require.False(t, fallback.Degraded(nil))
	require.False(t, fallback.Degraded(&http.Response{}))
	require.False(t, fallback.Degraded(&http.Response{Request: get(t), Header: http.Header{fallback.Header: {"static"}}}))

	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{static("degraded")}})
	s := rttest.NewScript(rttest.Step{Err: errBroken}, rttest.Step{Body: "good"})
	rt := f.Wrap(s)
	resp, _ := send(t, rt, get(t))
	require.True(t, fallback.Degraded(resp))
	// A request made from a degraded one, such as that of the next page, is new.
	for _, next := range []*http.Request{resp.Request, resp.Request.Clone(resp.Request.Context())} {
		again := next.WithContext(context.WithValue(next.Context(), ctxKey{}, 1))
		resp, body := send(t, rt, again)
		require.Equal(t, "good", body)
		require.False(t, fallback.Degraded(resp))
	}
	// So is that of the degraded answer when it is sent once more.
	again, body := send(t, rt, resp.Request)
	require.Equal(t, "good", body)
	require.False(t, fallback.Degraded(again))
	require.True(t, fallback.Degraded(resp))
}

// What an inner Fallback has served stays marked as it is, and is no good answer
// for the memory of an outer one.
func TestNestedFallbacks(t *testing.T) {
	t.Parallel()
	inner := newFallback(t, fallback.Config{Answers: []fallback.Answer{
		fallback.Static(http.StatusOK, http.Header{"Cache-Control": {"max-age=60"}}, []byte("inner")).When(func(req *http.Request) bool { return req.Header.Get("Traceparent") == "" }),
	}})
	outer := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.LastGood(fallback.LastGoodConfig{}), static("outer")}})
	rt := outer.Wrap(inner.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})))
	resp, body := send(t, rt, get(t))
	require.Equal(t, "inner", body)
	require.True(t, fallback.Degraded(resp))
	require.Equal(t, "static", resp.Header.Get(fallback.Header))
	req := get(t)
	req.Header.Set("Traceparent", "1")
	_, body = send(t, rt, req)
	require.Equal(t, "outer", body, "the inner answer was not remembered")
}

// http.Client and what else is above find a response as net/http makes it.
func TestStaticIsAWholeResponse(t *testing.T) {
	t.Parallel()
	header, content := http.Header{"Content-Type": {"application/json"}, "Content-Length": {"99"}}, []byte("[]")
	answer := fallback.Static(200, header, content)
	header.Set("Content-Type", "changed")
	content[0] = '{'
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{answer}})
	client := &http.Client{Transport: f.Wrap(rttest.NewScript(rttest.Step{Err: errBroken}))}
	for range 2 {
		resp, err := client.Get(thingsURL)
		require.NoError(t, err)
		require.Equal(t, http.Header{
			"Content-Type": {"application/json"}, "Content-Length": {"2"}, "Cache-Control": {"no-store"}, fallback.Header: {"static"},
		}, resp.Header)
		require.Equal(t, int64(2), resp.ContentLength)
		require.Equal(t, "HTTP/1.1", resp.Proto)
		require.Equal(t, thingsURL, resp.Request.URL.String())
		require.Equal(t, "[]", read(t, resp))
		resp.Header.Set("Content-Type", "the caller's own")
	}
	resp, err := client.Head(thingsURL)
	require.NoError(t, err)
	require.Equal(t, int64(2), resp.ContentLength)
	require.Empty(t, read(t, resp))
	require.True(t, fallback.Degraded(resp))
}

func TestStaticAnswersReadsOnly(t *testing.T) {
	t.Parallel()
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.Static(204, nil, nil)}})
	rt := f.Wrap(rttest.NewScript(rttest.Step{Status: 503}))
	for method, want := range map[string]int{
		"": 204, "GET": 204, "HEAD": 204, "OPTIONS": 503, "TRACE": 503, "POST": 503, "PUT": 503, "PATCH": 503, "DELETE": 503,
	} {
		req := get(t)
		req.Method = method
		resp, _ := send(t, rt, req)
		require.Equal(t, want, resp.StatusCode, method)
	}
	resp, _ := send(t, rt, get(t))
	require.Empty(t, resp.Header.Values("Content-Length"))
	f = newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.Static(204, http.Header{"Content-Length": {"99"}}, nil)}})
	resp, _ = send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), get(t))
	require.Empty(t, resp.Header.Values("Content-Length"))
}

func TestStaticKeepsItsCacheControl(t *testing.T) {
	t.Parallel()
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.Static(200, http.Header{"Cache-Control": {"max-age=1"}}, nil)}})
	resp, _ := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), get(t))
	require.Equal(t, []string{"max-age=1"}, resp.Header.Values("Cache-Control"))
}

type ctxKey struct{}

func TestFunc(t *testing.T) {
	t.Parallel()
	shared := http.Header{"X-Shared": {"1"}}
	body := rttest.NewBody("left over")
	for name, tt := range map[string]struct {
		resp *http.Response
		err  error
		want string // the body served; "" if none is
		fail string
	}{
		"bare":            {resp: &http.Response{StatusCode: http.StatusAccepted}},
		"body":            {resp: &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("queued"))}, want: "queued"},
		"shared header":   {resp: &http.Response{StatusCode: http.StatusOK, Header: shared, Body: io.NopCloser(strings.NewReader("ok"))}, want: "ok"},
		"no status":       {resp: &http.Response{}, fail: "func: fallback: the func returned the status 0: must be between 200 and 599"},
		"upgrade":         {resp: &http.Response{StatusCode: http.StatusSwitchingProtocols}, fail: "func: fallback: the func returned the status 101: must be between 200 and 599"},
		"response, error": {resp: &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: body}, err: errBroken, fail: "func: connection broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.WithValue(t.Context(), ctxKey{}, name)
			req := newRequest(t, http.MethodPost, thingsURL, "payload").WithContext(ctx)
			failed := ""
			f := newFallback(t, fallback.Config{
				Hooks: fallback.Hooks{Failed: func(e fallback.Event) { failed = e.Err.Error() }},
				Answers: []fallback.Answer{fallback.Func(func(got context.Context, r *http.Request, failure fallback.Failure) (*http.Response, error) {
					require.Equal(t, name, got.Value(ctxKey{}))
					require.Equal(t, got, r.Context())
					require.Nil(t, r.Body)
					require.Equal(t, req.URL, r.URL)
					require.Equal(t, fallback.Failure{Err: errBroken}, failure)
					return tt.resp, tt.err
				})},
			})
			resp, err := f.Wrap(rttest.NewScript(rttest.Step{Err: errBroken})).RoundTrip(req)
			require.Equal(t, tt.fail, failed)
			if tt.fail != "" {
				require.Equal(t, errBroken, err)
				return
			}
			require.NoError(t, err)
			require.True(t, fallback.Degraded(resp))
			require.Equal(t, "func", resp.Header.Get(fallback.Header))
			require.Equal(t, http.StatusText(resp.StatusCode), resp.Status[4:])
			if tt.want == "" {
				require.Zero(t, resp.ContentLength)
			} else {
				require.Equal(t, int64(-1), resp.ContentLength)
			}
			require.Equal(t, tt.want, read(t, resp))
		})
	}
	t.Cleanup(func() {
		require.Equal(t, http.Header{"X-Shared": {"1"}}, shared)
		require.Equal(t, 1, body.Closes())
	})
}

// A func need not think of HEAD.
func TestFuncAnswersHead(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("degraded")
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
		fallback.Func(func(context.Context, *http.Request, fallback.Failure) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: 8}, nil
		}),
	}})
	resp, got := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), newRequest(t, http.MethodHead, thingsURL, ""))
	require.Empty(t, got)
	require.Equal(t, int64(8), resp.ContentLength)
	require.Equal(t, 1, body.Closes())
}

func TestTrailersOfAnAnswer(t *testing.T) {
	t.Parallel()
	mirror := rttest.NewScript(rttest.Step{Body: "data", Trailer: "42"})
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.To("https://mirror.example.com", fallback.ToConfig{Transport: mirror})}})
	resp, _ := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), get(t))
	require.Equal(t, "42", resp.Trailer.Get("Sum"))
}
