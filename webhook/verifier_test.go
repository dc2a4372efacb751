package webhook_test

import (
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	keys := webhook.Keys(secret)
	raw := func(change func(*webhook.Scheme)) webhook.Scheme {
		s := webhook.Scheme{
			Name: "acme", Headers: []string{"X-Signature"}, Signed: "{body}",
			Versions: []webhook.Version{{Algorithm: webhook.HMACSHA256}},
		}
		change(&s)
		return s
	}
	for want, c := range map[string]webhook.Config{
		"Scheme.Name is empty":                 {Keys: keys},
		"Config.Keys or Config.KeysFor":        {Scheme: webhook.GitHub()},
		"Config.Keys[1]: is empty":             {Scheme: webhook.GitHub(), Keys: webhook.Keys(secret, "")},
		"Config.Keys[1].ID is that of another": {Scheme: webhook.GitHub(), Keys: []webhook.Key{{ID: "a", Secret: keys[0].Secret}, {ID: "a", Secret: keys[0].Secret}}},
		"Config.URL is empty":                  {Scheme: webhook.Square(), Keys: keys},
		"Config.URL is set":                    {Scheme: webhook.GitHub(), Keys: keys, URL: hookURL},
		"Config.URL must begin with":           {Scheme: webhook.Square(), Keys: keys, URL: "example.com/hook"},
		"Config.URL must have no user":         {Scheme: webhook.Square(), Keys: keys, URL: "https://a:b@example.com"},
		"Config.URL must have no fragment":     {Scheme: webhook.Square(), Keys: keys, URL: "https://example.com/#a"},
		"Config.MaxSignatures is 101":          {Scheme: webhook.GitHub(), Keys: keys, MaxSignatures: 101},
		"Headers or SignatureJSON must be set": {Scheme: raw(func(s *webhook.Scheme) { s.Headers = nil }), Keys: keys},
		"Headers has":                          {Scheme: raw(func(s *webhook.Scheme) { s.Headers = []string{"#"} }), Keys: keys},
		"Scheme.Separator":                     {Scheme: raw(func(s *webhook.Scheme) { s.Separator = "|" }), Keys: keys},
		"Scheme.Versions is empty":             {Scheme: raw(func(s *webhook.Scheme) { s.Versions = nil }), Keys: keys},
		"Versions[0].Algorithm does not exist": {Scheme: raw(func(s *webhook.Scheme) { s.Versions[0].Algorithm = 99 }), Keys: keys},
		"told apart by it":                     {Scheme: raw(func(s *webhook.Scheme) { s.Versions = append(s.Versions, s.Versions[0]) }), Keys: keys},
		"has a Token beside others": {Scheme: raw(func(s *webhook.Scheme) {
			s.Versions = append(s.Versions, webhook.Version{Prefix: "t", Algorithm: webhook.Token})
		}), Keys: keys},
		"Signed must be set":                     {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "" }), Keys: keys},
		"Scheme.Signed has the piece {what}":     {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "{what}" }), Keys: keys},
		"Scheme.Signed has a { without":          {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "{body" }), Keys: keys},
		"Scheme.Signed has a } without":          {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "body}" }), Keys: keys},
		"several {any:":                          {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "{any:a}:{any:b}" }), Keys: keys},
		"Timestamp must be set":                  {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "{timestamp}{body}" }), Keys: keys},
		"ID.Header must be set":                  {Scheme: raw(func(s *webhook.Scheme) { s.Signed = "{id}.{body}" }), Keys: keys},
		"Timestamp names several places":         {Scheme: raw(func(s *webhook.Scheme) { s.Timestamp = webhook.Field{Header: "a", JSON: "b"} }), Keys: keys},
		"it would not be signed":                 {Scheme: raw(func(s *webhook.Scheme) { s.Timestamp = webhook.Field{Item: "t="} }), Keys: keys},
		"ID.Item is set":                         {Scheme: raw(func(s *webhook.Scheme) { s.ID = webhook.Field{Item: "i="} }), Keys: keys},
		"Type.JSON is no path":                   {Scheme: raw(func(s *webhook.Scheme) { s.Type = webhook.Field{JSON: "a..b"} }), Keys: keys},
		"Batch.Signed needs":                     {Scheme: raw(func(s *webhook.Scheme) { s.Batch = &webhook.Batch{Signed: true} }), Keys: keys},
		"Ack.Status is 302":                      {Scheme: raw(func(s *webhook.Scheme) { s.Ack.Status = 302 }), Keys: keys},
		"has the piece {the webhook ID}":         {Scheme: webhook.PayPal(""), Keys: keys},
		"is of no kind that scheme discord uses": {Scheme: webhook.Discord(), Keys: []webhook.Key{{Public: testRSA(t)}}},
		"has both a Secret and a Public key":     {Scheme: webhook.Discord(), Keys: []webhook.Key{{Public: testRSA(t), Secret: keys[0].Secret}}},
		"a string cannot verify":                 {Scheme: webhook.Discord(), Keys: []webhook.Key{{Public: "x"}}},
		"an RSA key must have 2048":              {Scheme: webhook.Wise(), Keys: []webhook.Key{{Public: &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}}},
		"Scheme.Verify is set beside":            {Scheme: webhook.Scheme{Name: "f", Verify: accept, Signed: "{body}"}},
		"Scheme.Verify has keys of its own":      {Scheme: webhook.Scheme{Name: "f", Verify: accept}, Keys: keys},
	} {
		_, err := webhook.New(c)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "webhook: ")
		require.NotContains(t, err.Error(), secret)
	}
	_, err := webhook.New(webhook.Config{MaxSignatures: -1, Scheme: webhook.Scheme{MaxBody: -1}})
	require.Greater(t, len(strings.Split(err.Error(), "\n")), 4, "one for each wrong field")
}

