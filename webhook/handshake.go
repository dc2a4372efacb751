package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Reply is an answer to a provider.
type Reply struct {
	// Status is the status code; 0 means 204 without a body, else 200.
	Status int
	// ContentType is the media type of Body. Empty means text/plain.
	ContentType string
	// Body may be empty.
	Body []byte
}

// Handshake is a request by which a provider may be checking that the endpoint
// is ours. Of the Request only a POST was verified.
type Handshake struct {
	// Request is the request. Its body was read, and is Body.
	Request *http.Request
	// Body is the verified body of a POST, nil for a GET.
	Body []byte
	// Token is ReceiverConfig.VerifyToken.
	Token Secret
	// MAC returns the HMAC-SHA256 of a text with the secret that the POST was
	// signed with, for a GET with the first one. It is nil if there is none.
	// Whoever lets it sign any text that a stranger sends has given away the
	// signature of any body.
	MAC func(text string) []byte
}

// maxChallenge bounds a text that is sent back.
const maxChallenge = 512

// harmless reports whether a text from a stranger can be sent back, and signed:
// it is neither a page nor the body of a webhook, which begins with a brace.
func harmless(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("-._~+/=", b) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= maxChallenge
}

// echo answers with a text, if it is harmless.
func echo(text string) *Reply {
	if !harmless(text) {
		return nil
	}
	return &Reply{Status: http.StatusOK, Body: []byte(text)}
}

// posted returns the document that was posted, nil if it is none.
func (h Handshake) posted() document {
	if h.Body == nil {
		return nil
	}
	doc, err := parseJSON(h.Body)
	if err != nil {
		return nil
	}
	return doc
}

// text returns the text at a path of a document, "" for what is ambiguous.
func (d document) textOrNone(path ...string) string {
	s, ok := d.textAt(path)
	if !ok {
		return ""
	}
	return s
}

// query returns the parameters of a GET, each of which must be there once at
// most.
func (h Handshake) query() url.Values {
	if h.Request.Method != http.MethodGet || h.Request.URL == nil {
		return nil
	}
	values, err := url.ParseQuery(h.Request.URL.RawQuery)
	if err != nil {
		return nil
	}
	for _, v := range values {
		if len(v) > 1 {
			return nil
		}
	}
	return values
}

func slackHandshake(h Handshake) *Reply {
	doc := h.posted()
	if doc.textOrNone("type") != "url_verification" {
		return nil
	}
	return echo(doc.textOrNone("challenge"))
}

func zoomHandshake(h Handshake) *Reply {
	doc := h.posted()
	if doc.textOrNone("event") != "endpoint.url_validation" || h.MAC == nil {
		return nil
	}
	token := doc.textOrNone("payload", "plainToken")
	if !harmless(token) {
		return nil
	}
	return jsonReply(struct {
		PlainToken     string `json:"plainToken"`
		EncryptedToken string `json:"encryptedToken"`
	}{token, hex.EncodeToString(h.MAC(token))})
}

func twitchHandshake(h Handshake) *Reply {
	if h.Request.Header.Get("Twitch-Eventsub-Message-Type") != "webhook_callback_verification" {
		return nil
	}
	return echo(h.posted().textOrNone("challenge"))
}

func discordHandshake(h Handshake) *Reply {
	doc := h.posted()
	if doc == nil {
		return nil
	}
	switch kind := doc.textOrNone("type"); {
	case kind == "0": // of webhook events
		return &Reply{Status: http.StatusNoContent}
	case kind == "1" && doc.textOrNone("event", "type") == "": // of interactions
		return jsonReply(struct {
			Type int `json:"type"`
		}{1})
	}
	return nil
}

func dropboxHandshake(h Handshake) *Reply { return echo(h.query().Get("challenge")) }

func metaHandshake(h Handshake) *Reply {
	q := h.query()
	want, have := sha256.Sum256([]byte(h.Token.Reveal())), sha256.Sum256([]byte(q.Get("hub.verify_token")))
	if q.Get("hub.mode") != "subscribe" || h.Token.IsZero() || subtle.ConstantTimeCompare(want[:], have[:]) != 1 {
		return nil
	}
	return echo(q.Get("hub.challenge"))
}

func xHandshake(h Handshake) *Reply {
	token := h.query().Get("crc_token")
	if !harmless(token) || h.MAC == nil {
		return nil
	}
	return jsonReply(struct {
		ResponseToken string `json:"response_token"`
	}{"sha256=" + base64.StdEncoding.EncodeToString(h.MAC(token))})
}

func jsonReply(v any) *Reply {
	body, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return &Reply{Status: http.StatusOK, ContentType: "application/json", Body: body}
}
