package webhook_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func TestHandshakeByPost(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		scheme      webhook.Scheme
		header      map[string]string
		body        string
		status      int
		contentType string
		answer      string
	}{
		"Slack":            {webhook.Slack(), nil, `{"type":"url_verification","challenge":"3eZbrw1aB"}`, 200, "text/plain; charset=utf-8", "3eZbrw1aB"},
		"Slack, an event":  {webhook.Slack(), nil, `{"type":"event_callback","challenge":"x"}`, 200, "", ""},
		"Slack, a page":    {webhook.Slack(), nil, `{"type":"url_verification","challenge":"<script>"}`, 200, "", ""},
		"Slack, twice":     {webhook.Slack(), nil, `{"type":"url_verification","challenge":"a","challenge":"b"}`, 200, "", ""},
		"Discord":          {webhook.Discord(), nil, `{"type":1,"version":1}`, 200, "application/json", `{"type":1}`},
		"Discord, events":  {webhook.Discord(), nil, `{"version":1,"type":0}`, 204, "", ""},
		"Discord, a event": {webhook.Discord(), nil, `{"version":1,"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}`, 204, "", ""},
		"Twitch":           {webhook.Twitch(), map[string]string{"Twitch-Eventsub-Message-Type": "webhook_callback_verification"}, `{"challenge":"pogchamp-kappa-360noscope-vohiyo"}`, 200, "text/plain; charset=utf-8", "pogchamp-kappa-360noscope-vohiyo"},
		"Twitch, revoked":  {webhook.Twitch(), map[string]string{"Twitch-Eventsub-Message-Type": "revocation"}, `{"challenge":"x"}`, 204, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := preset{scheme: test.scheme}
			s, c := p.signer(t)
			v, err := webhook.New(c)
			require.NoError(t, err)
			req, err := s.Request(hookURL, []byte(test.body), time.Now())
			require.NoError(t, err)
			for name, value := range test.header {
				req.Header.Set(name, value)
			}
			r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v})
			require.NoError(t, err)
			w := serve(r.Handler(ok), req.Clone(t.Context()))
			require.Equal(t, test.status, w.Code)
			require.Equal(t, test.contentType, w.Header().Get("Content-Type"))
			require.Equal(t, test.answer, w.Body.String())
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))

			req.Body, _ = req.GetBody()
			for _, name := range test.scheme.Headers {
				req.Header.Set(name, "v0=00")
			}
			w = serve(r.Handler(ok), req)
			require.Equal(t, 401, w.Code, "a challenge without a good signature")
			require.Equal(t, "refused\n", w.Body.String())
		})
	}
}

func TestHandshakeOfZoom(t *testing.T) {
	t.Parallel()
	old, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Zoom(), Secret: secret})
	require.NoError(t, err)
	v := verifier(t, webhook.Zoom(), "another-secret-that-is-newer", secret)
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v})
	require.NoError(t, err)
	req, err := old.Request(hookURL, []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}`), time.Now())
	require.NoError(t, err)
	w := serve(r.Handler(ok), req)
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"`+hex.EncodeToString(mac256("qgg8vlvZRS6UYooatFL8Aw"))+`"}`, w.Body.String(),
		"with the secret that the request was signed with")
}