func accept(*http.Request, []byte, time.Time) (webhook.Verified, error) {
	return webhook.Verified{Scheme: "f"}.WithID("id", true), nil
}

// The seam for schemes of another form.
func TestSchemeVerify(t *testing.T) {
	t.Parallel()
	refuse := errors.New("refuse")
	v, err := webhook.New(webhook.Config{Scheme: webhook.Scheme{
		Name: "own",
		Verify: func(req *http.Request, body []byte, at time.Time) (webhook.Verified, error) {
			if req.Header.Get("X") != string(body) || at.IsZero() {
				return webhook.Verified{}, refuse
			}
			return webhook.Verified{Scheme: "own"}.WithID("7", true), nil
		},
		Batch: &webhook.Batch{ID: "n"},
	}})
	require.NoError(t, err)
	_, err = v.Verify(post("X", "b"), []byte("a"))
	require.ErrorIs(t, err, refuse)
	verified, err := v.Verify(post("X", "a"), []byte("a"))
	require.NoError(t, err)
	require.Equal(t, "7", verified.ID())
	require.True(t, verified.IDSigned)
	require.ErrorIs(t, v.Explain(post(), []byte("a")).Err, refuse)

	req := post("X", `[{"n":1},{"n":2}]`)
	req.Body, req.ContentLength = newReader([]byte(`[{"n":1},{"n":2}]`)), -1
	events := receive(t, webhook.ReceiverConfig{Verifier: v, DangerouslyAllowHTTP: true}, req)
	require.Len(t, events, 2)
	require.Equal(t, "2", events[1].ID)
}

func TestAnyOf(t *testing.T) {
	t.Parallel()
	v := webhook.AnyOf(verifier(t, webhook.GitLab(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), verifier(t, webhook.GitLabToken()))
	verified, err := v.Verify(post("X-Gitlab-Token", secret), []byte("{}"))
	require.NoError(t, err)
	require.Equal(t, "gitlab-token", verified.Scheme)
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.GitLab(), Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
	require.NoError(t, err)
	req, err := s.Request(hookURL, []byte("{}"), now)
	require.NoError(t, err)
	verified, err = v.VerifyAt(req, []byte("{}"), now)
	require.NoError(t, err)
	require.Equal(t, "gitlab", verified.Scheme)
	_, err = v.Verify(post("X-Gitlab-Token", "x"), []byte("{}"))
	require.ErrorIs(t, err, webhook.ErrBadSignature, "it fails closed")
	require.Equal(t, "gitlab", v.Scheme())
}

// v1 and v1a in one request, and one key of each kind.
func TestStandardWebhooksBothVersions(t *testing.T) {
	t.Parallel()
	for version := range 2 {
		s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks(), Version: version})
		require.NoError(t, err)
		other, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks(), Version: 1 - version})
		require.NoError(t, err)
		v, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: []webhook.Key{other.Key(), s.Key()}})
		require.NoError(t, err)
		req, err := s.Request(hookURL, []byte("{}"), now)
		require.NoError(t, err)
		verified, err := v.VerifyAt(req, []byte("{}"), now)
		require.NoError(t, err)
		require.Equal(t, "2", verified.KeyID)
		require.Equal(t, version == 1, strings.HasPrefix(req.Header.Get("webhook-signature"), "v1a,"))
	}
}

