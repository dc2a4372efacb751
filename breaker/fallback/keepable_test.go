package fallback_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

func TestWhatIsRemembered(t *testing.T) {
	t.Parallel()
	head := func(req *http.Request) { req.Method = http.MethodHead }
	header := func(pairs ...string) func(*http.Request) {
		return func(req *http.Request) { withHeader(req, pairs...) }
	}
	good := rttest.Step{Body: "good"}
	from := func(pairs ...string) rttest.Step { return rttest.Step{Body: "good", Header: pairs} }
	for name, tt := range map[string]struct {
		req  func(*http.Request)
		step rttest.Step
		want bool
	}{
		"GET":                   {step: good, want: true},
		"without a method":      {req: func(req *http.Request) { req.Method = "" }, step: good, want: true},
		"without a body":        {step: rttest.Step{}, want: true},
		"private":               {step: from("Cache-Control", "private, max-age=0, must-revalidate"), want: true},
		"Vary":                  {step: from("Vary", "Accept-Encoding, Origin", "Vary", "Cookie"), want: true},
		"no-cache request":      {req: header("Cache-Control", "no-cache"), step: good, want: true},
		"conditional":           {req: header("If-None-Match", `"1"`), step: good, want: true},
		"HEAD":                  {req: head, step: good},
		"POST":                  {req: func(req *http.Request) { req.Method = http.MethodPost }, step: good},
		"Range":                 {req: header("Range", "bytes=0-1"), step: good},
		"GET with a body":       {req: func(req *http.Request) { req.Body = rttest.NewBody("{}") }, step: good},
		"no-store request":      {req: header("Cache-Control", "max-age=0", "Cache-Control", "No-Store"), step: good},
		"no-store":              {step: from("Cache-Control", "no-store")},
		"no-store in a list":    {step: from("Cache-Control", `private="a, b",NO-STORE ,max-age=1`)},
		"no-store on line 2":    {step: from("Cache-Control", "max-age=1", "Cache-Control", "no-store=x")},
		"no-store after quotes": {step: from("Cache-Control", `private="a, no-store`)},
		"Vary: *":               {step: from("Vary", "Accept", "Vary", "Origin, *")},
		"Vary by ignored field": {step: from("Vary", "x-request-id")},
		"part":                  {step: from("Content-Range", "bytes 0-3/9")},
		"event stream":          {step: from("Content-Type", "text/event-stream; charset=utf-8")},
		"trailers":              {step: rttest.Step{Body: "good", Trailer: "42"}},
		"cut off":               {step: rttest.Step{Body: "good", Cut: true}},
		"203":                   {step: rttest.Step{Status: 203, Body: "good"}},
		"206":                   {step: rttest.Step{Status: 206, Body: "good"}},
		"301":                   {step: rttest.Step{Status: 301, Body: "good"}},
		"404":                   {step: rttest.Step{Status: 404, Body: "good"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fallback.LastGoodConfig{})
			req := get(t)
			if tt.req != nil {
				tt.req(req)
			}
			w.step(tt.step)
			resp, err := w.RoundTrip(req)
			require.NoError(t, err)
			_, _ = io.Copy(io.Discard, resp.Body)
			require.NoError(t, resp.Body.Close())
			resp, body := w.recall(t, get(t))
			require.Equal(t, tt.want, resp != nil)
			if tt.want {
				require.Equal(t, tt.step.Body, body)
			}
		})
	}
}

// A body whose end is not certain is not remembered.
func TestWholeBodiesOnly(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body         string
		length       int64
		major        int
		coding       []string
		uncompressed bool
		read         int64 // -1 is to the end
		want         bool
	}{
		"length":                    {body: "good", length: 4, major: 1, read: -1, want: true},
		"all but its end was read":  {body: "good", length: 4, major: 1, read: 4, want: true},
		"chunked":                   {body: "good", length: -1, major: 1, coding: []string{"chunked"}, read: -1, want: true},
		"HTTP/2 without a length":   {body: "good", length: -1, major: 2, read: -1, want: true},
		"decompressed":              {body: "good", length: -1, major: 1, uncompressed: true, read: -1, want: true},
		"the connection's end":      {body: "good", length: -1, major: 1, read: -1},
		"closed early":              {body: "good", length: 4, major: 1, read: 3},
		"closed unread":             {body: "good", length: 4, major: 1},
		"chunked, end not seen":     {body: "good", length: -1, major: 2, read: 4},
		"shorter than was said":     {body: "good", length: 5, major: 1, read: -1},
		"longer than was said":      {body: "good", length: 3, major: 1, read: -1},
		"said to be much too long":  {body: "good", length: 1 << 40, major: 1, read: -1},
		"empty, and nothing said":   {body: "", length: -1, major: 2, read: -1, want: true},
		"empty, and said to be so":  {body: "", length: 0, major: 1, read: -1, want: true},
		"empty, with the end of it": {body: "", length: -1, major: 1, read: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fallback.LastGoodConfig{})
			w.next = func(req *http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: http.StatusOK, ProtoMajor: tt.major, Header: http.Header{}, ContentLength: tt.length, Request: req,
					TransferEncoding: tt.coding, Uncompressed: tt.uncompressed, Body: io.NopCloser(strings.NewReader(tt.body)),
				}, nil
			}
			resp, err := w.RoundTrip(get(t))
			require.NoError(t, err)
			if tt.read < 0 {
				_, err = io.Copy(io.Discard, resp.Body)
			} else {
				_, err = io.ReadFull(resp.Body, make([]byte, tt.read))
			}
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			resp, body := w.recall(t, get(t))
			require.Equal(t, tt.want, resp != nil)
			if tt.want {
				require.Equal(t, tt.body, body)
				require.Equal(t, tt.uncompressed, resp.Uncompressed)
			}
		})
	}
}

