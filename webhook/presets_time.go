package webhook

import "time"

// StandardWebhooks is the scheme of the Standard Webhooks specification, with
// both of its versions: v1, for secrets that begin with "whsec_", and v1a, for
// public keys that begin with "whpk_".
func StandardWebhooks() Scheme {
	return Scheme{
		Name:      "standard-webhooks",
		Headers:   []string{"webhook-signature"},
		Separator: " ",
		Versions:  []Version{{Prefix: "v1,", Algorithm: HMACSHA256}, {Prefix: "v1a,", Algorithm: Ed25519}},
		Encoding:  Base64,
		KeyFormat: StandardKey,
		Signed:    "{id}.{timestamp}.{body}",
		ID:        Field{Header: "webhook-id"},
		Timestamp: Field{Header: "webhook-timestamp"},
		Type:      Field{JSON: "type"},
	}
}

// Svix is the scheme of Svix and of those who send by it: Standard Webhooks
// under the names svix-id, svix-timestamp and svix-signature, or the standard
// ones.
func Svix() Scheme {
	s := StandardWebhooks()
	s.Name = "svix"
	s.Families = []string{"svix-", "webhook-"}
	s.Headers = []string{"signature"}
	s.ID = Field{Header: "id"}
	s.Timestamp = Field{Header: "timestamp"}
	return s
}

// OpenAI is the scheme of OpenAI: Standard Webhooks, where a secret without
// "whsec_" is taken as it is.
func OpenAI() Scheme {
	s := StandardWebhooks()
	s.Name = "openai"
	s.KeyFormat = StandardOrVerbatim
	return s
}

// GitLab is the scheme of GitLab's signing tokens: Standard Webhooks.
func GitLab() Scheme {
	s := StandardWebhooks()
	s.Name = "gitlab"
	s.DeliveryID = Field{Header: "X-Gitlab-Event-UUID"}
	s.Type = Field{Header: "X-Gitlab-Event"}
	s.MaxBody = 25 << 20
	return s
}

// Stripe is the scheme of Stripe. The secret is taken as it is, with its
// "whsec_".
func Stripe() Scheme {
	return Scheme{
		Name:      "stripe",
		Headers:   []string{"Stripe-Signature"},
		Separator: ",",
		Versions:  []Version{{Prefix: "v1=", Algorithm: HMACSHA256}},
		Signed:    "{timestamp}.{body}",
		Timestamp: Field{Item: "t="},
		ID:        Field{JSON: "id"},
		Type:      Field{JSON: "type"},
	}
}

// Calendly is the scheme of Calendly. Its events have no ID.
func Calendly() Scheme {
	s := Stripe()
	s.Name = "calendly"
	s.Headers = []string{"Calendly-Webhook-Signature"}
	s.ID = Field{}
	s.Type = Field{JSON: "event"}
	s.MaxAge = 3 * time.Minute
	s.MaxSkew = 3 * time.Minute
	return s
}

// Paddle is the scheme of Paddle Billing. While a secret is being replaced there
// are several signatures. Paddle's own limit for the age is five seconds, which
// leaves nothing for clocks that differ; Config.MaxAge can set it.
func Paddle() Scheme {
	return Scheme{
		Name:       "paddle",
		Headers:    []string{"Paddle-Signature"},
		Separator:  ";",
		Versions:   []Version{{Prefix: "h1=", Algorithm: HMACSHA256}},
		Signed:     "{timestamp}:{body}",
		Timestamp:  Field{Item: "ts="},
		ID:         Field{JSON: "event_id"},
		DeliveryID: Field{JSON: "notification_id"},
		Type:       Field{JSON: "event_type"},
	}
}

// Slack is the scheme of Slack, for events, commands and interactions.
func Slack() Scheme {
	return Scheme{
		Name:      "slack",
		Headers:   []string{"X-Slack-Signature"},
		Versions:  []Version{{Prefix: "v0=", Algorithm: HMACSHA256}},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: Field{Header: "X-Slack-Request-Timestamp"},
		ID:        Field{JSON: "event_id"},
		Type:      Field{JSON: "event.type"},
		Handshake: slackHandshake,
		Ack:       Reply{Status: 200},
	}
}