func TestDocuSignNumberedHeaders(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.DocuSign())
	req := post()
	for i := range 100 {
		req.Header.Set("X-DocuSign-Signature-"+itoa(i+1), "AAAA")
	}
	_, err := v.Verify(req, []byte("{}"))
	require.ErrorIs(t, err, webhook.ErrBadSignature)
	req.Header.Set("X-DocuSign-Signature-100", b64(mac256("{}")))
	_, err = v.Verify(req, []byte("{}"))
	require.NoError(t, err)
	req.Header.Del("X-DocuSign-Signature-100")
	req.Header.Set("X-DocuSign-Signature-101", b64(mac256("{}")))
	_, err = v.Verify(req, []byte("{}"))
	require.Error(t, err)
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	const body = `{"a":1}`
	for what, test := range map[string]struct {
		config, target, signed string
		ok                     bool
	}{
		"whole":                           {"https://x.test/hook", "/internal", "https://x.test/hook", true},
		"whole, with a query":             {"https://x.test/hook?a=b", "/hook?a=b", "https://x.test/hook?a=b", true},
		"a proxy removed the query":       {"https://x.test/hook?a=b", "/hook", "https://x.test/hook?a=b", true},
		"another query":                   {"https://x.test/hook?a=b", "/hook?a=c", "https://x.test/hook?a=c", false},
		"a query where there is none":     {"https://x.test/hook", "/hook?a=c", "https://x.test/hook?a=c", false},
		"origin only":                     {"https://x.test", "/any/where?a=b%20c", "https://x.test/any/where?a=b%20c", true},
		"origin only, another path":       {"https://x.test", "/any", "https://x.test/where", false},
		"a host of the request":           {"https://x.test/hook", "/hook", "https://internal/hook", false},
		"with its default port":           {"https://x.test:443/hook", "/hook", "https://x.test:443/hook", true},
		"without the port of Config.URL":  {"https://x.test:443/hook", "/hook", "https://x.test/hook", false},
		"a slash more than in Config.URL": {"https://x.test/hook", "/hook", "https://x.test/hook/", false},
	} {
		v, err := webhook.New(webhook.Config{Scheme: webhook.Square(), Keys: webhook.Keys(secret), URL: test.config})
		require.NoError(t, err)
		req, err := http.NewRequest(http.MethodPost, "http://internal"+test.target, http.NoBody)
		require.NoError(t, err)
		req.RequestURI = test.target
		req.Header.Set("x-square-hmacsha256-signature", b64(mac256(test.signed+body)))
		_, err = v.Verify(req, []byte(body))
		require.Equal(t, test.ok, err == nil, "%s: %v", what, err)
	}
}

func TestTwilioURLs(t *testing.T) {
	t.Parallel()
	const form = "b=2&a=1&a=0&a=1&c="
	for what, test := range map[string]struct {
		config, target, media, body, signed string
		ok                                  bool
	}{
		"form":                     {"https://x.test/t", "/t", "application/x-www-form-urlencoded", form, "https://x.test/ta0a1b2c", true},
		"form with a charset":      {"https://x.test/t", "/t", "application/x-www-form-urlencoded; charset=UTF-8", form, "https://x.test/ta0a1b2c", true},
		"default port spelt out":   {"https://x.test/t", "/t", "application/x-www-form-urlencoded", form, "https://x.test:443/ta0a1b2c", true},
		"plain HTTP's":             {"http://x.test/t", "/t", "application/x-www-form-urlencoded", form, "http://x.test:80/ta0a1b2c", true},
		"port left out":            {"https://x.test:8443/t", "/t", "application/x-www-form-urlencoded", form, "https://x.test/ta0a1b2c", true},
		"port kept":                {"https://x.test:8443/t", "/t", "application/x-www-form-urlencoded", form, "https://x.test:8443/ta0a1b2c", true},
		"IPv6":                     {"https://[2001:db8::1]:8443/t", "/t", "application/x-www-form-urlencoded", form, "https://[2001:db8::1]/ta0a1b2c", true},
		"another port":             {"https://x.test/t", "/t", "application/x-www-form-urlencoded", form, "https://x.test:8443/ta0a1b2c", false},
		"empty":                    {"https://x.test/t", "/t", "", "", "https://x.test/t", true},
		"JSON without its hash":    {"https://x.test/t", "/t", "application/json", "{}", "https://x.test/t", false},
		"JSON":                     {"https://x.test/t", "/t?bodySHA256=" + sha("{}"), "application/json", "{}", "https://x.test/t?bodySHA256=" + sha("{}"), true},
		"JSON after another query": {"https://x.test/t?a=b", "/t?a=b&bodySHA256=" + sha("{}"), "application/json", "{}", "https://x.test/t?a=b&bodySHA256=" + sha("{}"), true},
		"JSON, another body":       {"https://x.test/t", "/t?bodySHA256=" + sha("{}"), "application/json", "[]", "https://x.test/t?bodySHA256=" + sha("{}"), false},
		"JSON, as a form":          {"https://x.test/t", "/t?bodySHA256=" + sha("{}"), "application/x-www-form-urlencoded", "", "https://x.test/t?bodySHA256=" + sha("{}"), false},
		"a form as JSON":           {"https://x.test/t", "/t", "application/json", form, "https://x.test/ta0a1b2c", false},
		"a form that is none":      {"https://x.test/t", "/t", "application/x-www-form-urlencoded", "%zz", "https://x.test/t", false},
	} {
		v, err := webhook.New(webhook.Config{Scheme: webhook.Twilio(), Keys: webhook.Keys(secret), URL: test.config})
		require.NoError(t, err)
		req, err := http.NewRequest(http.MethodPost, "http://internal"+test.target, http.NoBody)
		require.NoError(t, err)
		req.RequestURI = test.target
		req.Header.Set("Content-Type", test.media)
		req.Header.Set("X-Twilio-Signature", b64(sha1MAC(test.signed)))
		_, err = v.Verify(req, []byte(test.body))
		require.Equal(t, test.ok, err == nil, "%s: %v", what, err)
	}
}

