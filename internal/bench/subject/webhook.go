package subject

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-github/v84/github"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v84/webhook"

	"github.com/holdfast-go/holdfast/webhook"
)

// signingSecret is what webhooks are signed with.
const signingSecret = "0123456789abcdef0123456789abcdef"

// mac returns the HMAC-SHA256 of the parts, one after the other.
func mac(parts ...string) []byte {
	h := hmac.New(sha256.New, []byte(signingSecret))
	for _, part := range parts {
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

func githubSignature(body []byte) string { return "sha256=" + hex.EncodeToString(mac(string(body))) }

// standardFields are those of Standard Webhooks.
func standardFields(body []byte) http.Header {
	const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
	now := strconv.FormatInt(time.Now().Unix(), 10)
	h := http.Header{}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", now)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac(id, ".", now, ".", string(body))))
	return h
}

// stripeField is the header field of Stripe.
func stripeField(body []byte) string {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	return fmt.Sprintf("t=%s,v1=%x", now, mac(now, ".", string(body)))
}

// errForged is the refusal of HMAC.
var errForged = errors.New("wrong signature")

// HMAC is crypto/hmac with a state that is used again for each body: the
// floor. It is made for one signature, which it neither finds nor decodes.
func HMAC() Subject {
	return Subject{Name: "crypto-hmac", Receive: func(body []byte) func([]byte) error {
		want, sum := mac(string(body)), make([]byte, 0, sha256.Size)
		state := hmac.New(sha256.New, []byte(signingSecret))
		return func(body []byte) error {
			state.Reset()
			state.Write(body)
			sum = state.Sum(sum[:0])
			if !hmac.Equal(sum, want) {
				return errForged
			}
			return nil
		}
	}}
}

// HoldfastGitHub is package webhook with the scheme of GitHub.
func HoldfastGitHub() Subject {
	return Subject{Name: "holdfast-github", Receive: func(body []byte) func([]byte) error {
		fields := http.Header{}
		fields.Set("X-Hub-Signature-256", githubSignature(body))
		return receive(webhook.GitHub(), webhook.Keys(signingSecret), fields)
	}}
}

// HoldfastStandard is package webhook with the scheme of Standard Webhooks.
func HoldfastStandard() Subject {
	return Subject{Name: "holdfast-standard", Receive: func(body []byte) func([]byte) error {
		return receive(webhook.StandardWebhooks(), webhook.Keys(standardSecret()), standardFields(body))
	}}
}

// HoldfastStripe is package webhook with the scheme of Stripe.
func HoldfastStripe() Subject {
	return Subject{Name: "holdfast-stripe", Receive: func(body []byte) func([]byte) error {
		fields := http.Header{}
		fields.Set("Stripe-Signature", stripeField(body))
		return receive(webhook.Stripe(), webhook.Keys(signingSecret), fields)
	}}
}

func receive(scheme webhook.Scheme, keys []webhook.Key, fields http.Header) func([]byte) error {
	verifier := must(webhook.New(webhook.Config{Scheme: scheme, Keys: keys}))
	req := must(http.NewRequest(http.MethodPost, "https://example.com/hook", http.NoBody)) //nolint:noctx // never sent
	req.Header = fields
	return func(body []byte) error {
		_, err := verifier.Verify(req, body)
		return err
	}
}

// GoGitHub is go-github's ValidateSignature.
func GoGitHub() Subject {
	return Subject{Name: "go-github", Receive: func(body []byte) func([]byte) error {
		signature, secret := githubSignature(body), []byte(signingSecret)
		return func(body []byte) error { return github.ValidateSignature(signature, body, secret) }
	}}
}

// GoStripe is stripe-go's ValidatePayload, which does not parse the body.
func GoStripe() Subject {
	return Subject{Name: "stripe-go", Receive: func(body []byte) func([]byte) error {
		field := stripeField(body)
		return func(body []byte) error { return stripe.ValidatePayload(body, field, signingSecret) }
	}}
}

// StandardWebhooks is the library of Standard Webhooks.
func StandardWebhooks() Subject {
	return Subject{Name: "standard-webhooks", Receive: func(body []byte) func([]byte) error {
		hook, fields := must(standardwebhooks.NewWebhook(standardSecret())), standardFields(body)
		return func(body []byte) error { return hook.Verify(body, fields) }
	}}
}

func standardSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(signingSecret))
}
