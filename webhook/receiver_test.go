package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// github returns a signed request of GitHub that came by TLS.
func github(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(body))
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(body)))
	req.Header.Set("X-GitHub-Delivery", "d1")
	req.Header.Set("X-GitHub-Event", "push")
	return req
}

func receiver(tb testing.TB, change func(*webhook.ReceiverConfig)) *webhook.Receiver {
	tb.Helper()
	c := webhook.ReceiverConfig{Verifier: verifier(tb, webhook.GitHub())}
	if change != nil {
		change(&c)
	}
	r, err := webhook.NewReceiver(c)
	require.NoError(tb, err)
	return r
}

func ok(context.Context, []webhook.Event) error { return nil }

func serve(h http.Handler, req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

type busyError struct{}

func (busyError) Error() string             { return "busy" }
func (busyError) RetryAfter() time.Duration { return 1500 * time.Millisecond }

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
func (b brokenBody) Close() error             { return nil }

func TestReceiverAnswers(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		config  func(*webhook.ReceiverConfig)
		request func(*http.Request)
		receive func(context.Context, []webhook.Event) error
		want    int
		header  map[string]string
	}{
		"good":           {want: 204},
		"bad signature":  {request: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=00") }, want: 401},
		"no signature":   {request: func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, want: 401},
		"plain HTTP":     {request: func(r *http.Request) { r.TLS = nil }, want: 403},
		"plain, allowed": {config: func(c *webhook.ReceiverConfig) { c.DangerouslyAllowHTTP = true }, request: func(r *http.Request) { r.TLS = nil }, want: 204},
		"GET":            {request: func(r *http.Request) { r.Method = "GET" }, want: 405, header: map[string]string{"Allow": "POST"}},
		"HEAD":           {request: func(r *http.Request) { r.Method = "HEAD" }, want: 405, header: map[string]string{"Allow": "POST"}},
		"OPTIONS":        {request: func(r *http.Request) { r.Method = "OPTIONS" }, want: 405, header: map[string]string{"Allow": "POST"}},
		"PUT, allowed":   {config: func(c *webhook.ReceiverConfig) { c.Methods = []string{"PUT"} }, request: func(r *http.Request) { r.Method = "PUT" }, want: 204},
		"gzip":           {request: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, want: 415},
		"br":             {request: func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, want: 415},
		"identity":       {request: func(r *http.Request) { r.Header.Set("Content-Encoding", "identity") }, want: 204},
		"announced too long": {
			config:  func(c *webhook.ReceiverConfig) { c.MaxBody = 4 },
			request: func(r *http.Request) { r.Body = io.NopCloser(brokenBody{errors.New("read")}) },
			want:    413, header: map[string]string{"Connection": "close"},
		},
		"one byte too long, length unknown": {
			config: func(c *webhook.ReceiverConfig) { c.MaxBody = 4 }, request: func(r *http.Request) { r.ContentLength = -1 }, want: 413,
		},
		"exactly as long as allowed": {config: func(c *webhook.ReceiverConfig) { c.MaxBody = 5 }, want: 204},
		"length unknown":             {request: func(r *http.Request) { r.ContentLength = -1 }, want: 204},
		"announced too short":        {request: func(r *http.Request) { r.ContentLength = 3 }, want: 400},
		"cut off":                    {request: func(r *http.Request) { r.ContentLength = 9 }, want: 400},
		"cut off at once":            {request: func(r *http.Request) { r.Body = brokenBody{io.ErrUnexpectedEOF} }, want: 400},
		"consumed":                   {request: func(r *http.Request) { _, _ = io.ReadAll(r.Body) }, want: 500},
		"closed":                     {request: func(r *http.Request) { r.Body = brokenBody{http.ErrBodyReadAfterClose} }, want: 500},
		"slow":                       {request: func(r *http.Request) { r.Body = brokenBody{&net.OpError{Op: "read", Err: deadline{}}} }, want: 408, header: map[string]string{"Connection": "close"}},
		"receive fails":              {receive: func(context.Context, []webhook.Event) error { return errors.New("store: secret details") }, want: 500},
		"receive is busy":            {receive: func(context.Context, []webhook.Event) error { return busyError{} }, want: 503, header: map[string]string{"Retry-After": "2"}},
		"chunked and gone":           {request: func(r *http.Request) { r.ContentLength, r.Body = -1, brokenBody{io.ErrUnexpectedEOF} }, want: 400},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var records []webhook.Record
			r := receiver(t, func(c *webhook.ReceiverConfig) {
				c.Hooks.Done = func(r webhook.Record) { records = append(records, r) }
				if test.config != nil {
					test.config(c)
				}
			})
			req := github("hello")
			if test.request != nil {
				test.request(req)
			}
			if test.receive == nil {
				test.receive = ok
			}
			w := serve(r.Handler(test.receive), req)
			require.Equal(t, test.want, w.Code)
			for name, value := range test.header {
				require.Equal(t, value, w.Header().Get(name))
			}
			require.Len(t, records, 1)
			require.Equal(t, test.want, records[0].Status)
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			if test.want >= 300 {
				require.Error(t, records[0].Err)
				if req.Method != http.MethodHead {
					require.Equal(t, "refused\n", w.Body.String(), "all refusals look the same")
				}
			}
		})
	}
}