// Some bodies are at their end when they are closed.
func TestClosedBodyHasNoEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fallback.LastGoodConfig{})
	w.next = func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 2, Header: http.Header{}, ContentLength: -1, Request: req,
			Body: &endsWhenClosed{Reader: strings.NewReader("half of it")},
		}, nil
	}
	resp, err := w.RoundTrip(get(t))
	require.NoError(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 4))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	resp, _ = w.recall(t, get(t))
	require.Nil(t, resp)
}

type endsWhenClosed struct{ io.Reader }

func (b *endsWhenClosed) Close() error {
	b.Reader = strings.NewReader("")
	return nil
}

// Not every request is served from what another has brought.
func TestWhoIsServed(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) func(*http.Request) {
		return func(req *http.Request) { withHeader(req, pairs...) }
	}
	base := []string{"Authorization", "Bearer alice", "Accept", "text/plain", "Accept", "text/html", "Traceparent", "1"}
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   bool
	}{
		"the same":            {func(*http.Request) {}, true},
		"HEAD":                {func(req *http.Request) { req.Method = http.MethodHead }, true},
		"default port":        {func(req *http.Request) { req.URL.Host += ":443"; req.Host = "" }, true},
		"fragment":            {func(req *http.Request) { req.URL.Fragment = "x" }, true},
		"other trace":         {func(req *http.Request) { req.Header.Set("Traceparent", "2") }, true},
		"no trace":            {func(req *http.Request) { req.Header.Del("Traceparent") }, true},
		"request ID":          {header("X-Request-Id", "1"), true},
		"own ignored":         {header("x-SPAN", "1"), true},
		"conditional":         {header("If-None-Match", `"1"`), true},
		"max-age":             {header("Cache-Control", "max-age=0"), true},
		"POST":                {func(req *http.Request) { req.Method = http.MethodPost }, false},
		"OPTIONS":             {func(req *http.Request) { req.Method = http.MethodOptions }, false},
		"Range":               {header("Range", "bytes=0-1"), false},
		"body":                {func(req *http.Request) { req.Body = rttest.NewBody("{}") }, false},
		"no-store":            {header("Cache-Control", "no-store"), false},
		"no-cache":            {header("Cache-Control", "no-cache"), false},
		"Pragma":              {header("Pragma", "no-cache"), false},
		"other credential":    {func(req *http.Request) { req.Header.Set("Authorization", "Bearer bob") }, false},
		"no credential":       {func(req *http.Request) { req.Header.Del("Authorization") }, false},
		"second credential":   {header("Authorization", "Bearer bob"), false},
		"cookie":              {header("Cookie", "session=1"), false},
		"tenant":              {header("Stripe-Account", "acct_1"), false},
		"other Accept":        {func(req *http.Request) { req.Header["Accept"] = []string{"text/html", "text/plain"} }, false},
		"joined Accept":       {func(req *http.Request) { req.Header.Set("Accept", "text/plaintext/html") }, false},
		"other host":          {func(req *http.Request) { req.Host = "other.example.com" }, false},
		"other origin":        {func(req *http.Request) { req.URL.Scheme = "http" }, false},
		"other path":          {func(req *http.Request) { req.URL.Path = "/v1/thing" }, false},
		"escaped path":        {func(req *http.Request) { req.URL.RawPath = "/v1%2Fthings" }, false},
		"other query":         {func(req *http.Request) { req.URL.RawQuery = "q=2" }, false},
		"query moved to path": {func(req *http.Request) { req.URL.Path += "q=1"; req.URL.RawQuery = "" }, false},
		"opaque":              {func(req *http.Request) { req.URL.Opaque = "//api.example.com/v2/things" }, false},
		"userinfo":            {func(req *http.Request) { req.URL.User = url.UserPassword("a", "b") }, false},
		"upper case host":     {func(req *http.Request) { req.URL.Host = "API.example.com" }, true},
		"other partition":     {header("X-Span", "p2"), false},
		"field in a value": {func(req *http.Request) {
			req.Header = http.Header{"Accept": {"text/plain", "text/html", "Authorization", "Bearer alice"}}
		}, false},
		"field is not another": {func(req *http.Request) { req.Header["Authorizatio"] = []string{"nBearer alice"} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, fallback.LastGoodConfig{
				IgnoreHeaders: []string{"x-span"},
				Partition: func(req *http.Request) string {
					return strings.TrimLeft(strings.Join(req.Header.Values("X-Span"), ""), "01")
				},
			})
			w.teach(t, withHeader(get(t), base...), rttest.Step{Body: "alice"})
			req := withHeader(get(t), base...)
			tt.change(req)
			resp, _ := w.recall(t, req)
			require.Equal(t, tt.want, resp != nil)
		})
	}
}

