package webhook

import "time"

// Twilio is the scheme of Twilio: the URL and, for a form, its parameters; for
// another body its hash is in the URL. It needs Config.URL. Where one parameter
// ends and the next begins is not signed.
func Twilio() Scheme {
	return Scheme{
		Name:     "twilio",
		Headers:  []string{"X-Twilio-Signature"},
		Versions: []Version{{Algorithm: HMACSHA1}},
		Encoding: Base64,
		Signed:   "{url}{form}",
		AnyPort:  true,
		ID:       Field{Header: "I-Twilio-Idempotency-Token"},
	}
}

// Square is the scheme of Square. It needs Config.URL, the notification URL
// exactly as it was given to Square.
func Square() Scheme {
	return Scheme{
		Name:     "square",
		Headers:  []string{"x-square-hmacsha256-signature"},
		Versions: []Version{{Algorithm: HMACSHA256}},
		Encoding: Base64,
		Signed:   "{url}{body}",
		ID:       Field{JSON: "event_id"},
		Type:     Field{JSON: "type"},
	}
}

// HubSpot is the scheme of HubSpot, version 3, and never one of the older two,
// which are no MACs and can be extended. It needs Config.URL. A body is an array
// of events. HubSpot does not promise that the IDs of events are unique.
func HubSpot() Scheme {
	return Scheme{
		Name:       "hubspot",
		Headers:    []string{"X-HubSpot-Signature-v3"},
		Versions:   []Version{{Algorithm: HMACSHA256}},
		Encoding:   Base64,
		Signed:     "{method}{decodedurl}{body}{timestamp}",
		Timestamp:  Field{Header: "X-HubSpot-Request-Timestamp"},
		TimeFormat: UnixMillis,
		Batch:      &Batch{ID: "eventId", Type: "subscriptionType"},
	}
}

// Mailgun is the scheme of Mailgun, whose signature is in the body and covers a
// timestamp and a token. The event itself is not signed: whoever has one body
// can put another event next to its signature. Fingerprint is that of the
// token; remember it, and ask Mailgun about what matters.
func Mailgun() Scheme {
	return Scheme{
		Name:          "mailgun",
		SignatureJSON: "signature.signature",
		Versions:      []Version{{Algorithm: HMACSHA256}},
		Signed:        "{timestamp}{json:signature.token}",
		Timestamp:     Field{JSON: "signature.timestamp"},
		ID:            Field{JSON: "event-data.id"},
		Type:          Field{JSON: "event-data.event"},
	}
}

// Adyen is the scheme of Adyen's standard webhooks. The key is hexadecimal. Each
// item of the body has a signature of its own, in it, over eight of its values;
// the rest is not signed. A colon is accepted in the merchant's reference alone.
func Adyen() Scheme {
	const item = "NotificationRequestItem."
	return Scheme{
		Name:          "adyen",
		SignatureJSON: item + "additionalData.hmacSignature",
		Versions:      []Version{{Algorithm: HMACSHA256}},
		Encoding:      Base64,
		KeyFormat:     HexKey,
		Signed: "{json:" + item + "pspReference}:{json:" + item + "originalReference}:{json:" + item + "merchantAccountCode}:" +
			"{any:" + item + "merchantReference}:{json:" + item + "amount.value}:{json:" + item + "amount.currency}:" +
			"{json:" + item + "eventCode}:{json:" + item + "success}",
		Batch: &Batch{
			JSON:   "notificationItems",
			ID:     item + "pspReference " + item + "eventCode",
			Type:   item + "eventCode",
			Signed: true,
		},
		Ack: Reply{Status: 200, Body: []byte("[accepted]")},
	}
}

// PayPal is the scheme of PayPal for the webhook that has the ID webhookID there.
// The key is PayPal's certificate, whose address is in each request: see
// [Certificates] for a Config.KeysFor that asks for it with care.
//
// The signature covers no more of the body than its CRC-32, for which anybody
// can find a second body: ask PayPal before acting on the event. It tries for
// three days with one transmission time, so the age does not matter by default.
func PayPal(webhookID string) Scheme {
	if !harmless(webhookID) {
		webhookID = "{the webhook ID}" // which New refuses
	}
	return Scheme{
		Name:      "paypal",
		Headers:   []string{"PAYPAL-TRANSMISSION-SIG"},
		Versions:  []Version{{Algorithm: RSA}},
		Encoding:  Base64,
		Signed:    "{id}|{timestamp}|" + webhookID + "|{crc32}",
		Timestamp: Field{Header: "PAYPAL-TRANSMISSION-TIME"}, TimeFormat: RFC3339,
		MaxAge: -time.Second,
		ID:     Field{Header: "PAYPAL-TRANSMISSION-ID"},
		Type:   Field{JSON: "event_type"},
		Expect: map[string]string{"PAYPAL-AUTH-ALGO": "SHA256withRSA"},
	}
}
