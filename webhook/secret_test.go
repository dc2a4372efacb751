package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const text = "s3cr3t-s3cr3t-s3cr3t"
	s := webhook.NewSecret(text)
	c := webhook.Config{Scheme: webhook.GitHub(), Keys: webhook.Keys(text)}
	v, err := webhook.New(c)
	require.NoError(t, err)
	h, err := webhook.NewHMACVerifier(webhook.HMACConfig{Secrets: []webhook.Secret{s}})
	require.NoError(t, err)
	verified, err := v.Verify(post("X-Hub-Signature-256", "sha256="+macOf(text, "{}")), []byte("{}"))
	require.NoError(t, err)
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v, VerifyToken: s})
	require.NoError(t, err)
	type wrapper struct {
		Public  webhook.Secret
		private webhook.Secret
	}
	for _, value := range []any{s, &s, c, &c, c.Keys, v, *v, h, *h, r, verified, wrapper{s, s}, []webhook.Secret{s}, map[string]webhook.Secret{"a": s}, webhook.ReceiverConfig{VerifyToken: s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			out := fmt.Sprintf(verb, value)
			require.NotContains(t, out, text)
			require.NotContains(t, strings.ToLower(out), hex.EncodeToString([]byte(text)))
			require.NotContains(t, out, strings.Trim(fmt.Sprintf("%d", []byte(text)), "[]"))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
		require.NotContains(t, log.String(), text)
		if out, err := json.Marshal(value); err == nil {
			require.NotContains(t, string(out), text)
		}
	}
	require.Equal(t, "[redacted]", s.String())
	require.Equal(t, text, s.Reveal())
	require.Empty(t, webhook.Secret{}.Reveal())
	require.True(t, webhook.Secret{}.IsZero())
	defer func() { require.NotContains(t, fmt.Sprint(recover()), text) }()
	panic(s)
}

func TestHMACVerifier(t *testing.T) {
	t.Parallel()
	secrets := []webhook.Secret{webhook.NewSecret("another-secret-of-mine"), webhook.NewSecret(secret)}
	v, err := webhook.NewHMACVerifier(webhook.HMACConfig{Secrets: secrets, Prefix: "sha256="})
	require.NoError(t, err)
	good := "sha256=" + hex.EncodeToString(mac256("hello"))
	require.NoError(t, v.Verify([]byte("hello"), good))
	require.NoError(t, v.Verify([]byte("hello"), "sha256=00, "+good))
	require.ErrorIs(t, v.Verify([]byte("hallo"), good), webhook.ErrBadSignature)
	require.ErrorIs(t, v.Verify([]byte("hello"), ""), webhook.ErrNoSignature)
	require.ErrorIs(t, v.Verify([]byte("hello"), good[7:]), webhook.ErrNoSignature)
	require.ErrorIs(t, v.Verify([]byte("hello"), strings.Repeat(good+",", 17)), webhook.ErrMalformed)
	for _, c := range []webhook.HMACConfig{
		{},
		{Secrets: []webhook.Secret{{}}},
		{Secrets: []webhook.Secret{webhook.NewSecret("short")}},
		{Secrets: secrets, Algorithm: webhook.Ed25519},
		{Secrets: secrets, Algorithm: webhook.Token},
		{Secrets: secrets, Encoding: 99},
	} {
		_, err := webhook.NewHMACVerifier(c)
		require.ErrorContains(t, err, "webhook: HMACConfig.")
	}
}

// The package needs nothing but the standard library and this module.
func TestDependencies(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "./webhooktest").Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(out)) {
		own, ok := strings.CutPrefix(path, "github.com/holdfast-go/holdfast/")
		require.True(t, ok && (strings.HasPrefix(own, "internal/") || own == "webhook" || own == "webhook/webhooktest"), path)
	}
}

func macOf(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}