// A credential that a layer below adds can't be seen in time, so nothing is
// remembered until the program says whose answers they are.
func TestHiddenCredentials(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		add    func(*http.Request)
		hidden bool
	}{
		"header":          {func(req *http.Request) { req.Header.Set("Authorization", "Bearer alice") }, true},
		"another value":   {func(req *http.Request) { req.Header.Set("X-Api-Key", "alice's") }, true},
		"query":           {func(req *http.Request) { req.URL.RawQuery += "&api_key=alice" }, true},
		"another query":   {func(req *http.Request) { req.URL.RawQuery = "q=1&access_token=alice" }, true},
		"userinfo":        {func(req *http.Request) { req.URL.User = url.UserPassword("alice", "secret") }, true},
		"other header":    {func(req *http.Request) { req.Header.Set("User-Agent", "shop") }, false},
		"other parameter": {func(req *http.Request) { req.URL.RawQuery += "&page=1" }, false},
		"other host":      {func(req *http.Request) { req.URL.Host = "10.0.0.1" }, false},
		"nothing":         {func(*http.Request) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := func() *http.Request {
				req := withHeader(get(t), "X-Api-Key", "ours")
				req.URL.RawQuery = "q=1&access_token=ours"
				return req
			}
			teach := func(w *world) {
				w.next = func(req *http.Request) (*http.Response, error) {
					signed := req.Clone(req.Context())
					tt.add(signed)
					return rttest.NewScript(rttest.Step{Body: "alice"}).RoundTrip(signed)
				}
				send(t, w, ask())
			}
			w := newWorld(t, fallback.LastGoodConfig{})
			teach(w)
			resp, _ := w.recall(t, ask())
			require.Equal(t, tt.hidden, resp == nil)
			require.Equal(t, tt.hidden, w.memory().Hidden == 1)

			w = newWorld(t, fallback.LastGoodConfig{Partition: func(*http.Request) string { return "" }})
			teach(w)
			_, body := w.recall(t, ask())
			require.Equal(t, "alice", body)
			require.Zero(t, w.memory().Hidden)
		})
	}
}

// Package auth takes the credentials off Response.Request again, and tells.
func TestCredentialsOfAuth(t *testing.T) {
	t.Parallel()
	type user struct{}
	guard, err := auth.New(auth.Config{Authorizer: auth.AuthorizerFunc(func(ctx context.Context, req *http.Request) error {
		req.Header.Set("Authorization", ctx.Value(user{}).(string))
		return nil
	})})
	require.NoError(t, err)
	ask := func(name string) *http.Request {
		return get(t).WithContext(context.WithValue(t.Context(), user{}, name))
	}
	for name, tt := range map[string]struct {
		partition func(*http.Request) string
		hidden    uint64
	}{
		"no partition": {hidden: 1},
		"partition":    {partition: func(req *http.Request) string { return req.Context().Value(user{}).(string) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
				fallback.To(mirrorURL, fallback.ToConfig{Transport: rttest.NewScript(rttest.Step{Err: errBroken})}),
				fallback.LastGood(fallback.LastGoodConfig{Partition: tt.partition}),
			}})
			rt := f.Wrap(guard.Wrap(rttest.NewScript(rttest.Step{Body: "for alice"}, rttest.Step{Status: 503})))
			alice := ask("alice")
			resp, _ := send(t, rt, alice)
			require.Same(t, alice, resp.Request, "nothing is left of what was done to find out")
			require.Equal(t, tt.hidden, f.Snapshot().Answers[1].Memory.Hidden)
			resp, _ = send(t, rt, ask("bob"))
			require.False(t, fallback.Degraded(resp))
			resp, body := send(t, rt, ask("alice"))
			require.Equal(t, tt.hidden == 0, fallback.Degraded(resp))
			require.Equal(t, tt.hidden == 0, body == "for alice")
		})
	}
}

// What When excludes is neither remembered nor served.
func TestLastGoodWhen(t *testing.T) {
	t.Parallel()
	allowed := false
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{
		fallback.LastGood(fallback.LastGoodConfig{}).When(func(*http.Request) bool { return allowed }),
	}})
	s := rttest.NewScript(rttest.Step{Body: "one"}, rttest.Step{Body: "two"}, rttest.Step{Status: 503})
	rt := f.Wrap(s)
	send(t, rt, get(t))
	require.Zero(t, f.Snapshot().Answers[0].Memory.Keys)
	allowed = true
	send(t, rt, get(t))
	require.Equal(t, 1, f.Snapshot().Answers[0].Memory.Keys)
	_, body := send(t, rt, get(t))
	require.Equal(t, "two", body)
	allowed = false
	resp, _ := send(t, rt, get(t))
	require.Equal(t, 503, resp.StatusCode)
}
