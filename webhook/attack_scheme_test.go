package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

// Paddle's own Go library refuses the second signature of a rotation.
func TestPaddleRotation(t *testing.T) {
	t.Parallel()
	const ts, body = "1700000000", `{}`
	header := "ts=" + ts + ";h1=" + strings.Repeat("0", 64) + ";h1=" + hex.EncodeToString(mac256(ts+":"+body))
	_, err := verifier(t, webhook.Paddle()).VerifyAt(post("Paddle-Signature", header), []byte(body), now)
	require.NoError(t, err)
}

// Where nothing stands between two pieces of what is signed, nothing can be moved
// from one to the other.
func TestAttackShiftedBoundaries(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString
	timed := webhook.Scheme{
		Name: "ts+body", Headers: []string{"X-Signature"}, Versions: []webhook.Version{{Algorithm: webhook.HMACSHA256}},
		Signed: "{timestamp}{body}", Timestamp: webhook.Field{Header: "X-Timestamp"}, MaxAge: -1, MaxSkew: -1,
	}
	t.Run("timestamp and body", func(t *testing.T) {
		t.Parallel()
		v := verifier(t, timed)
		sum := hex.EncodeToString(mac256("1700000000[1]"))
		_, err := v.Verify(post("X-Timestamp", "1700000000", "X-Signature", sum), []byte("[1]"))
		require.NoError(t, err)
		for _, n := range []int{0, 2, 9, 11} {
			const signed = "1700000000[1]"
			_, err := v.Verify(post("X-Timestamp", signed[:n], "X-Signature", sum), []byte(signed[n:]))
			require.ErrorIs(t, err, webhook.ErrMalformed)
		}
		sum = hex.EncodeToString(mac256("17000000001"))
		_, err = v.Verify(post("X-Timestamp", "17000000001", "X-Signature", sum), nil)
		require.ErrorIs(t, err, webhook.ErrMalformed, "a digit of the body")
	})
	t.Run("body and timestamp", func(t *testing.T) {
		t.Parallel()
		v := verifier(t, webhook.Box())
		const body, ts = "{}2", "023-11-14T22:13:20Z"
		_, err := v.VerifyAt(post("BOX-DELIVERY-TIMESTAMP", ts, "BOX-SIGNATURE-PRIMARY", b64(mac256(body+ts))), []byte(body), now)
		require.ErrorIs(t, err, webhook.ErrMalformed)
	})
	t.Run("id and timestamp", func(t *testing.T) {
		t.Parallel()
		v := verifier(t, webhook.Twitch())
		const ts = "2023-11-14T22:13:20Z"
		sum := "sha256=" + hex.EncodeToString(mac256("id"+ts+"{}"))
		get := func(id, ts, body string) error {
			_, err := v.VerifyAt(post("Twitch-Eventsub-Message-Id", id, "Twitch-Eventsub-Message-Timestamp", ts, "Twitch-Eventsub-Message-Signature", sum), []byte(body), now)
			return err
		}
		require.NoError(t, get("id", ts, "{}"))
		require.ErrorIs(t, get("id2", ts[1:], "{}"), webhook.ErrMalformed)
		require.ErrorIs(t, get("i", "d"+ts, "{}"), webhook.ErrMalformed)
		require.ErrorIs(t, get("id", ts+"{", "}"), webhook.ErrMalformed)
		require.ErrorIs(t, get("id", ts[:len(ts)-1], "Z{}"), webhook.ErrMalformed)
	})
	t.Run("URL and body", func(t *testing.T) {
		t.Parallel()
		v, err := webhook.New(webhook.Config{Scheme: webhook.Square(), Keys: webhook.Keys(secret), URL: "https://example.com"})
		require.NoError(t, err)
		sum := b64(mac256(`https://example.com/hook?a=b[{"x":1}]`))
		get := func(target, body string) error {
			req, err := http.NewRequest(http.MethodPost, "https://example.com"+target, http.NoBody)
			require.NoError(t, err)
			req.RequestURI = target
			req.Header.Set("x-square-hmacsha256-signature", sum)
			_, err = v.Verify(req, []byte(body))
			return err
		}
		require.NoError(t, get("/hook?a=b", `[{"x":1}]`))
		for n := 1; n <= len(`[{"x":1}]`); n++ {
			const body = `[{"x":1}]`
			require.ErrorIs(t, get("/hook?a=b"+body[:n], body[n:]), webhook.ErrMalformed)
		}
	})
	t.Run("method, URL, body and timestamp", func(t *testing.T) {
		t.Parallel()
		v := verifier(t, webhook.HubSpot())
		const ts = "1700000000000"
		sum := b64(mac256("POST" + hookURL + "[]1" + ts))
		_, err := v.VerifyAt(post("X-HubSpot-Request-Timestamp", "1"+ts, "X-HubSpot-Signature-v3", sum), []byte("[]"), now)
		require.ErrorIs(t, err, webhook.ErrMalformed)
		req := post("X-HubSpot-Request-Timestamp", ts, "X-HubSpot-Signature-v3", sum)
		req.Method = "POSThttps"
		_, err = v.VerifyAt(req, []byte("[]1"), now)
		require.Error(t, err)
	})
	t.Run("Adyen's colons", func(t *testing.T) {
		t.Parallel()
		key := hex.EncodeToString([]byte(secret))
		v := verifier(t, webhook.Adyen(), key)
		item := func(f ...string) []byte {
			return fmt.Appendf(nil, `{"notificationItems":[{"NotificationRequestItem":{"pspReference":%q,"originalReference":%q,"merchantAccountCode":%q,`+
				`"merchantReference":%q,"amount":{"value":%s,"currency":%q},"eventCode":%q,"success":%q,"additionalData":{"hmacSignature":%q}}}]}`,
				f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], b64(mac256("psp:orig:acct:ref:a:1000:EUR:AUTH:true")))
		}
		_, err := v.Verify(post(), item("psp", "orig", "acct", "ref:a", "1000", "EUR", "AUTH", "true"))
		require.NoError(t, err, "a colon in the merchant's reference")
		for _, f := range [][]string{
			{"psp:orig", "acct", "ref", "a", "1000", "EUR", "AUTH", "true"},
			{"psp", "orig:acct", "ref", "a", "1000", "EUR", "AUTH", "true"},
			{"psp", "orig", "acct:ref", "a", "1000", "EUR", "AUTH", "true"},
		} {
			_, err := v.Verify(post(), item(f...))
			require.ErrorIs(t, err, webhook.ErrMalformed)
		}
	})
	t.Run("Twilio's parameters", func(t *testing.T) {
		t.Parallel()
		// The scheme itself cannot tell these apart, which its doc says.
		v := verifier(t, webhook.Twilio())
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(hookURL + "abc"))
		for _, body := range []string{"a=bc", "ab=c"} {
			_, err := v.Verify(post("Content-Type", "application/x-www-form-urlencoded", "X-Twilio-Signature", b64(h.Sum(nil))), []byte(body))
			require.NoError(t, err)
		}
	})
}

