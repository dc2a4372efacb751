package webhooktest

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" // #nosec G505 -- the providers' choice
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
)

// A message is one request that is being signed.
type message struct {
	signer *Signer
	req    *http.Request
	body   []byte
	at     time.Time
	values map[string]any // of the body, or of an element of it
}

func (m *message) sign() error {
	c := &m.signer.config
	if c.Scheme.Batch != nil && c.Scheme.Batch.Signed {
		return m.signEach()
	}
	if c.Scheme.SignatureJSON != "" || c.Scheme.Timestamp.JSON != "" {
		if err := decode(m.body, &m.values); err != nil {
			return err
		}
	}
	if strings.Contains(c.Scheme.Signed, "{form}") && len(m.body) > 0 && !m.isForm() {
		sum := sha256.Sum256(m.body)
		q := m.req.URL.RawQuery
		if q != "" {
			q += "&"
		}
		m.req.URL.RawQuery = q + "bodySHA256=" + hex.EncodeToString(sum[:])
	}
	if err := m.setTime(); err != nil {
		return err
	}
	signature, err := m.signature()
	if err != nil {
		return err
	}
	if path := c.Scheme.SignatureJSON; path != "" {
		set(m.values, path, signature)
		m.body, err = json.Marshal(m.values)
		return err
	}
	m.setHeader(signature)
	return nil
}

// signEach puts a signature into each element of a batch.
func (m *message) signEach() error {
	s := &m.signer.config.Scheme
	var doc map[string]any
	if err := decode(m.body, &doc); err != nil {
		return err
	}
	elements, ok := get(doc, s.Batch.JSON).([]any)
	if !ok {
		return errors.New("webhooktest: the body has no array of events")
	}
	for _, element := range elements {
		if m.values, ok = element.(map[string]any); !ok {
			return errors.New("webhooktest: an event is no object")
		}
		signature, err := m.signature()
		if err != nil {
			return err
		}
		set(m.values, s.SignatureJSON, signature)
	}
	var err error
	m.body, err = json.Marshal(doc)
	return err
}

// setTime puts the timestamp, and a token if one is signed, into the body.
func (m *message) setTime() error {
	s := &m.signer.config.Scheme
	if m.values == nil {
		return nil
	}
	if path := s.Timestamp.JSON; path != "" {
		var value any = m.timestamp()
		if s.SignatureJSON == "" {
			value = json.Number(m.timestamp())
		}
		set(m.values, path, value)
	}
	if path := "signature.token"; strings.Contains(s.Signed, "{json:"+path+"}") && get(m.values, path) == nil {
		token := make([]byte, 25)
		if _, err := rand.Read(token); err != nil {
			return err
		}
		set(m.values, path, hex.EncodeToString(token))
	}
	var err error
	m.body, err = json.Marshal(m.values)
	return err
}

// setHeader sets all fields that belong to the signature.
func (m *message) setHeader(signature string) {
	c := &m.signer.config
	s := &c.Scheme
	family := ""
	if len(s.Families) > 0 {
		family = s.Families[0]
	}
	h := m.req.Header
	if s.Timestamp.Header != "" {
		h.Set(family+s.Timestamp.Header, m.timestamp())
	}
	if s.ID.Header != "" {
		h.Set(family+s.ID.Header, c.ID)
	}
	value := m.signer.version.Prefix + signature
	if s.Timestamp.Item != "" {
		value = s.Timestamp.Item + m.timestamp() + s.Separator + value
	}
	h.Set(strings.Replace(family+s.Headers[0], "#", "1", 1), value)
	for name, expected := range s.Expect {
		h.Set(name, expected)
	}
}

func (m *message) timestamp() string {
	switch m.signer.config.Scheme.TimeFormat {
	case webhook.UnixMillis:
		return strconv.FormatInt(m.at.UnixMilli(), 10)
	case webhook.RFC3339:
		return m.at.UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(m.at.Unix(), 10)
}

// signature returns the signature, encoded.
func (m *message) signature() (string, error) {
	s := m.signer
	if s.version.Algorithm == webhook.Token {
		return string(s.secret), nil
	}
	signed, err := m.signed()
	if err != nil {
		return "", err
	}
	var raw []byte
	switch s.version.Algorithm {
	case webhook.HMACSHA1:
		raw = mac(sha1.New, s.secret, signed)
	case webhook.HMACSHA256:
		raw = mac(sha256.New, s.secret, signed)
	case webhook.HMACSHA512:
		raw = mac(sha512.New, s.secret, signed)
	case webhook.Ed25519:
		raw, err = s.config.Private.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
	default:
		digest := sha256.Sum256([]byte(signed))
		raw, err = s.config.Private.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		return "", fmt.Errorf("webhooktest: %w", err)
	}
	switch s.config.Scheme.Encoding {
	case webhook.HexUpper:
		return strings.ToUpper(hex.EncodeToString(raw)), nil
	case webhook.Base64:
		return base64.StdEncoding.EncodeToString(raw), nil
	case webhook.Base64URL:
		return base64.URLEncoding.EncodeToString(raw), nil
	case webhook.RawBase64:
		return base64.RawStdEncoding.EncodeToString(raw), nil
	case webhook.RawBase64URL:
		return base64.RawURLEncoding.EncodeToString(raw), nil
	}
	return hex.EncodeToString(raw), nil
}

func mac(newHash func() hash.Hash, secret []byte, text string) []byte {
	h := hmac.New(newHash, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// signed returns what is signed: the template with its pieces filled in.
func (m *message) signed() (string, error) {
	var b strings.Builder
	rest := m.signer.config.Scheme.Signed
	for {
		text, after, found := strings.Cut(rest, "{")
		b.WriteString(text)
		if !found {
			return b.String(), nil
		}
		var piece string
		piece, rest, _ = strings.Cut(after, "}")
		value, err := m.piece(piece)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
}

func (m *message) piece(name string) (string, error) {
	switch name {
	case "body":
		return string(m.body), nil
	case "timestamp":
		return m.timestamp(), nil
	case "id":
		return m.signer.config.ID, nil
	case "method":
		return m.req.Method, nil
	case "url", "decodedurl":
		return m.req.URL.String(), nil
	case "crc32":
		return strconv.FormatUint(uint64(crc32.ChecksumIEEE(m.body)), 10), nil
	case "form":
		return m.form()
	}
	_, path, ok := strings.Cut(name, ":")
	if !ok {
		return "", fmt.Errorf("webhooktest: Scheme.Signed has the piece {%s}", name)
	}
	switch v := get(m.values, path).(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return fmt.Sprint(v), nil
	}
}

func (m *message) form() (string, error) {
	if !m.isForm() {
		return "", nil
	}
	values, err := url.ParseQuery(string(m.body))
	if err != nil {
		return "", fmt.Errorf("webhooktest: %w", err)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		slices.Sort(values[name])
		for _, value := range slices.Compact(values[name]) {
			b.WriteString(name + value)
		}
	}
	return b.String(), nil
}

// isForm reports whether the body is a form, in whatever charset it says.
func (m *message) isForm() bool {
	media, _, err := mime.ParseMediaType(m.req.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// decode reads JSON and keeps numbers as they are written.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("webhooktest: the body is not a JSON object: %w", err)
	}
	return nil
}

func get(values map[string]any, path string) any {
	var v any = values
	for name := range strings.SplitSeq(path, ".") {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

// set makes the objects on the way.
func set(values map[string]any, path string, value any) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		next, ok := values[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			values[name] = next
		}
		values = next
	}
	values[names[len(names)-1]] = value
}
