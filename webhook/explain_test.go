package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// certain returns the kinds and texts of the findings that are certain.
func certain(x webhook.Explanation) string {
	var all []string
	for _, f := range x.Findings {
		if f.Certain {
			all = append(all, f.Kind+": "+f.Text)
		}
	}
	return strings.Join(all, "\n")
}

func TestExplainBody(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.GitHub())
	for _, test := range []struct{ signed, got, want string }{
		{`{"a":1}`, "{\"a\":1}\n", "a line break was added"},
		{"{\"a\":1}\n", `{"a":1}`, "a line break at its end was removed"},
		{"[{}]\r\n", "[{}]", "(CR LF) at its end was removed"},
		{"{\r\n}", "{\n}", "from CR LF to LF"},
		{"{\n}", "{\r\n}", "from LF to CR LF"},
		{`{"a":1}`, "\ufeff{\"a\":1}", "a byte order mark was added"},
		{"\ufeff{\"a\":1}", `{"a":1}`, "a byte order mark was removed"},
		{`{"a":[1,"x, y: z"]}`, "{\n  \"a\": [\n    1,\n    \"x, y: z\"\n  ]\n}", "the original has no blanks"},
		{`{"a": [1, "x,y:z\""]}`, `{"a":[1,"x,y:z\""]}`, "blanks after commas and colons"},
		{"{\n  \"a\": 1\n}", `{"a":1}`, "indented by two"},
		{`{"a":"\u00e9\ud83d\ude00"}`, `{"a":"é😀"}`, "escapes what is not ASCII"},
		{`{"a":"é😀"}`, `{"a":"\u00e9\ud83d\ude00"}`, "does not escape what is not ASCII"},
		{`{"a":"http:\/\/x"}`, `{"a":"http://x"}`, "escapes slashes"},
		{`{"a":"<b>&"}`, `{"a":"\u003cb\u003e\u0026"}`, "does not escape <, > and &"},
		{`{"a":"\u003cb\u003e\u0026"}`, `{"a":"<b>&"}`, "the original escapes <, > and &"},
	} {
		x := v.Explain(post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(test.signed))), []byte(test.got))
		require.ErrorIs(t, x.Err, webhook.ErrBadSignature)
		require.Contains(t, certain(x), test.want)
		require.Contains(t, certain(x), "body: ")
	}
	x := v.Explain(post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(`{}`))), nil)
	require.Contains(t, x.String(), "the body is empty")
	x = v.Explain(post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(`{}`))), []byte(`{"a":1}`))
	require.Contains(t, x.String(), "nothing odd was found")
	x = v.Explain(post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(`{}`))), []byte(`{}`))
	require.NoError(t, x.Err)
	require.Equal(t, "the signature is good", x.String())
}

func TestExplainSecret(t *testing.T) {
	t.Parallel()
	const body = `{"id":"evt"}`
	raw := []byte("0123456789abcdef01234567")
	encoded := base64.StdEncoding.EncodeToString(raw)
	sign := func(key string) *http.Request {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte("1700000000." + body))
		return post("Stripe-Signature", "t=1700000000,v1="+hex.EncodeToString(h.Sum(nil)))
	}
	for _, test := range []struct{ given, truth, want string }{
		{"whsec_" + encoded, string(raw), "taken for base64"},
		{"whsec_" + encoded, encoded, `the text after "whsec_"`},
		{hex.EncodeToString(raw), string(raw), "taken for hexadecimal"},
		{string(raw), string(raw) + "\n", "line break"},
	} {
		x := verifier(t, webhook.Stripe(), test.given).Explain(sign(test.truth), []byte(body))
		require.Contains(t, certain(x), test.want)
	}
	// The other way round: Stripe's secret, which is verbatim, for Standard Webhooks.
	h := hmac.New(sha256.New, []byte("whsec_"+encoded))
	h.Write([]byte("msg_1.1700000000." + body))
	x := verifier(t, webhook.StandardWebhooks(), "whsec_"+encoded).Explain(post("webhook-id", "msg_1", "webhook-timestamp", "1700000000",
		"webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil))), []byte(body))
	require.Contains(t, certain(x), `its text, undecoded, with "whsec_"`)
}

func TestExplainURL(t *testing.T) {
	t.Parallel()
	const body = "a=b"
	for signed, want := range map[string]string{
		"http://example.com/hook":           "scheme http, host example.com, path /hook",
		"https://example.com/hook/":         "path /hook/",
		"https://internal:8080/hook":        "host internal:8080",
		"https://public.example/hook":       "host public.example",
		"https://example.com/hook?x=secret": "path /hook with a query",
		"https://example.com/other":         "path /other",
	} {
		v, err := webhook.New(webhook.Config{Scheme: webhook.Twilio(), Keys: webhook.Keys(secret), URL: hookURL})
		require.NoError(t, err)
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(signed + "ab"))
		req := post("Content-Type", "application/x-www-form-urlencoded", "X-Twilio-Signature", base64.StdEncoding.EncodeToString(h.Sum(nil)))
		req.Host = "internal:8080"
		req.Header.Set("X-Forwarded-Host", "public.example")
		if strings.Contains(signed, "?") {
			req.URL.RawQuery = "x=secret"
		}
		if strings.HasSuffix(signed, "other") {
			req.URL.Path = "/other"
		}
		x := v.Explain(req, []byte(body))
		require.Contains(t, certain(x), want, signed)
		require.NotContains(t, x.String(), "x=secret")
	}
}

