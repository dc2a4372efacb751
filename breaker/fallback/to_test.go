package fallback_test

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/breaker/fallback"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

const mirrorURL = "https://mirror.example.com"

// failover returns a RoundTripper whose first upstream fails with step.
func failover(t testing.TB, step rttest.Step, base string, c fallback.ToConfig) http.RoundTripper {
	t.Helper()
	return newFallback(t, fallback.Config{Answers: []fallback.Answer{fallback.To(base, c)}}).Wrap(rttest.NewScript(step))
}

func TestToWhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ base, from, want string }{
		{"https://b.example", "https://a.example/v1/x?q=1", "https://b.example/v1/x?q=1"},
		{"https://b.example/", "https://a.example/v1/x", "https://b.example/v1/x"},
		{"http://b.example:8080/api", "https://a.example/v1/x", "http://b.example:8080/api/v1/x"},
		{"https://b.example/api/", "https://a.example/v1/x/", "https://b.example/api/v1/x/"},
		{"https://b.example/api", "https://a.example", "https://b.example/api"},
		{"https://b.example/api/", "https://a.example?q", "https://b.example/api/?q"},
		{"https://b.example", "https://a.example", "https://b.example"},
		{"https://b.example/api", "https://a.example/", "https://b.example/api/"},
		{"https://b.example", "https://a.example/a%2Fb/c", "https://b.example/a%2Fb/c"},
		{"https://b.example/x%2Fy", "https://a.example/a%2Fb", "https://b.example/x%2Fy/a%2Fb"},
		{"https://b.example/x%2Fy", "https://a.example/a", "https://b.example/x%2Fy/a"},
		{"https://b.example/ü", "https://a.example/%C3%9F", "https://b.example/%C3%BC/%C3%9F"},
		{"https://b.example/api", "https://a.example//x/../y", "https://b.example/api//x/../y"},
		{"https://[::1]:8443", "https://a.example/x", "https://[::1]:8443/x"},
	} {
		mirror := rttest.NewScript()
		rt := failover(t, rttest.Step{Err: errBroken}, tt.base, fallback.ToConfig{Transport: mirror})
		req := newRequest(t, http.MethodGet, tt.from, "")
		req.Host = "override.example"
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		got := mirror.Calls()[0].Request
		require.Equal(t, tt.want, got.URL.String())
		require.Empty(t, got.Host)
		require.Equal(t, tt.from, req.URL.String())
		require.Equal(t, "override.example", req.Host)
		require.Equal(t, tt.want, resp.Request.URL.String())
	}
}