// An older way of signing that can be extended is not even looked at.
func TestAttackHubSpotOlderVersions(t *testing.T) {
	t.Parallel()
	for _, vec := range vectors(t) {
		if vec.Scheme != "hubspot-v1" && vec.Scheme != "hubspot-v2" {
			continue
		}
		v, err := webhook.New(webhook.Config{Scheme: webhook.HubSpot(), Keys: webhook.Keys(vec.Secret), URL: "https://www.example.com/webhook_uri", MaxAge: -1, MaxSkew: -1})
		require.NoError(t, err)
		req, body := vec.request(t)
		_, err = v.Verify(req, body)
		require.ErrorIs(t, err, webhook.ErrNoSignature)
	}
}

// Square's own library accepts anything with an empty body.
func TestAttackEmptyBody(t *testing.T) {
	t.Parallel()
	for _, p := range presets() {
		v, req, _ := p.signed(t)
		if !p.signedBody {
			continue
		}
		_, err := v.Verify(req, nil)
		require.Error(t, err, p.scheme.Name)
	}
}

// The body that is verified is the whole body (PagerDuty's own library cuts it).
func TestAttackTruncatedBody(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("a"), 2<<20)
	v := verifier(t, webhook.PagerDuty())
	req := post("X-PagerDuty-Signature", "v1="+hex.EncodeToString(mac256(string(body))))
	_, err := v.Verify(req, body)
	require.NoError(t, err)
	_, err = v.Verify(req, append(body, "more"...))
	require.ErrorIs(t, err, webhook.ErrBadSignature)
}

func TestAttackUnsignedID(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.GitHub())
	const body = `{}`
	req := post("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac256(body)), "X-GitHub-Delivery", "1")
	first, err := v.Verify(req, []byte(body))
	require.NoError(t, err)
	req.Header.Set("X-GitHub-Delivery", "2")
	second, err := v.Verify(req, []byte(body))
	require.NoError(t, err)
	require.NotEqual(t, first.ID(), second.ID())
	require.False(t, second.IDSigned, "so that nobody takes it for a defence")
	require.Equal(t, first.Fingerprint(), second.Fingerprint(), "which cannot be changed")
	require.Equal(t, sha256.Sum256([]byte(body)), first.Fingerprint())
}

// A token of Mailgun with another event beside it has the same fingerprint.
func TestAttackMailgunTokenReuse(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.Mailgun())
	body := func(id string) []byte {
		return fmt.Appendf(nil, `{"signature":{"timestamp":"1700000000","token":"tok","signature":%q},"event-data":{"id":%q}}`,
			hex.EncodeToString(mac256("1700000000tok")), id)
	}
	first, err := v.VerifyAt(post(), body("a"), now)
	require.NoError(t, err)
	second, err := v.VerifyAt(post(), body("b"), now)
	require.NoError(t, err)
	require.False(t, second.BodySigned)
	require.NotEqual(t, first.ID(), second.ID())
	require.Equal(t, first.Fingerprint(), second.Fingerprint())

	for _, bad := range []string{``, `{`, `[]`, `null`, `{"signature":1}`, `{"signature":{"timestamp":"1700000000","token":"tok","signature":"00"},"signature":{}}`} {
		_, err := v.VerifyAt(post(), []byte(bad), now)
		require.Error(t, err, bad)
	}
}

