package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// FuzzPresets gives each preset a signature, a timestamp, an ID and a body that
// it did not sign: none of them panics, and none accepts.
func FuzzPresets(f *testing.F) {
	type target struct {
		v      *webhook.Verifier
		scheme webhook.Scheme
	}
	var targets []target
	for _, p := range presets() {
		_, c := p.signer(f)
		v, err := webhook.New(c)
		require.NoError(f, err)
		targets = append(targets, target{v, p.scheme})
	}
	f.Add("sha256=00", "1700000000", "msg", []byte(`{}`))
	f.Add("t=1700000000,v1=00", "1700000000000", "", []byte(`[]`))
	f.Add("v1,AAAA v1a,AAAA", "2023-11-14T22:13:20Z", ".", []byte("a=b"))
	f.Add("x", "", "\x00", []byte(adyenBody))
	f.Add(";,= ", "-1", "é", []byte(`{"signature":{"timestamp":"1","token":"","signature":"00"}}`))
	f.Fuzz(func(t *testing.T, signature, timestamp, id string, body []byte) {
		for _, target := range targets {
			req := post("Content-Type", "application/x-www-form-urlencoded")
			family := ""
			if len(target.scheme.Families) > 0 {
				family = target.scheme.Families[0]
			}
			for _, name := range target.scheme.Headers {
				req.Header.Set(family+strings.Replace(name, "#", "1", 1), signature)
			}
			req.Header.Set(family+target.scheme.Timestamp.Header, timestamp)
			req.Header.Set(family+target.scheme.ID.Header, id)
			_, err := target.v.VerifyAt(req, body, now)
			if _, ok := errors.AsType[*webhook.Error](err); !ok {
				t.Fatalf("%s: %v", target.scheme.Name, err)
			}
			if len(body) < 1<<10 {
				_ = target.v.Explain(req, body).String()
			}
		}
	})
}

// FuzzRoundTrip: what the provider signs is accepted, and nothing else is.
func FuzzRoundTrip(f *testing.F) {
	all := presets()
	signers := make([]*webhooktest.Signer, len(all))
	verifiers := make([]*webhook.Verifier, len(all))
	for i, p := range all {
		s, c := p.signer(f)
		v, err := webhook.New(c)
		require.NoError(f, err)
		signers[i], verifiers[i] = s, v
		f.Add(i, []byte(p.body), int64(1_700_000_000), 0)
	}
	f.Fuzz(func(t *testing.T, i int, body []byte, seconds int64, flip int) {
		if i < 0 || i >= len(all) || seconds < 1e9 || seconds > 9e9 || flip < 0 {
			t.Skip()
		}
		p, at := all[i], time.Unix(seconds, 0)
		req, err := signers[i].Request(hookURL, body, at)
		if err != nil {
			t.Skip() // a body that the provider would not send
		}
		sent := bodyOf(t, req)
		verified, err := verifiers[i].VerifyAt(req, sent, at)
		if err != nil {
			// Only what stands in a body can be refused: an object in the place
			// of a text for example.
			if p.signedBody && p.scheme.Name != "twilio" && p.scheme.Name != "linear" {
				t.Fatalf("%s: %v: %q", p.scheme.Name, err, sent)
			}
			return
		}
		if p.time && !verified.Timestamp.Equal(at) {
			t.Fatalf("%s: %v is not %v", p.scheme.Name, verified.Timestamp, at)
		}
		if !p.signedBody || len(sent) == 0 || p.scheme.Name == "twilio" {
			return
		}
		changed := bytes.Clone(sent)
		changed[flip%len(changed)] ^= 1
		if _, err := verifiers[i].VerifyAt(req, changed, at); !errors.Is(err, webhook.ErrBadSignature) && !errors.Is(err, webhook.ErrMalformed) {
			t.Fatalf("%s: %v: %q", p.scheme.Name, err, changed)
		}
	})
}

// FuzzID compares what is found in a body with what encoding/json finds.
func FuzzID(f *testing.F) {
	p := preset{scheme: webhook.Typeform()}
	s, c := p.signer(f)
	v, err := webhook.New(c)
	require.NoError(f, err)
	for _, body := range []string{
		`{"event_id":"a"}`, `{"event_id":1}`, `{"event_id":true}`, `{"event_id":null}`, `{"event_id":{}}`, ` { "x" : [ "]}\"" , {} ] , "event_id" : "\u00e9" } `,
		`{"\u0065vent_id":"a"}`, `{"event_id":"a","event_id":"b"}`, `["event_id"]`, `{"a":{"event_id":"x"}}`, `{"event_id":"\\"}`, `{"event_id":-1.5e3}`, `{"event_id":"a"}x`, "",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := s.Request(hookURL, body, now)
		require.NoError(t, err)
		verified, err := v.VerifyAt(req, body, now)
		require.NoError(t, err)
		got := verified.ID()
		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) != nil {
			if got != "" {
				t.Fatalf("%q in %q", got, body)
			}
			return
		}
		raw := want["event_id"]
		if got == "" || len(raw) == 0 {
			if got != "" {
				t.Fatalf("%q in %q", got, body)
			}
			return // absent, ambiguous or no text
		}
		var text string
		if raw[0] != '"' {
			text = string(raw)
		} else if err := json.Unmarshal(raw, &text); err != nil {
			t.Fatal(err)
		}
		if got != text && strings.ToValidUTF8(got, "\ufffd") != strings.ToValidUTF8(text, "\ufffd") && got != string(raw[1:len(raw)-1]) {
			t.Fatalf("%q is not %q in %q", got, text, body)
		}
	})
}