func TestToWhat(t *testing.T) {
	t.Parallel()
	key := []string{"Idempotency-Key", "k"}
	sent, refused := rttest.Step{Status: 503}, rttest.Step{Err: notSent{}, Unread: true}
	for name, tt := range map[string]struct {
		step   rttest.Step
		method string
		header []string
		body   string
		max    int64
		served bool
	}{
		"GET":                        {step: sent, method: "GET", served: true},
		"HEAD":                       {step: sent, method: "HEAD", served: true},
		"OPTIONS":                    {step: sent, method: "OPTIONS", served: true},
		"TRACE":                      {step: sent, method: "TRACE", served: true},
		"PUT":                        {step: sent, method: "PUT", body: "payload", served: true},
		"DELETE":                     {step: sent, method: "DELETE", served: true},
		"POST":                       {step: sent, method: "POST", body: "payload"},
		"POST without a body":        {step: sent, method: "POST"},
		"POST after an error":        {step: rttest.Step{Err: errBroken}, method: "POST", body: "payload"},
		"PATCH":                      {step: sent, method: "PATCH", body: "payload"},
		"POST with key":              {step: sent, method: "POST", header: key, body: "payload", served: true},
		"POST with another key":      {step: sent, method: "POST", header: []string{"X-Idempotency-Key", "k"}, body: "payload", served: true},
		"POST with an empty key":     {step: sent, method: "POST", header: []string{"Idempotency-Key", ""}, body: "payload"},
		"POST refused below":         {step: refused, method: "POST", body: "payload", served: true},
		"POST read, then refused":    {step: rttest.Step{Err: notSent{}}, method: "POST", body: "payload"},
		"POST that was not dialled":  {step: rttest.Step{Err: &net.OpError{Op: "dial", Err: errBroken}, Unread: true}, method: "POST", body: "payload", served: true},
		"POST cut off while reading": {step: rttest.Step{Err: &net.OpError{Op: "read", Err: errBroken}, Unread: true}, method: "POST", body: "payload"},
		"PUT with a long body":       {step: sent, method: "PUT", body: "payload", max: 6},
		"PUT, bodies not kept":       {step: sent, method: "PUT", body: "payload", max: -1},
		"long body that was not read": {
			step: refused, method: "PUT", body: "payload", max: 6, served: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror := rttest.NewScript(rttest.Step{Body: "mirror"})
			f := newFallback(t, fallback.Config{
				MaxBuffer: tt.max,
				Answers:   []fallback.Answer{fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror})},
			})
			req := newRequest(t, tt.method, thingsURL, tt.body)
			for i := 0; i+1 < len(tt.header); i += 2 {
				req.Header.Set(tt.header[i], tt.header[i+1])
			}
			resp, err := f.Wrap(rttest.NewScript(tt.step)).RoundTrip(req)
			if tt.body != "" {
				require.Equal(t, 1, req.Body.(*rttest.Body).Closes())
			}
			require.Equal(t, tt.served, fallback.Degraded(resp))
			if !tt.served {
				require.Empty(t, mirror.Calls())
				require.Equal(t, uint64(1), f.Snapshot().Answers[0].Passed)
				require.True(t, err != nil || resp.StatusCode == http.StatusServiceUnavailable)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "mirror", read(t, resp))
			call := mirror.Calls()[0]
			require.NoError(t, call.Err)
			require.Equal(t, tt.body, call.Body)
			require.Equal(t, tt.method, call.Request.Method)
		})
	}
}

func TestToBodyFromGetBody(t *testing.T) {
	t.Parallel()
	mirror := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Body: "second mirror"})
	f := newFallback(t, fallback.Config{MaxBuffer: -1, Answers: []fallback.Answer{
		fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror}),
		fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror}),
	}})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, thingsURL, strings.NewReader("payload"))
	require.NoError(t, err)
	_, body := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), req)
	require.Equal(t, "second mirror", body)
	for _, call := range mirror.Calls() {
		require.Equal(t, "payload", call.Body)
		require.Equal(t, int64(7), call.Request.ContentLength)
	}

	req.Body, req.GetBody = rttest.NewBody("payload"), func() (io.ReadCloser, error) { return nil, errBroken }
	resp, _ := send(t, f.Wrap(rttest.NewScript(rttest.Step{Status: 503})), req)
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, uint64(1), f.Snapshot().Answers[1].Failed)
}

// Requests that another URL can't express pass.
func TestToPasses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"no URL":     func(req *http.Request) { req.URL = nil },
		"opaque":     func(req *http.Request) { req.URL = &neturl.URL{Scheme: "https", Opaque: "//a.example/x"} },
		"OPTIONS *":  func(req *http.Request) { req.Method, req.URL.Path = http.MethodOptions, "*" },
		"trailers":   func(req *http.Request) { req.Trailer = http.Header{"Sum": nil} },
		"api_key":    func(req *http.Request) { req.URL.RawQuery = "a=1&api_key=secret" },
		"signed URL": func(req *http.Request) { req.URL.RawQuery = "X-Amz-Signature=0123" },
		"escaped":    func(req *http.Request) { req.URL.RawQuery = "a=1;access%5ftoken=secret" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mirror := rttest.NewScript()
			req := get(t)
			change(req)
			_, err := failover(t, rttest.Step{Err: errBroken}, mirrorURL, fallback.ToConfig{Transport: mirror}).RoundTrip(req)
			require.Equal(t, errBroken, err)
			require.Empty(t, mirror.Calls())
		})
	}
}