// Zoom is the scheme of Zoom. Its events have no ID.
func Zoom() Scheme {
	return Scheme{
		Name:      "zoom",
		Headers:   []string{"x-zm-signature"},
		Versions:  []Version{{Prefix: "v0=", Algorithm: HMACSHA256}},
		Signed:    "v0:{timestamp}:{body}",
		Timestamp: Field{Header: "x-zm-request-timestamp"},
		Type:      Field{JSON: "event"},
		Handshake: zoomHandshake,
	}
}

// Discord is the scheme of Discord, for interactions and for webhook events. The
// key is the application's public key, in hexadecimal. Discord tests endpoints
// with bad signatures, and wants a 401 for them.
func Discord() Scheme {
	return Scheme{
		Name:      "discord",
		Headers:   []string{"X-Signature-Ed25519"},
		Versions:  []Version{{Algorithm: Ed25519}},
		Signed:    "{timestamp}{body}",
		Timestamp: Field{Header: "X-Signature-Timestamp"},
		ID:        Field{JSON: "id"},
		Type:      Field{JSON: "event.type"},
		Handshake: discordHandshake,
	}
}

// SendGrid is the scheme of SendGrid's Event Webhook. The key is the public key
// that SendGrid shows, in base64. A body is an array of events, and often ends
// with a line break, which is signed.
func SendGrid() Scheme {
	return Scheme{
		Name:      "sendgrid",
		Headers:   []string{"X-Twilio-Email-Event-Webhook-Signature"},
		Versions:  []Version{{Algorithm: ECDSA}},
		Encoding:  Base64,
		Signed:    "{timestamp}{body}",
		Timestamp: Field{Header: "X-Twilio-Email-Event-Webhook-Timestamp"},
		Batch:     &Batch{ID: "sg_event_id", Type: "event"},
	}
}

// Zendesk is the scheme of Zendesk.
func Zendesk() Scheme {
	return Scheme{
		Name:       "zendesk",
		Headers:    []string{"X-Zendesk-Webhook-Signature"},
		Versions:   []Version{{Algorithm: HMACSHA256}},
		Encoding:   Base64,
		Signed:     "{timestamp}{body}",
		Timestamp:  Field{Header: "X-Zendesk-Webhook-Signature-Timestamp"},
		TimeFormat: RFC3339,
		ID:         Field{Header: "X-Zendesk-Webhook-Invocation-Id"},
		Type:       Field{JSON: "type"},
	}
}

// Box is the scheme of Box, with one header field for each of two keys. The ID
// is that of the body: BOX-DELIVERY-ID changes when Box tries again.
func Box() Scheme {
	return Scheme{
		Name:       "box",
		Headers:    []string{"BOX-SIGNATURE-PRIMARY", "BOX-SIGNATURE-SECONDARY"},
		Versions:   []Version{{Algorithm: HMACSHA256}},
		Encoding:   Base64,
		Signed:     "{body}{timestamp}",
		Timestamp:  Field{Header: "BOX-DELIVERY-TIMESTAMP"},
		TimeFormat: RFC3339,
		MaxAge:     10 * time.Minute,
		MaxSkew:    10 * time.Minute,
		ID:         Field{JSON: "id"},
		DeliveryID: Field{Header: "BOX-DELIVERY-ID"},
		Type:       Field{JSON: "trigger"},
		Expect:     map[string]string{"BOX-SIGNATURE-VERSION": "1", "BOX-SIGNATURE-ALGORITHM": "HmacSHA256"},
	}
}

// Twitch is the scheme of Twitch EventSub.
func Twitch() Scheme {
	return Scheme{
		Name:       "twitch",
		Headers:    []string{"Twitch-Eventsub-Message-Signature"},
		Versions:   []Version{{Prefix: "sha256=", Algorithm: HMACSHA256}},
		MinSecret:  10, // as Twitch asks for
		Signed:     "{id}{timestamp}{body}",
		Timestamp:  Field{Header: "Twitch-Eventsub-Message-Timestamp"},
		TimeFormat: RFC3339,
		MaxAge:     10 * time.Minute,
		MaxSkew:    10 * time.Minute,
		ID:         Field{Header: "Twitch-Eventsub-Message-Id"},
		Type:       Field{Header: "Twitch-Eventsub-Subscription-Type"},
		Handshake:  twitchHandshake,
	}
}