// deadline is what net returns when a read deadline has passed.
type deadline struct{}

func (deadline) Error() string        { return "i/o timeout" }
func (deadline) Is(target error) bool { return target.Error() == "i/o timeout" }

func TestReceiverHandsOnTheExactBytes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "\ufeff{}\r\n", "a=b&c=%20", "{\"a\":\"\xff\x00\"}", strings.Repeat("x", 1<<20)} {
		var got []webhook.Event
		w := serve(receiver(t, nil).Handler(func(_ context.Context, e []webhook.Event) error {
			got = e
			return nil
		}), github(body))
		require.Equal(t, 204, w.Code)
		require.Len(t, got, 1)
		require.Equal(t, body, string(got[0].Body))
		require.Equal(t, "d1", got[0].ID)
		require.Equal(t, "push", got[0].Type)
		require.False(t, got[0].IDSigned)
		require.Equal(t, got[0].Verified.Fingerprint(), got[0].Fingerprint())
	}
}

// What is compressed is not taken apart, and not verified after having been.
func TestAttackCompressedBody(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	req := github(bomb.String())
	req.Header.Set("Content-Encoding", "gzip")
	require.Equal(t, http.StatusUnsupportedMediaType, serve(receiver(t, nil).Handler(ok), req).Code)
}

func TestReceiverRefusalsLookTheSame(t *testing.T) {
	t.Parallel()
	tenants := webhook.Config{Scheme: webhook.GitHub(), KeysFor: func(r *http.Request) ([]webhook.Key, error) {
		if r.URL.Query().Get("tenant") == "known" {
			return webhook.Keys(secret), nil
		}
		return nil, nil
	}}
	v, err := webhook.New(tenants)
	require.NoError(t, err)
	h := receiver(t, func(c *webhook.ReceiverConfig) { c.Verifier = v }).Handler(ok)
	var first *httptest.ResponseRecorder
	for _, target := range []string{"?tenant=known", "?tenant=unknown", ""} {
		for _, signature := range []string{"", "x", "sha256=" + strings.Repeat("0", 64), "sha1=00"} {
			req := github("{}")
			req.URL.RawQuery = strings.TrimPrefix(target, "?")
			req.Header.Set("X-Hub-Signature-256", signature)
			w := serve(h, req)
			if first == nil {
				first = w
			}
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Equal(t, first.Body.String(), w.Body.String())
			require.Equal(t, first.Header(), w.Header())
		}
	}
	req := github("{}")
	req.URL.RawQuery = "tenant=known"
	require.Equal(t, 204, serve(h, req).Code)
}

func TestReceiverKeysUnavailable(t *testing.T) {
	t.Parallel()
	v, err := webhook.New(webhook.Config{Scheme: webhook.GitHub(), KeysFor: func(*http.Request) ([]webhook.Key, error) { return nil, busyError{} }})
	require.NoError(t, err)
	w := serve(receiver(t, func(c *webhook.ReceiverConfig) { c.Verifier = v }).Handler(ok), github("{}"))
	require.Equal(t, 503, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	_, err = v.Verify(github("{}"), []byte("{}"))
	require.ErrorIs(t, err, webhook.ErrKeys)
	require.ErrorIs(t, err, busyError{})
}

func TestVerifyMiddleware(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/", http.StripPrefix("/hooks", receiver(t, nil).Verify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "hello" {
			t.Errorf("body %q, error %v", body, err)
		}
		events := webhook.EventsFrom(r.Context())
		w.Header().Set("X-Id", events[0].ID)
		w.WriteHeader(http.StatusTeapot)
	}))))
	req := github("hello")
	req.URL.Path = "/hooks/github"
	req.ContentLength = -1
	w := serve(mux, req)
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Equal(t, "d1", w.Header().Get("X-Id"))

	req = github("hello")
	req.URL.Path = "/hooks/github"
	req.Header.Set("X-Hub-Signature-256", "sha256=00")
	require.Equal(t, http.StatusUnauthorized, serve(mux, req).Code)
	require.Nil(t, webhook.EventsFrom(t.Context()))
}