// A parameter that is named like a credential keeps the request here, and one
// that says where in a list to go on does not.
func TestToAndParameters(t *testing.T) {
	t.Parallel()
	for want, names := range map[bool][]string{
		false: {
			"api_token", "private_token", "X-Plex-Token", "job_token", "token", "secret_key", "consumer_key", "license_key", "user_key",
			"passphrase", "pass", "sign", "PHPSESSID", "otp", "code", "credentials", "x-api-key", "AWSAccessKeyId",
		},
		true: {
			"page_token", "nextPageToken", "NextToken", "continuation-token", "$skiptoken", "$deltatoken", "syncToken", "resumptionToken",
			"page", "sort_key", "monkey", "country_code", "design", "passengers", "spin",
		},
	} {
		for _, name := range names {
			req := get(t)
			req.URL.RawQuery = "a=1&" + name + "=x"
			require.Equal(t, want, sentBy(t, mirrorURL, req) != nil, name)
		}
	}
}

// What the other upstream answers is no answer unless it is good.
func TestToUsesGoodAnswersOnly(t *testing.T) {
	t.Parallel()
	for status := 200; status < 600; status++ {
		mirror := rttest.NewScript(rttest.Step{Status: status, Body: "mirror"})
		resp, body := send(t, failover(t, rttest.Step{Status: 503, Body: "sorry"}, mirrorURL, fallback.ToConfig{Transport: mirror}), get(t))
		if status < 300 || status == 304 {
			require.Equal(t, status, resp.StatusCode)
			require.Equal(t, "mirror", body)
			continue
		}
		require.Equal(t, 503, resp.StatusCode, status)
		require.Equal(t, "sorry", body, status)
		require.Equal(t, 1, mirror.Bodies()[0].Closes(), status)
		require.True(t, mirror.Bodies()[0].SawEnd(), status)
	}
	f := newFallback(t, fallback.Config{
		Check:   func(*http.Response) error { return errBroken },
		Answers: []fallback.Answer{fallback.To(mirrorURL, fallback.ToConfig{Transport: rttest.NewScript(rttest.Step{Body: "errors"})})},
	})
	_, body := send(t, f.Wrap(rttest.NewScript(rttest.Step{Body: "the first"})), get(t))
	require.Equal(t, "the first", body)

	// A transport that breaks its contract has nothing to offer.
	rt := failover(t, rttest.Step{Err: errBroken}, mirrorURL, fallback.ToConfig{
		Transport: rttest.Func(func(*http.Request) (*http.Response, error) { return nil, nil }),
	})
	_, err := rt.RoundTrip(get(t))
	require.Equal(t, errBroken, err)
}

func TestToLeavesCredentialsBehind(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "Apikey", "X-Auth-Token", "X-Auth", "X-Access-Token",
		"Private-Token", "X-Amz-Security-Token", "Ocp-Apim-Subscription-Key", "X-Shopify-Access-Token", "X-Hub-Signature-256",
		"Signature", "Signature-Input", "Dpop", "X-Client-Secret", "X-Session-Id", "X-Jwt-Assertion", "X-Csrf-Token", "X-Password",
		"X_api_key", "x-api-key", "Dd-Application-Key", "X-Forwarded-Authorization", "X-Sig",
		"X-Authkey", "X-Appkey", "Privatekey", "Subscriptionkey", "X-Hmac-Sha256", "Referer",
		"Cb-Access-Sign", "X-Api-Pass", "Macaroon", "Grpc-Metadata-Macaroon", "X-Mac",
	} {
		header[name] = []string{"secret"}
	}
	harmless := http.Header{
		"Accept": {"application/json"}, "Content-Type": {"text/plain"}, "User-Agent": {"shop/1"}, "Idempotency-Key": {"k"},
		"X-Idempotency-Key": {"k"}, "If-None-Match": {`"1"`}, "X-Request-Id": {"1"}, "Traceparent": {"00"}, "X-Author": {"me"},
		"X-Monkey": {"1"}, "Accept-Language": {"de", "en"}, "Sec-Websocket-Key": {"1"}, "X-Path": {"1"},
	}
	maps.Copy(header, harmless)
	for base, foreign := range map[string]bool{
		mirrorURL:                     true,
		"http://api.example.com":      true,
		"https://api.example.com:444": true,
		"https://API.example.com:443": false,
		"https://api.example.com/v2":  false,
	} {
		mirror := rttest.NewScript(rttest.Step{Header: []string{"Set-Cookie", "session=theirs"}})
		req := newRequest(t, http.MethodGet, "https://me:secret@api.example.com/v1?page_token=3", "")
		req.Header = header.Clone()
		resp, _ := send(t, failover(t, rttest.Step{Status: 503}, base, fallback.ToConfig{Transport: mirror}), req)
		require.True(t, fallback.Degraded(resp), base)
		got := mirror.Calls()[0]
		require.Equal(t, foreign, got.Request.URL.User == nil, base)
		require.Equal(t, foreign, resp.Header.Get("Set-Cookie") == "", base)
		if foreign {
			require.Equal(t, harmless, got.Header, base)
		} else {
			require.Equal(t, header, got.Header, base)
		}
		require.Equal(t, header, req.Header)
	}
}

