package sender_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

// The request has what is in it and nothing else.
func TestRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript()
		s := newSender(t, steady(script))
		ids := enqueue(t, s, sender.Message{Endpoint: "a", Body: []byte(`{"type":"x"}`)})
		stop := run(t, s)
		synctest.Wait()
		stop()

		call := script.Calls()[0]
		require.Equal(t, "https://a.example.com/hook", call.Request.URL.String())
		require.Equal(t, "POST", call.Request.Method)
		require.Equal(t, `{"type":"x"}`, call.Body)
		require.EqualValues(t, len(call.Body), call.Request.ContentLength)
		require.NoError(t, verify(t, call, secret.Reveal()))
		require.ErrorIs(t, verify(t, call, sender.GenerateSecret().Reveal()), webhook.ErrBadSignature)
		signature := call.Header.Get("Webhook-Signature")
		require.True(t, strings.HasPrefix(signature, "v1,"))
		call.Header.Del("Webhook-Signature")
		require.Equal(t, map[string][]string{
			"Content-Type": {"application/json"}, "User-Agent": {"holdfast-webhook"},
			"Webhook-Id": ids, "Webhook-Timestamp": {strconv.FormatInt(call.At.Unix(), 10)},
		}, map[string][]string(call.Header))
	})
}

// The ID is that of the message, the timestamp and the signature that of the
// attempt.
func TestRetrySignsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript(rttest.Step{Status: 500}, rttest.Step{Err: errBroken}, rttest.Step{})
		s := newSender(t, steady(script))
		enqueue(t, s, sender.Message{Endpoint: "a", ID: "evt_1", Body: []byte("{}")})
		stop := run(t, s)
		time.Sleep(10 * time.Minute)
		stop()

		calls := script.Calls()
		require.Len(t, calls, 3)
		signatures := make(map[string]bool)
		for _, call := range calls {
			require.NoError(t, verify(t, call, secret.Reveal()))
			require.Equal(t, "evt_1", call.Header.Get("Webhook-Id"))
			require.Equal(t, "{}", call.Body)
			signatures[call.Header.Get("Webhook-Signature")] = true
		}
		require.Len(t, signatures, 3)
		require.Equal(t, sender.Done, one(t, s).State)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, fresh := sender.GenerateSecret(), sender.GenerateSecret()
		public, private, err := ed25519.GenerateKey(nil)
		require.NoError(t, err)
		asymmetric := webhook.NewSecret("whsk_" + base64.StdEncoding.EncodeToString(private))
		var keys atomic.Pointer[[]sender.Key]
		keys.Store(&[]sender.Key{{Secret: old}})
		script := rttest.NewScript(rttest.Step{Status: 503}, rttest.Step{Status: 503}, rttest.Step{})
		c := steady(script)
		c.Endpoint = func(context.Context, string) (sender.Endpoint, error) {
			return sender.Endpoint{URL: "https://a.example.com/", Keys: *keys.Load()}, nil
		}
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		synctest.Wait()
		rotated := append(sender.Rotate(*keys.Load(), fresh, time.Now(), 90*time.Second), sender.Key{Secret: asymmetric})
		keys.Store(&rotated)
		time.Sleep(3 * time.Minute)
		stop()

		calls := script.Calls()
		require.Len(t, calls, 3)
		whpk := "whpk_" + base64.StdEncoding.EncodeToString(public)
		for i, want := range []struct{ old, fresh, public bool }{{true, false, false}, {true, true, true}, {false, true, true}} {
			require.Equal(t, want.old, verify(t, calls[i], old.Reveal()) == nil, i)
			require.Equal(t, want.fresh, verify(t, calls[i], fresh.Reveal()) == nil, i)
			require.Equal(t, want.public, verify(t, calls[i], whpk) == nil, i)
		}
	})
}

func TestRotate(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	first := []sender.Key{{Secret: secret}, {Secret: secret, Until: now}, {Secret: secret, Until: now.Add(time.Minute)}}
	rotated := sender.Rotate(first, sender.GenerateSecret(), now, time.Hour)
	require.Len(t, rotated, 3, "what is over is left out")
	require.True(t, rotated[0].Until.IsZero())
	require.Equal(t, now.Add(time.Hour), rotated[1].Until)
	require.Equal(t, now.Add(time.Minute), rotated[2].Until, "a key does not live longer than it should")
	require.True(t, first[0].Until.IsZero(), "the argument is as it was")
	for range 20 {
		rotated = sender.Rotate(rotated, sender.GenerateSecret(), now, time.Hour)
	}
	require.Len(t, rotated, sender.MaxKeys)
	require.Len(t, sender.Rotate(rotated, sender.GenerateSecret(), now, 0), 1, "no overlap")
}

func TestCheckEndpoint(t *testing.T) {
	t.Parallel()
	s := newSender(t, steady(rttest.NewScript()))
	b64 := func(n int, prefix string) string {
		return base64.StdEncoding.EncodeToString(append([]byte(prefix), make([]byte, n-len(prefix))...))
	}
	const url = "https://example.com/"
	ok := sender.Endpoint{URL: url, Keys: []sender.Key{{Secret: secret}}}
	require.NoError(t, s.CheckEndpoint(ok))
	require.ErrorIs(t, s.CheckEndpoint(sender.Endpoint{URL: "https://127.0.0.1/", Keys: ok.Keys}), sender.ErrBlocked)
	for name, text := range map[string]string{
		"empty": "", "prefix": "whsec_", "blank": " whsec_" + b64(32, ""), "newline": "whsec_" + b64(32, "") + "\n",
		"bare": b64(32, ""), "version": "v1,whsec_" + b64(32, ""), "short": "whsec_" + b64(23, ""), "long": "whsec_" + b64(65, ""),
		"twice": "whsec_" + b64(50, "whsec_"), "not base64": "whsec_" + strings.Repeat("!", 40), "unpadded": "whsec_" + strings.TrimRight(b64(32, ""), "="),
		"public": "whpk_" + b64(32, ""), "private short": "whsk_" + b64(32, ""), "halves": "whsk_" + b64(64, ""), "NUL": "whsec_\x00" + b64(32, ""),
	} {
		err := s.CheckEndpoint(sender.Endpoint{URL: url, Keys: []sender.Key{{Secret: webhook.NewSecret(text)}}})
		require.Error(t, err, name)
		require.ErrorContains(t, err, "Keys[0]", name)
		require.NotContains(t, err.Error(), "AAAA", name)
	}
	require.Error(t, s.CheckEndpoint(sender.Endpoint{URL: url}), "no key")
	require.Error(t, s.CheckEndpoint(sender.Endpoint{URL: url, Keys: []sender.Key{{Secret: secret, Until: time.Unix(1, 0)}}}), "no key in use")
	require.Error(t, s.CheckEndpoint(sender.Endpoint{URL: url, Keys: make([]sender.Key, sender.MaxKeys+1)}), "too many keys")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", ok, ok, ok), secret.Reveal())
	text, err := json.Marshal(ok)
	require.NoError(t, err)
	require.NotContains(t, string(text), secret.Reveal())
}