func TestAttackRetriedDeliveryKeepsItsID(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.Box())
	const body, ts = `{"id":"evt"}`, "2023-11-14T22:13:20Z"
	for _, delivery := range []string{"1", "2"} {
		verified, err := v.VerifyAt(post("BOX-DELIVERY-ID", delivery, "BOX-DELIVERY-TIMESTAMP", ts,
			"BOX-SIGNATURE-PRIMARY", base64.StdEncoding.EncodeToString(mac256(body+ts))), []byte(body), now)
		require.NoError(t, err)
		require.Equal(t, "evt", verified.ID())
	}
	for name, value := range map[string]string{"BOX-SIGNATURE-VERSION": "2", "BOX-SIGNATURE-ALGORITHM": "HmacSHA1"} {
		_, err := v.VerifyAt(post(name, value, "BOX-DELIVERY-TIMESTAMP", ts,
			"BOX-SIGNATURE-PRIMARY", base64.StdEncoding.EncodeToString(mac256(body+ts))), []byte(body), now)
		require.ErrorIs(t, err, webhook.ErrMalformed)
	}
}

func TestAttackTimestampsInRFC3339(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.Zendesk())
	for ts, want := range map[string]error{
		"2023-11-14T22:13:20Z":                      nil,
		"2023-11-14T22:13:20.123456789Z":            nil,
		"2023-11-14T23:13:20+01:00":                 nil,
		"2023-11-14T22:13:60Z":                      webhook.ErrMalformed, // a leap second, which Go has not
		"2023-11-14T22:13:20,5Z":                    webhook.ErrMalformed,
		"2023-11-14T2:13:20Z":                       webhook.ErrMalformed,
		"2023-11-14 22:13:20Z":                      webhook.ErrMalformed,
		"2023-11-14T22:13:20":                       webhook.ErrMalformed,
		"2023-11-14T22:13:20+25:00":                 webhook.ErrMalformed,
		"2023-02-30T22:13:20Z":                      webhook.ErrMalformed,
		"2023-11-14T22:13:20.12345678901234567890Z": webhook.ErrMalformed,
		"1700000000":                                webhook.ErrMalformed,
		"9999-12-31T23:59:59Z":                      webhook.ErrTooNew,
		"0001-01-01T00:00:00Z":                      webhook.ErrTooOld,
	} {
		sum := base64.StdEncoding.EncodeToString(mac256(ts + "{}"))
		_, err := v.VerifyAt(post("X-Zendesk-Webhook-Signature", sum, "X-Zendesk-Webhook-Signature-Timestamp", ts), []byte("{}"), now)
		require.ErrorIs(t, err, want, ts)
	}
}

func TestAttackJSON(t *testing.T) {
	t.Parallel()
	const good = `{"action":"a","webhookTimestamp":1700000000000}`
	v := verifier(t, webhook.Linear())
	for body, want := range map[string]error{
		good: nil,
		`{"webhookTimestamp":1,"webhookTimestamp":1700000000000}`:            webhook.ErrMalformed,
		`{"webhookTimestamp":1,"\u0077ebhookTimestamp":1700000000000}`:       webhook.ErrMalformed,
		`{"nested":{"webhookTimestamp":1},"webhookTimestamp":1700000000000}`: nil,
		`{"webhookTimestamp":1.7e12}`:                                        webhook.ErrMalformed,
		`{"webhookTimestamp":null}`:                                          webhook.ErrMalformed,
		`{"webhookTimestamp":[1700000000000]}`:                               webhook.ErrMalformed,
		`{"webhookTimestamp":1` + strings.Repeat("0", 400) + `}`:             webhook.ErrMalformed,
		good + `{}`:                    webhook.ErrMalformed,
		"\ufeff" + good:                webhook.ErrMalformed,
		strings.Repeat("[", 1<<20):     webhook.ErrMalformed,
		strings.Repeat(`{"a":`, 1<<18): webhook.ErrMalformed,
		`{}`:                           webhook.ErrMalformed,
		``:                             webhook.ErrMalformed,
		`{"a":"\ud83d","webhookTimestamp":1700000000000}`:     nil, // a lone surrogate elsewhere
		"{\"a\":\"\xff\",\"webhookTimestamp\":1700000000000}": nil,
	} {
		_, err := v.VerifyAt(post("Linear-Signature", hex.EncodeToString(mac256(body))), []byte(body), now)
		require.ErrorIs(t, err, want, "%.60q", body)
	}
	// The header's timestamp is not signed, and does not count.
	stale := `{"webhookTimestamp":1600000000000}`
	_, err := v.VerifyAt(post("Linear-Signature", hex.EncodeToString(mac256(stale)), "Linear-Timestamp", "1700000000000"), []byte(stale), now)
	require.ErrorIs(t, err, webhook.ErrTooOld)
}