func TestToCarriesWhatIsNamed(t *testing.T) {
	t.Parallel()
	mirror := rttest.NewScript()
	names := []string{"x-API-key", "Api_Key"}
	rt := failover(t, rttest.Step{Status: 503}, mirrorURL, fallback.ToConfig{Transport: mirror, CarryCredentials: names})
	names[0] = "changed"
	req := newRequest(t, http.MethodGet, thingsURL+"&api_key=known", "")
	req.Header.Set("X-Api-Key", "known")
	req.Header.Set("Authorization", "secret")
	send(t, rt, req)
	require.Equal(t, http.Header{"X-Api-Key": {"known"}}, mirror.Calls()[0].Header)
	require.Equal(t, "q=1&api_key=known", mirror.Calls()[0].Request.URL.RawQuery)
}

// A cookie of the other upstream must not end up as one of the first.
func TestToSetsNoCookies(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	mirror := rttest.NewScript(rttest.Step{Header: []string{"Set-Cookie", "session=theirs; Path=/"}})
	client := &http.Client{Jar: jar, Transport: failover(t, rttest.Step{Status: 503}, mirrorURL, fallback.ToConfig{Transport: mirror})}
	resp, err := client.Get(thingsURL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Empty(t, jar.Cookies(get(t).URL))
}

// The credentials of the other upstream are put on a request that its own origin
// has redirected, and kept from one that another has.
func TestToAfterRedirect(t *testing.T) {
	t.Parallel()
	bearer, err := auth.StaticBearer(auth.NewSecret("theirs"))
	require.NoError(t, err)
	guard, err := auth.New(auth.Config{Authorizer: bearer})
	require.NoError(t, err)
	for from, want := range map[string]string{
		thingsURL:                         "Bearer theirs",
		"https://evil.example.com/things": "",
	} {
		mirror := rttest.NewScript()
		rt := newFallback(t, fallback.Config{Answers: []fallback.Answer{
			fallback.To(mirrorURL, fallback.ToConfig{Transport: guard.Wrap(mirror)}),
		}}).Wrap(rttest.NewScript(rttest.Step{Status: 302, Header: []string{"Location", "https://api.example.com/v2"}}, rttest.Step{Status: 503}))
		resp, err := (&http.Client{Transport: rt}).Get(from)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, mirror.Calls()[0].Header.Get("Authorization"), from)
	}
}

func TestToIdleConnections(t *testing.T) {
	t.Parallel()
	mirror, first := rttest.NewScript(), rttest.NewScript()
	f := newFallback(t, fallback.Config{Answers: []fallback.Answer{static(""), fallback.To(mirrorURL, fallback.ToConfig{Transport: mirror})}})
	(&http.Client{Transport: f.Wrap(first)}).CloseIdleConnections()
	require.Equal(t, 1, first.IdleClosed())
	require.Equal(t, 1, mirror.IdleClosed())
}
