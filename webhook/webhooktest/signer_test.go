package webhooktest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// The vectors of the specification.
func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	s, err := webhooktest.New(webhooktest.Config{
		Scheme: webhook.StandardWebhooks(),
		Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		ID:     "msg_p5jXN8AQM9LWM0D4loKWxJek",
	})
	require.NoError(t, err)
	req, err := s.Request("https://example.com/", []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", req.Header.Get("webhook-signature"))
	require.Equal(t, http.MethodPost, req.Method)
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []webhooktest.Config{
		{},
		{Scheme: webhook.GitHub(), Version: 1},
		{Scheme: webhook.GitHub(), Version: -1},
		{Scheme: webhook.Adyen(), Secret: "not hexadecimal"},
		{Scheme: webhook.StandardWebhooks(), Secret: "whsec_%"},
		{Scheme: webhook.Scheme{Versions: []webhook.Version{{}}}},
	} {
		_, err := webhooktest.New(c)
		require.ErrorContains(t, err, "webhooktest: ")
	}
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Adyen()})
	require.NoError(t, err)
	for _, body := range []string{"", "{}", `{"notificationItems":[1]}`} {
		_, err = s.Request("https://example.com/", []byte(body), time.Now())
		require.ErrorContains(t, err, "webhooktest: ")
	}
	_, err = s.Request("://", nil, time.Now())
	require.Error(t, err)
}

// Forms with a charset, and with bytes that could pass for separators.
func TestForms(t *testing.T) {
	t.Parallel()
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Twilio(), Secret: "0123456789abcdef0123456789abcdef"})
	require.NoError(t, err)
	v, err := webhook.New(webhook.Config{Scheme: webhook.Twilio(), Keys: []webhook.Key{s.Key()}, URL: "https://example.com/hook"})
	require.NoError(t, err)
	for _, media := range []string{"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-Urlencoded"} {
		for _, body := range []string{"a=1", "a%00b=%00", "a=%00&a%00=", "a=2&a=1&a=2"} {
			req, err := http.NewRequest(http.MethodPost, "https://example.com/hook", http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Content-Type", media)
			require.NoError(t, s.Sign(req, []byte(body), time.Now()))
			require.Empty(t, req.URL.RawQuery)
			_, err = v.Verify(req, []byte(body))
			require.NoError(t, err, "%s %s", media, body)
		}
	}
}