// FuzzTemplate: a Scheme that New accepts can be used.
func FuzzTemplate(f *testing.F) {
	for _, p := range presets() {
		f.Add(p.scheme.Signed, "X-Signature", "v1=", "id")
	}
	f.Add("{}", "#", "", ".")
	f.Add("{json:a..b}", "", " ", " ")
	f.Fuzz(func(t *testing.T, signed, header, prefix, path string) {
		v, err := webhook.New(webhook.Config{
			Scheme: webhook.Scheme{
				Name: "fuzz", Headers: []string{header}, Signed: signed,
				Versions:  []webhook.Version{{Prefix: prefix, Algorithm: webhook.HMACSHA256}},
				Timestamp: webhook.Field{Header: "T"}, ID: webhook.Field{Header: "I"}, Type: webhook.Field{JSON: path},
			},
			Keys: webhook.Keys(secret),
			URL:  hookURL,
		})
		if err != nil {
			return
		}
		_, err = v.VerifyAt(post(), []byte(`{}`), now)
		require.Error(t, err)
	})
}

// FuzzURL: a Config.URL that New accepts can be used, with any request.
func FuzzURL(f *testing.F) {
	for _, s := range []string{hookURL, "https://example.com", "http://[::1]:80/?a=b", "https://u@x/", "https://x/#", "//x", ""} {
		f.Add(s, "/hook?a=b&bodySHA256=00", "a=b")
	}
	f.Fuzz(func(t *testing.T, text, target, body string) {
		for _, s := range []webhook.Scheme{webhook.Twilio(), webhook.Square(), webhook.HubSpot()} {
			v, err := webhook.New(webhook.Config{Scheme: s, Keys: webhook.Keys(secret), URL: text})
			if err != nil {
				continue
			}
			req := post("Content-Type", "application/x-www-form-urlencoded", s.Headers[0], "AAAA", "X-HubSpot-Request-Timestamp", "1700000000000")
			req.RequestURI = target
			if u, err := url.Parse(target); err == nil {
				req.URL = u
			}
			_, err = v.VerifyAt(req, []byte(body), now)
			require.Error(t, err)
			_ = v.Explain(req, []byte(body)).String()
		}
	})
}

// FuzzKeys: no text of a key panics, and none is quoted in an error.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{secret, "whsec_" + secret, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", strings.Repeat("ab", 32), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range []webhook.Scheme{webhook.StandardWebhooks(), webhook.OpenAI(), webhook.Adyen(), webhook.Discord(), webhook.SendGrid(), webhook.Wise(), webhook.GitHub()} {
			_, err := webhook.New(webhook.Config{Scheme: s, Keys: webhook.Keys(text)})
			if err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Fatalf("%q quotes %q", err, text)
			}
		}
	})
}

// FuzzReceiver: no request panics, and none is believed.
func FuzzReceiver(f *testing.F) {
	var handlers []http.Handler
	for _, p := range presets() {
		_, c := p.signer(f)
		v, err := webhook.New(c)
		require.NoError(f, err)
		r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v, DangerouslyAllowHTTP: true, VerifyToken: webhook.NewSecret(secret)})
		require.NoError(f, err)
		handlers = append(handlers, r.Handler(ok))
	}
	f.Add("POST", "a=b", "sha256=00", []byte("{}"))
	f.Add("GET", "crc_token=x&challenge=y&hub.mode=subscribe", "", []byte{})
	f.Add("GET", "challenge=%00", "", []byte{})
	f.Fuzz(func(t *testing.T, method, query, signature string, body []byte) {
		for _, h := range handlers {
			req := post("X-Hub-Signature-256", signature, "X-Hub-Signature", signature, "X-Slack-Signature", signature)
			req.Method, req.URL.RawQuery = method, query
			req.Body, req.ContentLength = newReader(body), int64(len(body))
			if w := serve(h, req); w.Code < 300 && method != http.MethodGet {
				t.Fatalf("%d for %q", w.Code, body)
			}
		}
	})
}
