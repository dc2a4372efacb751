package webhook_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// vector is one of testdata/vectors.json. Each says where it comes from.
type vector struct {
	ID, Scheme, Secret, Secret2, Method, URL, Body, Source string

	SecretHex    string            `json:"secret_hex"`
	SecretB64    string            `json:"secret_b64"`
	PublicKey    string            `json:"public_key"`
	PublicKeyHex string            `json:"public_key_hex"`
	PublicKeyDER string            `json:"public_key_spki_b64"`
	BodyField    map[string]string `json:"body_field"`
	Signed       string            `json:"signed_string"`
	Headers      map[string]string
	Params       map[string]string
}

func vectors(tb testing.TB) []vector {
	tb.Helper()
	file, err := os.ReadFile("testdata/vectors.json")
	require.NoError(tb, err)
	var all []vector
	require.NoError(tb, json.Unmarshal(file, &all))
	require.NotEmpty(tb, all)
	return all
}

// request is the request of a vector and its body.
func (v vector) request(tb testing.TB) (*http.Request, []byte) {
	tb.Helper()
	body := []byte(v.Body)
	method := v.Method
	if method == "" {
		method = http.MethodPost
	}
	target := v.URL
	if target == "" {
		target = "https://example.com/hook"
	}
	req, err := http.NewRequest(method, target, nil)
	require.NoError(tb, err)
	for name, value := range v.Headers {
		req.Header.Set(name, value)
	}
	if len(v.Params) > 0 {
		form := url.Values{}
		for name, value := range v.Params {
			form.Set(name, value)
		}
		body = []byte(form.Encode())
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if v.Scheme == "adyen" {
		body = v.adyenBody(tb)
	}
	return req, body
}

func (v vector) adyenBody(tb testing.TB) []byte {
	tb.Helper()
	f := strings.Split(v.Signed, ":")
	require.Len(tb, f, 8)
	body, err := json.Marshal(map[string]any{"live": "false", "notificationItems": []any{map[string]any{
		"NotificationRequestItem": map[string]any{
			"pspReference": f[0], "originalReference": f[1], "merchantAccountCode": f[2], "merchantReference": f[3],
			"amount": map[string]any{"value": json.Number(f[4]), "currency": f[5]}, "eventCode": f[6], "success": f[7],
			"additionalData": map[string]string{"hmacSignature": v.BodyField["additionalData.hmacSignature"]},
		},
	}}})
	require.NoError(tb, err)
	return body
}

// config is what verifies the vector.
func (v vector) config(tb testing.TB) (webhook.Config, bool) {
	tb.Helper()
	schemes := map[string]webhook.Scheme{
		"standard-webhooks": webhook.StandardWebhooks(),
		"github":            webhook.GitHub(),
		"bitbucket":         webhook.Bitbucket(),
		"slack":             webhook.Slack(),
		"twilio":            webhook.Twilio(),
		"square":            webhook.Square(),
		"hubspot-v3":        webhook.HubSpot(),
		"paddle":            webhook.Paddle(),
		"shopify":           webhook.Shopify(),
		"adyen":             webhook.Adyen(),
		"box":               webhook.Box(),
		"sendgrid":          webhook.SendGrid(),
		"stripe":            webhook.Stripe(),
		"discord":           webhook.Discord(),
		"zoom":              webhook.Zoom(),
		"twitch":            webhook.Twitch(),
		"raw-hmac-sha256-hex": {
			Name:     "greenhouse",
			Headers:  []string{"Signature"},
			Versions: []webhook.Version{{Prefix: "sha256 ", Algorithm: webhook.HMACSHA256}},
			Signed:   "{body}",
		},
	}
	s, ok := schemes[v.Scheme]
	// go-github signs with other hashes, and under the older name.
	if s.Name == "github" && v.Headers["X-Hub-Signature-256"] == "" {
		s.Headers = []string{"X-Hub-Signature"}
		s.Versions = []webhook.Version{
			{Prefix: "sha1=", Algorithm: webhook.HMACSHA1},
			{Prefix: "sha256=", Algorithm: webhook.HMACSHA256},
			{Prefix: "sha512=", Algorithm: webhook.HMACSHA512},
		}
	}
	c := webhook.Config{Scheme: s, URL: v.URL, MaxAge: -1, MaxSkew: -1, DangerouslyShortSecrets: true}
	for _, text := range []string{v.Secret, v.Secret2, v.SecretHex, v.SecretB64, v.PublicKey, v.PublicKeyHex, v.PublicKeyDER} {
		if text != "" {
			c.Keys = append(c.Keys, webhook.Keys(text)...)
		}
	}
	return c, ok
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			c, ok := v.config(t)
			if !ok {
				require.Contains(t, []string{"hubspot-v1", "hubspot-v2", "rfc9421-hmac-sha256", "rfc9421-ed25519"}, v.Scheme,
					"HubSpot's are refused on purpose, RFC 9421 has a package of its own")
				return
			}
			verifier, err := webhook.New(c)
			require.NoError(t, err)
			req, body := v.request(t)
			verified, err := verifier.Verify(req, body)
			require.NoError(t, err)
			require.Equal(t, "1", verified.KeyID)

			for i := range body {
				if v.Scheme == "adyen" || len(v.Params) > 0 {
					break // not each byte is signed
				}
				changed := []byte(string(body))
				changed[i] ^= 1
				_, err := verifier.Verify(req, changed)
				require.ErrorIs(t, err, webhook.ErrBadSignature, "byte %d", i)
			}
		})
	}
}