// HubSpot decodes some escapes of the URL before it signs.
func TestHubSpotURL(t *testing.T) {
	t.Parallel()
	v, err := webhook.New(webhook.Config{Scheme: webhook.HubSpot(), Keys: webhook.Keys(secret), URL: "https://x.test"})
	require.NoError(t, err)
	for signed, ok := range map[string]bool{
		"/h?a=%40%20%2F": true,
		"/h?a=@%20/":     true,
		"/h?a=@ /":       false,
	} {
		req := post("X-HubSpot-Request-Timestamp", "1700000000000", "X-HubSpot-Signature-v3", b64(mac256("POSThttps://x.test"+signed+"[]1700000000000")))
		req.RequestURI = "/h?a=%40%20%2F"
		_, err := v.VerifyAt(req, []byte("[]"), now)
		require.Equal(t, ok, err == nil, signed)
	}
}

func TestVerifierConcurrently(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.GitHub(), "another-secret-of-mine", secret)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for n := range 200 {
				body := itoa(i) + "/" + itoa(n)
				req := post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(body)))
				if _, err := v.Verify(req, []byte(body)); err != nil {
					t.Error(err)
				}
				if _, err := v.Verify(req, []byte(body+"x")); err == nil {
					t.Error("accepted")
				}
			}
		})
	}
	group.Wait()
}

// Time goes on between two requests, however close they are.
func TestVerifierClock(t *testing.T) {
	t.Parallel()
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe(), Secret: secret})
	require.NoError(t, err)
	v := verifier(t, webhook.Stripe())
	run := func(t *testing.T) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			req, err := s.Request(hookURL, []byte("{}"), time.Now())
			require.NoError(t, err)
			verify := func() error {
				_, err := v.Verify(req, []byte("{}"))
				return err
			}
			require.NoError(t, verify())
			time.Sleep(webhook.DefaultMaxAge - 20*time.Millisecond)
			require.NoError(t, verify())
			time.Sleep(20 * time.Millisecond)
			require.NoError(t, verify())
			time.Sleep(time.Nanosecond)
			require.ErrorIs(t, verify(), webhook.ErrTooOld)
			time.Sleep(time.Hour)
			require.ErrorIs(t, verify(), webhook.ErrTooOld)
		})
	}
	run(t)
	// A time so far away that no Duration comes there.
	far, err := s.Request(hookURL, []byte("{}"), time.Unix(999_999_999_999, 0))
	require.NoError(t, err)
	_, err = v.Verify(far, []byte("{}"))
	require.ErrorIs(t, err, webhook.ErrTooNew)
	// The same verifier under the clock of the system, and again in a bubble.
	req, err := s.Request(hookURL, []byte("{}"), time.Now())
	require.NoError(t, err)
	_, err = v.Verify(req, []byte("{}"))
	require.NoError(t, err)
	run(t)
}
