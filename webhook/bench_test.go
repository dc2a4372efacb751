package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

const benchSecret = "0123456789abcdef0123456789abcdef"

// benchBody is 1 KiB.
func benchBody() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 64) }

func hexMAC(parts ...string) string { return hex.EncodeToString(benchMAC(parts)) }

func base64MAC(parts ...string) string { return base64.StdEncoding.EncodeToString(benchMAC(parts)) }

func benchMAC(parts []string) []byte {
	h := hmac.New(sha256.New, []byte(benchSecret))
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// benchCases are requests with a body of 1 KiB, and their verifiers.
func benchCases(tb testing.TB) map[string]func() error {
	tb.Helper()
	body := benchBody()
	now := strconv.FormatInt(time.Now().Unix(), 10)
	cases := map[string]func() error{}
	add := func(s webhook.Scheme, header map[string]string) {
		v, err := webhook.New(webhook.Config{Scheme: s, Keys: webhook.Keys(benchSecret)})
		require.NoError(tb, err)
		req, err := http.NewRequest(http.MethodPost, "https://example.com/hook", http.NoBody)
		require.NoError(tb, err)
		for name, value := range header {
			req.Header.Set(name, value)
		}
		cases[s.Name] = func() error {
			_, err := v.Verify(req, body)
			return err
		}
		require.NoError(tb, cases[s.Name]())
	}
	add(webhook.GitHub(), map[string]string{"X-Hub-Signature-256": "sha256=" + hexMAC(string(body))})
	add(webhook.Stripe(), map[string]string{"Stripe-Signature": "t=" + now + ",v1=" + hexMAC(now, ".", string(body))})
	add(webhook.Slack(), map[string]string{
		"X-Slack-Request-Timestamp": now,
		"X-Slack-Signature":         "v0=" + hexMAC("v0:", now, ":", string(body)),
	})
	const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
	add(webhook.OpenAI(), map[string]string{
		"Webhook-Id":        id,
		"Webhook-Timestamp": now,
		"Webhook-Signature": "v1," + base64MAC(id, ".", now, ".", string(body)),
	})
	bare, err := webhook.NewHMACVerifier(webhook.HMACConfig{Secrets: []webhook.Secret{webhook.NewSecret(benchSecret)}})
	require.NoError(tb, err)
	signature := hexMAC(string(body))
	cases["HMACVerifier"] = func() error { return bare.Verify(body, signature) }
	return cases
}

func TestVerifyAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("a sync.Pool forgets at random then")
	}
	for name, verify := range benchCases(t) {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = verify() }), 1.0, name)
	}
}

func BenchmarkVerify(b *testing.B) {
	b.Run("crypto/hmac", func(b *testing.B) {
		body, sum := benchBody(), make([]byte, 0, sha256.Size)
		h := hmac.New(sha256.New, []byte(benchSecret))
		b.ReportAllocs()
		for b.Loop() {
			h.Reset()
			h.Write(body)
			sum = h.Sum(sum[:0])
		}
	})
	b.Run("crypto/hmac with a timestamp", func(b *testing.B) {
		body, sum, prefix := benchBody(), make([]byte, 0, sha256.Size), []byte("v0:1700000000:")
		h := hmac.New(sha256.New, []byte(benchSecret))
		b.ReportAllocs()
		for b.Loop() {
			h.Reset()
			h.Write(prefix)
			h.Write(body)
			sum = h.Sum(sum[:0])
		}
	})
	for name, verify := range benchCases(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = verify()
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_ = verify()
				}
			})
		})
	}
}