func TestExplainHeaderAndClock(t *testing.T) {
	t.Parallel()
	const body = `{}`
	good := hex.EncodeToString(mac256(body))
	v := verifier(t, webhook.GitHub())
	for want, req := range map[string]*http.Request{
		"there is no X-Hub-Signature-256":                       post(),
		"there is Stripe-Signature, which scheme stripe uses":   post("Stripe-Signature", "t=1"),
		`begins with "sha1="`:                                   post("X-Hub-Signature-256", "sha1=00"),
		`does not begin with "sha256="`:                         post("X-Hub-Signature-256", good),
		"quotes or blanks":                                      post("X-Hub-Signature-256", `"sha256=`+good+`"`),
		"X-Hub-Signature-256 is there under a name that is not": {Header: http.Header{"x-hub-signature-256": {"sha256=" + good}}},
	} {
		x := v.Explain(req, []byte(body))
		require.Error(t, x.Err)
		require.Contains(t, x.String(), want)
	}

	old := time.Now().Add(-412 * time.Second).Unix()
	s, c := preset{scheme: webhook.Slack()}.signer(t)
	slack, err := webhook.New(c)
	require.NoError(t, err)
	req, err := s.Request(hookURL, []byte(body), time.Unix(old, 0))
	require.NoError(t, err)
	x := slack.Explain(req, []byte(body))
	require.ErrorIs(t, x.Err, webhook.ErrTooOld)
	require.Contains(t, certain(x), "clock: the signature is good, but the timestamp is off by 6m5")
}

func TestExplainAt(t *testing.T) {
	t.Parallel()
	const body = `{"a":1}`
	came := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	s, c := preset{scheme: webhook.Slack()}.signer(t)
	v, err := webhook.New(c)
	require.NoError(t, err)
	req, err := s.Request(hookURL, []byte(body), came)
	require.NoError(t, err)

	require.NoError(t, v.ExplainAt(req, []byte(body), came.Add(time.Minute)).Err)
	for at, want := range map[time.Time]error{
		came.Add(time.Hour):  webhook.ErrTooOld,
		came.Add(-time.Hour): webhook.ErrTooNew,
		{}:                   webhook.ErrTooOld, // now
		time.Now():           webhook.ErrTooOld,
	} {
		x := v.ExplainAt(req, []byte(body), at)
		require.ErrorIs(t, x.Err, want)
		require.Contains(t, certain(x), "clock: the signature is good")
	}
	x := v.ExplainAt(req, []byte(body+"\n"), came)
	require.ErrorIs(t, x.Err, webhook.ErrBadSignature)
	require.Contains(t, certain(x), "body: ")
	require.NotContains(t, x.String(), "clock: ")
}

// What Explain says cannot be used to forge anything.
func TestExplainLeaksNothing(t *testing.T) {
	t.Parallel()
	for _, p := range presets() {
		v, req, body := p.signed(t)
		want := req.Header.Clone()
		changed := append([]byte(" "), body...)
		for name := range want {
			if strings.Contains(strings.ToLower(name), "sign") && !strings.Contains(strings.ToLower(name), "time") {
				req.Header.Set(name, "v0=00")
			}
		}
		said := v.Explain(req, changed).String()
		for name, values := range want {
			if strings.Contains(strings.ToLower(name), "sig") && len(values[0]) > 30 {
				require.NotContains(t, said, values[0][10:])
			}
		}
	}
}