// A token is a credential, and is not handed on with the header.
func TestReceiverRemovesCredentials(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.GitLabToken())
	req := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader("{}"))
	req.Header.Set("X-Gitlab-Token", secret)
	req.Header.Set("Authorization", "Basic xyz")
	req.Header.Set("Cookie", "a=b")
	req.Header.Set("X-Gitlab-Event", "Push Hook")
	events := receive(t, webhook.ReceiverConfig{Verifier: v}, req)
	require.Equal(t, http.Header{"X-Gitlab-Event": {"Push Hook"}}, events[0].Header)
	require.Equal(t, "Push Hook", events[0].Type)
	require.Equal(t, secret, req.Header.Get("X-Gitlab-Token"), "the caller's request stays as it is")
}

// The token of any of the schemes is a credential.
func TestAnyOfRemovesCredentials(t *testing.T) {
	t.Parallel()
	token := verifier(t, webhook.GitLabToken())
	signed := verifier(t, webhook.GitLab(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	for _, v := range []*webhook.Verifier{webhook.AnyOf(signed, token), webhook.AnyOf(token, signed), webhook.AnyOf(signed, webhook.AnyOf(signed, token))} {
		req := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader("{}"))
		req.Header.Set("X-Gitlab-Token", secret)
		events := receive(t, webhook.ReceiverConfig{Verifier: v}, req)
		require.Empty(t, events[0].Header)
	}
}

// An ID that the first scheme would sign is not signed because it is there.
func TestAnyOfSignedIDs(t *testing.T) {
	t.Parallel()
	token := verifier(t, webhook.GitLabToken())
	for _, first := range []*webhook.Verifier{
		verifier(t, webhook.Typeform()),
		verifier(t, webhook.Scheme{
			Name:     "batches",
			Headers:  []string{"Signature"},
			Versions: []webhook.Version{{Algorithm: webhook.HMACSHA256}},
			Signed:   "{body}",
			Batch:    &webhook.Batch{ID: "event_id"},
		}),
	} {
		req := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(`{"event_id":"1"}`))
		req.Header.Set("X-Gitlab-Token", secret)
		events := receive(t, webhook.ReceiverConfig{Verifier: webhook.AnyOf(first, token)}, req)
		require.Equal(t, "1", events[0].ID)
		require.False(t, events[0].IDSigned)
	}
}

func TestReceiverBatches(t *testing.T) {
	t.Parallel()
	var sendgrid preset
	for _, p := range presets() {
		if p.scheme.Name == "sendgrid" {
			sendgrid = p
		}
	}
	s, c := sendgrid.signer(t)
	v, err := webhook.New(c)
	require.NoError(t, err)
	post := func(body string) (events []webhook.Event, status int) {
		req, err := s.Request(hookURL, []byte(body), time.Now())
		require.NoError(t, err)
		r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v})
		require.NoError(t, err)
		w := serve(r.Handler(func(_ context.Context, e []webhook.Event) error {
			events = e
			return nil
		}), req)
		return events, w.Code
	}
	events, status := post(" [ {\"sg_event_id\":\"a\",\"event\":\"open\"} ,\n{\"sg_event_id\":\"b\", \"x\":[1,{\"]\":\"[\"}]}, 3 ]\r\n")
	require.Equal(t, 204, status)
	require.Len(t, events, 3)
	require.JSONEq(t, `{"sg_event_id":"a","event":"open"}`, string(events[0].Body))
	require.Equal(t, "{\"sg_event_id\":\"b\", \"x\":[1,{\"]\":\"[\"}]}", string(events[1].Body))
	require.Equal(t, []string{"a", "b", ""}, []string{events[0].ID, events[1].ID, events[2].ID})
	require.True(t, events[0].IDSigned)
	require.Equal(t, 3, events[2].Count)
	require.Equal(t, 2, events[2].Index)
	require.NotEqual(t, events[0].Fingerprint(), events[1].Fingerprint())

	events, status = post("[]")
	require.Equal(t, 204, status, "nothing to do")
	require.Empty(t, events)
	events, status = post(`{"sg_event_id":"a"}`)
	require.Equal(t, 204, status)
	require.Equal(t, "a", events[0].ID, "an event alone")
	for _, bad := range []string{"", "1", "[1", "[1][2]", `[{"sg_event_id":"a","sg_event_id":"b"}]`, "[" + strings.Repeat("1,", 10_000) + "1]"} {
		_, status := post(bad)
		require.Equal(t, 400, status, "%.40s", bad)
	}
}

func TestReceiverConfigErrors(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewReceiver(webhook.ReceiverConfig{
		MaxBody: -1, MaxInFlight: -1, Rate: -1, Burst: -1, MaxKeys: -1, Methods: []string{"get"},
		Proxies: webhook.Proxies{Header: "X-Proto"},
	})
	for _, field := range []string{"Verifier", "MaxBody", "MaxInFlight", "Rate", "Burst", "MaxKeys", "Methods", "Proxies.Peers"} {
		require.ErrorContains(t, err, "webhook: ReceiverConfig."+field+" ")
	}
}
