package webhooktest_test

import (
	"context"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func TestMangled(t *testing.T) {
	t.Parallel()
	body := []byte("{\"url\": \"a/b\\/c\",\r\n \"text\": \"\u00e9\U0001F600\xff\"}\n")
	kept := string(body)
	got := maps.Collect(webhooktest.Mangled(body))
	require.Equal(t, kept, string(body))
	for name, want := range map[string]string{
		"slashes escaped":        "{\"url\": \"a\\/b\\/c\",\r\n \"text\": \"\u00e9\U0001F600\xff\"}\n",
		"slashes not escaped":    "{\"url\": \"a/b/c\",\r\n \"text\": \"\u00e9\U0001F600\xff\"}\n",
		"escaped to ASCII":       "{\"url\": \"a/b\\/c\",\r\n \"text\": \"\\u00e9\\ud83d\\ude00\xff\"}\n",
		"invalid UTF-8 replaced": "{\"url\": \"a/b\\/c\",\r\n \"text\": \"\u00e9\U0001F600\uFFFD\"}\n",
		"LF for CRLF":            "{\"url\": \"a/b\\/c\",\n \"text\": \"\u00e9\U0001F600\xff\"}\n",
		"white space trimmed":    "{\"url\": \"a/b\\/c\",\r\n \"text\": \"\u00e9\U0001F600\xff\"}",
		"empty":                  "",
		"twice":                  kept + kept,
	} {
		require.Equal(t, want, string(got[name]), name)
	}
	require.Equal(t, `{"a":1,"b":"\u003c"}`, string(maps.Collect(webhooktest.Mangled([]byte(`{"b":"<","a":1.0}`)))["parsed and written anew"]))
	require.Equal(t, "\u00c3\u00a9", string(maps.Collect(webhooktest.Mangled([]byte("\u00e9")))["taken for Latin-1"]))
	require.Len(t, got, 19, "all of them change this body")
	for range webhooktest.Mangled(body) {
		break
	}
	for name, changed := range webhooktest.Mangled(nil) {
		require.NotEmpty(t, changed, name)
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
	require.NoError(t, err)
	v, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: []webhook.Key{s.Key()}})
	require.NoError(t, err)
	r, err := webhook.NewReceiver(webhook.ReceiverConfig{Verifier: v})
	require.NoError(t, err)
	req, err := s.Request("https://example.com/", []byte(`{"id":"evt_1"}`), time.Now())
	require.NoError(t, err)

	const copies = 100
	var calls atomic.Int32
	met := make(chan struct{})
	answers, err := webhooktest.Storm(r.Handler(func(_ context.Context, events []webhook.Event) error {
		if calls.Add(1) == copies {
			close(met) // so they were there at once
		}
		<-met
		require.Equal(t, "evt_1", events[0].ID)
		return nil
	}), req, copies)
	require.NoError(t, err)
	require.Len(t, answers, copies)
	for _, answer := range answers {
		require.Equal(t, http.StatusNoContent, answer.StatusCode)
	}

	answers, err = webhooktest.Storm(nil, req, -1)
	require.NoError(t, err)
	require.Empty(t, answers)
	req.GetBody = nil
	_, err = webhooktest.Storm(nil, req, 1)
	require.ErrorContains(t, err, "webhooktest: ")
}