func TestHandshakeByGet(t *testing.T) {
	t.Parallel()
	get := func(s webhook.Scheme, query url.Values, token string) *httptest.ResponseRecorder {
		r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier(t, s), VerifyToken: webhook.NewSecret(token)})
		require.NoError(t, err)
		return serve(r.Handler(ok), httptest.NewRequest(http.MethodGet, hookURL+"?"+query.Encode(), nil))
	}
	meta := func(mode, token, challenge string) url.Values {
		return url.Values{"hub.mode": {mode}, "hub.verify_token": {token}, "hub.challenge": {challenge}}
	}
	for what, test := range map[string]struct {
		scheme webhook.Scheme
		query  url.Values
		token  string
		status int
		answer string
	}{
		"Dropbox":                    {webhook.Dropbox(), url.Values{"challenge": {"abc-1_2"}}, "", 200, "abc-1_2"},
		"Dropbox, a page":            {webhook.Dropbox(), url.Values{"challenge": {"<script>alert(1)</script>"}}, "", 401, "refused\n"},
		"Dropbox, line break":        {webhook.Dropbox(), url.Values{"challenge": {"a\r\nb"}}, "", 401, "refused\n"},
		"Dropbox, too long":          {webhook.Dropbox(), url.Values{"challenge": {strings.Repeat("a", 1000)}}, "", 401, "refused\n"},
		"Dropbox, nothing":           {webhook.Dropbox(), nil, "", 401, "refused\n"},
		"Dropbox, twice":             {webhook.Dropbox(), url.Values{"challenge": {"a", "b"}}, "", 401, "refused\n"},
		"Meta":                       {webhook.Meta(), meta("subscribe", "tok", "1158201444"), "tok", 200, "1158201444"},
		"Meta, another token":        {webhook.Meta(), meta("subscribe", "tik", "1158201444"), "tok", 401, "refused\n"},
		"Meta, no token":             {webhook.Meta(), meta("subscribe", "", "1158201444"), "", 401, "refused\n"},
		"Meta, another mode":         {webhook.Meta(), meta("unsubscribe", "tok", "1158201444"), "tok", 401, "refused\n"},
		"Meta, a page":               {webhook.Meta(), meta("subscribe", "tok", "<b>"), "tok", 401, "refused\n"},
		"X":                          {webhook.X(), url.Values{"crc_token": {"foo"}}, "", 200, `{"response_token":"sha256=` + base64.StdEncoding.EncodeToString(mac256("foo")) + `"}`},
		"X, no token":                {webhook.X(), nil, "", 401, "refused\n"},
		"a scheme without handshake": {webhook.GitHub(), nil, "", 405, "refused\n"},
	} {
		w := get(test.scheme, test.query, test.token)
		require.Equal(t, test.status, w.Code, what)
		require.Equal(t, test.answer, w.Body.String(), what)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
	require.Equal(t, "text/plain; charset=utf-8", get(webhook.Dropbox(), url.Values{"challenge": {"a"}}, "").Header().Get("Content-Type"))

	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier(t, webhook.X())})
	require.NoError(t, err)
	w := serve(r.Handler(ok), httptest.NewRequest(http.MethodPut, hookURL, nil))
	require.Equal(t, "POST, GET", w.Header().Get("Allow"))
}

// X asks us to sign its token with the secret that signs events. Whoever could
// choose the token could have any event signed.
func TestAttackXSignsForStrangers(t *testing.T) {
	t.Parallel()
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier(t, webhook.X())})
	require.NoError(t, err)
	for _, body := range []string{`{"for_user_id":"1"}`, `{}`, `[]`, `"x"`, " {}", "\ufeff{}"} {
		w := serve(r.Handler(ok), httptest.NewRequest(http.MethodGet, hookURL+"?crc_token="+url.QueryEscape(body), nil))
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.NotContains(t, w.Body.String(), base64.StdEncoding.EncodeToString(mac256(body)))
	}
}

// What we have signed for a stranger is not taken for an event.
func TestAttackXTokenAsEvent(t *testing.T) {
	t.Parallel()
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: verifier(t, webhook.X())})
	require.NoError(t, err)
	for _, token := range []string{"abc", "1", "true", "-1.5", "null", strings.Repeat("a", 512)} {
		w := serve(r.Handler(ok), httptest.NewRequest(http.MethodGet, hookURL+"?crc_token="+token, nil))
		require.Equal(t, http.StatusOK, w.Code)
		var answer struct {
			Token string `json:"response_token"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		event := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader(token))
		event.Header.Set("X-Twitter-Webhooks-Signature", answer.Token)
		require.Equal(t, http.StatusUnauthorized, serve(r.Handler(ok), event).Code, token)
	}
	event := httptest.NewRequest(http.MethodPost, hookURL, strings.NewReader("{}"))
	event.Header.Set("X-Twitter-Webhooks-Signature", "sha256="+base64.StdEncoding.EncodeToString(mac256("{}")))
	require.Equal(t, http.StatusNoContent, serve(r.Handler(ok), event).Code)
}

// Discord tests endpoints with bad signatures, and turns off those that do not
// answer with 401.
func TestDiscordProbe(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Discord(), Private: private})
	require.NoError(t, err)
	v, err := webhook.New(webhook.Config{Scheme: webhook.Discord(), Keys: []webhook.Key{s.Key()}})
	require.NoError(t, err)
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v})
	require.NoError(t, err)
	for _, change := range []func(http.Header){
		func(h http.Header) { h.Set("X-Signature-Ed25519", strings.Repeat("0", 128)) },
		func(h http.Header) { h.Set("X-Signature-Ed25519", "not hex") },
		func(h http.Header) { h.Del("X-Signature-Ed25519") },
		func(h http.Header) { h.Set("X-Signature-Timestamp", "1") },
		func(h http.Header) { h.Set("X-Signature-Timestamp", "x") },
		func(h http.Header) { h.Del("X-Signature-Timestamp") },
	} {
		req, err := s.Request(hookURL, []byte(`{"type":1}`), time.Now())
		require.NoError(t, err)
		change(req.Header)
		require.Equal(t, http.StatusUnauthorized, serve(r.Handler(ok), req).Code)
	}
}
