package webhook_test

import (
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

const hookURL = "https://example.com/hook"

// preset is a provider and what is known about it: which of timestamp, ID and
// body its signature covers.
type preset struct {
	scheme webhook.Scheme
	body   string
	id     string // of the event
	typ    string

	time, signedID, signedBody bool
}

const adyenBody = `{"live":"false","notificationItems":[{"NotificationRequestItem":{"pspReference":"7914073381342284",` +
	`"merchantAccountCode":"TestMerchant","merchantReference":"TestPayment:1407325143704","amount":{"value":1130,"currency":"EUR"},` +
	`"eventCode":"AUTHORISATION","success":"true"}}]}`

func presets() []preset {
	const msg = "msg_webhooktest"
	const event = `{"id":"evt_1","type":"order.paid"}`
	return []preset{
		{scheme: webhook.StandardWebhooks(), body: event, id: msg, typ: "order.paid", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Svix(), body: event, id: msg, typ: "order.paid", time: true, signedID: true, signedBody: true},
		{scheme: webhook.OpenAI(), body: event, id: msg, typ: "order.paid", time: true, signedID: true, signedBody: true},
		{scheme: webhook.GitLab(), body: event, id: msg, time: true, signedID: true, signedBody: true},
		{scheme: webhook.GitLabToken(), body: event, id: msg},
		{scheme: webhook.Stripe(), body: event, id: "evt_1", typ: "order.paid", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Calendly(), body: `{"event":"invitee.created"}`, typ: "invitee.created", time: true, signedBody: true},
		{scheme: webhook.Paddle(), body: `{"event_id":"evt_1","event_type":"price.created"}`, id: "evt_1", typ: "price.created", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Slack(), body: `{"event_id":"Ev1","event":{"type":"message"}}`, id: "Ev1", typ: "message", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Zoom(), body: `{"event":"meeting.started"}`, typ: "meeting.started", time: true, signedBody: true},
		{scheme: webhook.Discord(), body: `{"type":2,"id":"1"}`, id: "1", time: true, signedID: true, signedBody: true},
		{scheme: webhook.SendGrid(), body: "[{\"sg_event_id\":\"e1\",\"event\":\"dropped\"}]\r\n", id: "e1", typ: "dropped", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Zendesk(), body: `{"type":"zen:event-type:ticket.created"}`, id: msg, typ: "zen:event-type:ticket.created", time: true, signedBody: true},
		{scheme: webhook.Box(), body: `{"id":"1","trigger":"FILE.UPLOADED"}`, id: "1", typ: "FILE.UPLOADED", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Twitch(), body: `{"subscription":{}}`, id: msg, time: true, signedID: true, signedBody: true},
		{scheme: webhook.Linear(), body: `{"action":"create"}`, id: msg, time: true, signedBody: true},
		{scheme: webhook.GitHub(), body: `{"zen":"Keep it logically awesome."}`, id: msg, signedBody: true},
		{scheme: webhook.Bitbucket(), body: `{"push":{}}`, id: msg, signedBody: true},
		{scheme: webhook.Shopify(), body: `{"id":1}`, id: msg, signedBody: true},
		{scheme: webhook.Typeform(), body: `{"event_id":"e1","event_type":"form_response"}`, id: "e1", typ: "form_response", signedID: true, signedBody: true},
		{scheme: webhook.Intercom(), body: `{"id":"notif_1","topic":"user.created"}`, id: "notif_1", typ: "user.created", signedID: true, signedBody: true},
		{scheme: webhook.PagerDuty(), body: `{"event":{"id":"01","event_type":"incident.triggered"}}`, id: "01", typ: "incident.triggered", signedID: true, signedBody: true},
		{scheme: webhook.Razorpay(), body: `{"event":"payment.captured"}`, id: msg, typ: "payment.captured", signedBody: true},
		{scheme: webhook.Dropbox(), body: `{"list_folder":{}}`, signedBody: true},
		{scheme: webhook.Meta(), body: `{"object":"page","entry":[]}`, typ: "page", signedBody: true},
		{scheme: webhook.X(), body: `{"for_user_id":"1"}`, signedBody: true},
		{scheme: webhook.DocuSign(), body: `{"event":"envelope-completed","data":{"envelopeId":"e1"}}`, id: "e1-envelope-completed", typ: "envelope-completed", signedID: true, signedBody: true},
		{scheme: webhook.Wise(), body: `{"subscription_id":"s1","sent_at":"2026-01-01T00:00:00Z","event_type":"transfers#state-change"}`, id: "s1-2026-01-01T00:00:00Z", typ: "transfers#state-change", signedID: true, signedBody: true},
		{scheme: webhook.Twilio(), body: "Body=hello+world&From=%2B15550001111", id: msg, signedBody: true},
		{scheme: webhook.Square(), body: `{"event_id":"e1","type":"payment.created"}`, id: "e1", typ: "payment.created", signedID: true, signedBody: true},
		{scheme: webhook.HubSpot(), body: `[{"eventId":1,"subscriptionType":"contact.creation"}]`, id: "1", typ: "contact.creation", time: true, signedID: true, signedBody: true},
		{scheme: webhook.Mailgun(), body: `{"event-data":{"id":"e1","event":"opened"}}`, id: "e1", typ: "opened", time: true},
		{scheme: webhook.Adyen(), body: adyenBody, id: "7914073381342284-AUTHORISATION", typ: "AUTHORISATION", signedID: true},
		{scheme: webhook.PayPal("8PT597110X687430LKGECATA"), body: `{"id":"WH-1","event_type":"CHECKOUT.ORDER.APPROVED"}`, id: msg, typ: "CHECKOUT.ORDER.APPROVED", time: true, signedID: true},
	}
}

// signer returns a signer, and the config that verifies it.
func (p preset) signer(tb testing.TB) (*webhooktest.Signer, webhook.Config) {
	tb.Helper()
	return p.signerWith(tb, rsaKey)
}

// other returns a signer with another key.
func (p preset) other(tb testing.TB) (*webhooktest.Signer, webhook.Config) {
	tb.Helper()
	return p.signerWith(tb, otherRSAKey)
}

func (p preset) signerWith(tb testing.TB, key func() *rsa.PrivateKey) (*webhooktest.Signer, webhook.Config) {
	tb.Helper()
	sign := webhooktest.Config{Scheme: p.scheme}
	if p.scheme.Versions[0].Algorithm == webhook.RSA {
		sign.Private = key()
	}
	s, err := webhooktest.New(sign)
	require.NoError(tb, err)
	c := webhook.Config{Scheme: p.scheme, Keys: []webhook.Key{s.Key()}}
	if strings.Contains(p.scheme.Signed, "url}") {
		c.URL = hookURL
	}
	return s, c
}

// signed returns a verifier and a request that it accepts now.
func (p preset) signed(tb testing.TB) (*webhook.Verifier, *http.Request, []byte) {
	tb.Helper()
	s, c := p.signer(tb)
	v, err := webhook.New(c)
	require.NoError(tb, err)
	req, err := s.Request(hookURL, []byte(p.body), time.Now())
	require.NoError(tb, err)
	return v, req, bodyOf(tb, req)
}

func TestPresets(t *testing.T) {
	t.Parallel()
	for _, p := range presets() {
		t.Run(p.scheme.Name, func(t *testing.T) {
			t.Parallel()
			s, c := p.signer(t)
			v, err := webhook.New(c)
			require.NoError(t, err)
			now := time.Now()
			req, err := s.Request(hookURL, []byte(p.body), now)
			require.NoError(t, err)
			body := bodyOf(t, req)

			verified, err := v.VerifyAt(req, body, now)
			require.NoError(t, err)
			require.Equal(t, p.scheme.Name, verified.Scheme)
			require.Equal(t, "1", verified.KeyID)
			require.Equal(t, p.time, verified.TimestampSigned, "timestamp signed")
			require.Equal(t, p.signedBody, verified.BodySigned, "body signed")
			if p.scheme.Batch == nil {
				require.Equal(t, p.id, verified.ID())
				require.Equal(t, p.signedID, verified.IDSigned, "id signed")
			}
			if p.time {
				require.WithinDuration(t, now, verified.Timestamp, time.Second)
			}

			t.Run("another key", func(t *testing.T) {
				_, other := p.other(t)
				v, err := webhook.New(other)
				require.NoError(t, err)
				_, err = v.VerifyAt(req, body, now)
				require.ErrorIs(t, err, webhook.ErrBadSignature)
			})
			t.Run("another body", func(t *testing.T) {
				if !p.signedBody {
					t.Skip("the body is not signed")
				}
				changed := append([]byte("x=y&"), body...)
				_, err := v.VerifyAt(req, changed, now)
				require.ErrorIs(t, err, webhook.ErrBadSignature)
			})
			t.Run("no header", func(t *testing.T) {
				if p.scheme.SignatureJSON != "" {
					t.Skip("the signature is in the body")
				}
				bare := req.Clone(t.Context())
				bare.Header = http.Header{}
				_, err := v.VerifyAt(bare, body, now)
				require.ErrorIs(t, err, webhook.ErrNoSignature)
			})
			t.Run("each header twice", func(t *testing.T) {
				for name := range req.Header {
					twice := req.Clone(t.Context())
					twice.Header.Add(name, "x")
					_, err := v.VerifyAt(twice, body, now)
					var refused *webhook.Error
					if err != nil {
						require.ErrorAs(t, err, &refused)
					}
				}
			})
			t.Run("age", func(t *testing.T) {
				if !p.time || p.scheme.MaxAge < 0 {
					t.Skip("the age does not matter")
				}
				age := p.scheme.MaxAge
				if age == 0 {
					age = webhook.DefaultMaxAge
				}
				ts := verified.Timestamp
				for _, test := range []struct {
					at   time.Time
					want error
				}{
					{ts.Add(age), nil},
					{ts.Add(age + 1), webhook.ErrTooOld},
					{ts.Add(-age), nil},
					{ts.Add(-age - 1), webhook.ErrTooNew},
					{ts.AddDate(100, 0, 0), webhook.ErrTooOld},
					{ts.AddDate(-100, 0, 0), webhook.ErrTooNew},
				} {
					_, err := v.VerifyAt(req, body, test.at)
					require.ErrorIs(t, err, test.want)
				}
			})
			t.Run("event", func(t *testing.T) {
				events := receive(t, webhook.ReceiverConfig{Verifier: v}, req)
				require.Len(t, events, 1)
				require.Equal(t, p.id, events[0].ID)
				require.Equal(t, p.typ, events[0].Type)
				require.Equal(t, p.signedID, events[0].IDSigned)
				require.Equal(t, p.scheme.Name, events[0].Source)
			})
		})
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	for _, p := range presets() {
		t.Run(p.scheme.Name, func(t *testing.T) {
			t.Parallel()
			current, _ := p.signer(t)
			next, c := p.other(t)
			one, two := current.Key(), next.Key()
			one.ID, two.ID = "old", "new"
			now := time.Now()
			for _, test := range []struct {
				keys   []webhook.Key
				signer *webhooktest.Signer
				want   string // "" for a refusal
			}{
				{[]webhook.Key{two, one}, current, "old"},
				{[]webhook.Key{two, one}, next, "new"},
				{[]webhook.Key{one, two}, next, "new"},
				{[]webhook.Key{two}, current, ""},
			} {
				c.Keys = test.keys
				v, err := webhook.New(c)
				require.NoError(t, err)
				req, err := test.signer.Request(hookURL, []byte(p.body), now)
				require.NoError(t, err)
				verified, err := v.VerifyAt(req, bodyOf(t, req), now)
				require.Equal(t, test.want, verified.KeyID)
				require.Equal(t, test.want == "", err != nil)
			}
		})
	}
}
