package webhook

import "time"

// The schemes here sign the body alone. Nothing tells a replay from the
// original but what the receiver remembers, and the ID in a header is not
// signed: remember Verified.Fingerprint as well.

// sha256Hex is the most common scheme of all: the hexadecimal HMAC-SHA256 of the
// body in a header field.
func sha256Hex(name, header, prefix string) Scheme {
	return Scheme{
		Name:     name,
		Headers:  []string{header},
		Versions: []Version{{Prefix: prefix, Algorithm: HMACSHA256}},
		Signed:   "{body}",
	}
}

// GitHub is the scheme of GitHub: X-Hub-Signature-256. The older X-Hub-Signature,
// with SHA-1, is not looked at. A body can have 25 MB.
func GitHub() Scheme {
	s := sha256Hex("github", "X-Hub-Signature-256", "sha256=")
	s.ID = Field{Header: "X-GitHub-Delivery"}
	s.Type = Field{Header: "X-GitHub-Event"}
	s.MaxBody = 25 << 20
	return s
}

// Bitbucket is the scheme of Bitbucket Cloud and Data Center: X-Hub-Signature
// with SHA-256.
func Bitbucket() Scheme {
	s := sha256Hex("bitbucket", "X-Hub-Signature", "sha256=")
	s.ID = Field{Header: "X-Request-UUID"}
	s.Type = Field{Header: "X-Event-Key"}
	return s
}

// GitLabToken is the older scheme of GitLab: the secret itself is in
// X-Gitlab-Token. Nothing is signed. Prefer [GitLab].
func GitLabToken() Scheme {
	return Scheme{
		Name:       "gitlab-token",
		Headers:    []string{"X-Gitlab-Token"},
		Versions:   []Version{{Algorithm: Token}},
		ID:         Field{Header: "Idempotency-Key"},
		DeliveryID: Field{Header: "X-Gitlab-Event-UUID"},
		Type:       Field{Header: "X-Gitlab-Event"},
		MaxBody:    25 << 20,
	}
}

// Shopify is the scheme of Shopify: X-Shopify-Hmac-Sha256. Its idempotency key
// is X-Shopify-Webhook-Id.
func Shopify() Scheme {
	return Scheme{
		Name:     "shopify",
		Headers:  []string{"X-Shopify-Hmac-Sha256"},
		Versions: []Version{{Algorithm: HMACSHA256}},
		Encoding: Base64,
		Signed:   "{body}",
		ID:       Field{Header: "X-Shopify-Webhook-Id"},
		Type:     Field{Header: "X-Shopify-Topic"},
	}
}

// Typeform is the scheme of Typeform: "sha256=" and, other than that of GitHub,
// base64.
func Typeform() Scheme {
	return Scheme{
		Name:     "typeform",
		Headers:  []string{"Typeform-Signature"},
		Versions: []Version{{Prefix: "sha256=", Algorithm: HMACSHA256}},
		Encoding: Base64,
		Signed:   "{body}",
		ID:       Field{JSON: "event_id"},
		Type:     Field{JSON: "event_type"},
	}
}

// Intercom is the scheme of Intercom: X-Hub-Signature with SHA-1, which is all
// that it offers.
func Intercom() Scheme {
	return Scheme{
		Name:     "intercom",
		Headers:  []string{"X-Hub-Signature"},
		Versions: []Version{{Prefix: "sha1=", Algorithm: HMACSHA1}},
		Signed:   "{body}",
		ID:       Field{JSON: "id"},
		Type:     Field{JSON: "topic"},
	}
}

// PagerDuty is the scheme of version 3 of PagerDuty's webhooks, with a signature
// for each secret.
func PagerDuty() Scheme {
	s := sha256Hex("pagerduty", "X-PagerDuty-Signature", "v1=")
	s.Separator = ","
	s.ID = Field{JSON: "event.id"}
	s.Type = Field{JSON: "event.event_type"}
	s.MaxBody = 4 << 20
	return s
}

// Razorpay is the scheme of Razorpay.
func Razorpay() Scheme {
	s := sha256Hex("razorpay", "X-Razorpay-Signature", "")
	s.ID = Field{Header: "X-Razorpay-Event-Id"}
	s.Type = Field{JSON: "event"}
	return s
}

// Dropbox is the scheme of Dropbox. Its events have no ID: they only say that
// there is something new.
func Dropbox() Scheme {
	s := sha256Hex("dropbox", "X-Dropbox-Signature", "")
	s.Handshake = dropboxHandshake
	return s
}

// Meta is the scheme of Facebook, Instagram and WhatsApp. Its handshake needs
// ReceiverConfig.VerifyToken.
func Meta() Scheme {
	s := sha256Hex("meta", "X-Hub-Signature-256", "sha256=")
	s.Type = Field{JSON: "object"}
	s.Handshake = metaHandshake
	return s
}

// X is the scheme of X, which was Twitter. Its handshake asks us to sign a
// token with the same secret that signs events, so only tokens that can't be
// the body of an event are signed, and a [Receiver] takes no body that could be
// such a token.
func X() Scheme {
	return Scheme{
		Name:      "x",
		Headers:   []string{"X-Twitter-Webhooks-Signature"},
		Versions:  []Version{{Prefix: "sha256=", Algorithm: HMACSHA256}},
		Encoding:  Base64,
		Signed:    "{body}",
		Handshake: xHandshake,

		signsTokens: true,
	}
}

// DocuSign is the scheme of DocuSign Connect, with a numbered header field for
// each of up to 100 keys.
func DocuSign() Scheme {
	return Scheme{
		Name:     "docusign",
		Headers:  []string{"X-DocuSign-Signature-#"},
		Versions: []Version{{Algorithm: HMACSHA256}},
		Encoding: Base64,
		Signed:   "{body}",
		ID:       Field{JSON: "data.envelopeId event"},
		Type:     Field{JSON: "event"},
		MaxBody:  25 << 20, // it can hold the documents
	}
}

// Wise is the scheme of Wise: X-Signature-SHA256 by an RSA key that Wise
// publishes.
func Wise() Scheme {
	return Scheme{
		Name:       "wise",
		Headers:    []string{"X-Signature-SHA256"},
		Versions:   []Version{{Algorithm: RSA}},
		Encoding:   Base64,
		Signed:     "{body}",
		ID:         Field{JSON: "subscription_id sent_at"},
		DeliveryID: Field{Header: "X-Delivery-Id"},
		Type:       Field{JSON: "event_type"},
	}
}

// Linear is the scheme of Linear. The timestamp that counts is the one in the
// body; that in the header is not signed.
func Linear() Scheme {
	s := sha256Hex("linear", "Linear-Signature", "")
	s.Timestamp = Field{JSON: "webhookTimestamp"}
	s.TimeFormat = UnixMillis
	s.MaxAge = time.Minute
	s.MaxSkew = time.Minute
	s.ID = Field{Header: "Linear-Delivery"}
	s.Type = Field{Header: "Linear-Event"}
	return s
}
