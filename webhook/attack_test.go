package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
)

const secret = "0123456789abcdef0123456789abcdef"

// now is the time of all requests in these tests.
var now = time.Unix(1_700_000_000, 0)

func mac256(text string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(text))
	return h.Sum(nil)
}

func verifier(tb testing.TB, s webhook.Scheme, keys ...string) *webhook.Verifier {
	tb.Helper()
	if len(keys) == 0 {
		keys = []string{secret}
	}
	c := webhook.Config{Scheme: s, Keys: webhook.Keys(keys...)}
	if strings.Contains(s.Signed, "url}") {
		c.URL = hookURL
	}
	v, err := webhook.New(c)
	require.NoError(tb, err)
	return v
}

// post returns a request with header fields, in pairs.
func post(fields ...string) *http.Request {
	req, _ := http.NewRequest(http.MethodPost, hookURL, http.NoBody)
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	return req
}

func TestAttackSignatureText(t *testing.T) {
	t.Parallel()
	const body, name = `{"a":1}`, "X-Hub-Signature-256"
	sum := mac256(body)
	good := "sha256=" + hex.EncodeToString(sum)
	v := verifier(t, webhook.GitHub())
	for what, test := range map[string]struct {
		lines []string
		ok    bool
	}{
		"good":                    {[]string{good}, true},
		"missing":                 {nil, false},
		"empty":                   {[]string{""}, false},
		"blank":                   {[]string{" \t "}, false},
		"one byte":                {[]string{"x"}, false},
		"prefix only":             {[]string{"sha256="}, false},
		"truncated":               {[]string{good[:len(good)-1]}, false},
		"one byte too long":       {[]string{good + "0"}, false},
		"upper case":              {[]string{"sha256=" + strings.ToUpper(hex.EncodeToString(sum))}, false},
		"base64":                  {[]string{"sha256=" + base64.StdEncoding.EncodeToString(sum)}, false},
		"no prefix":               {[]string{hex.EncodeToString(sum)}, false},
		"prefix in upper case":    {[]string{"SHA256=" + hex.EncodeToString(sum)}, false},
		"another version":         {[]string{"sha512=" + hex.EncodeToString(sum)}, false},
		"line break at the end":   {[]string{good + "\n"}, false},
		"NUL at the end":          {[]string{good + "\x00"}, false},
		"quoted":                  {[]string{`"` + good + `"`}, false},
		"a megabyte":              {[]string{"sha256=" + strings.Repeat("a", 1<<20)}, false},
		"a megabyte of commas":    {[]string{strings.Repeat(",", 1<<20)}, false},
		"bad and good line":       {[]string{"sha256=00", good}, true},
		"good and bad line":       {[]string{good, "sha256=00"}, true},
		"joined by a proxy":       {[]string{"sha256=00, " + good}, true},
		"joined, good one first":  {[]string{good + ",sha256=00"}, true},
		"blanks around":           {[]string{" " + good + "\t"}, true},
		"10000 signatures":        {slices.Repeat([]string{good}, 10_000), false},
		"10000 in one line":       {[]string{strings.Repeat(good+",", 10_000)}, false},
		"16 signatures, one good": {append(slices.Repeat([]string{"sha256=00"}, 15), good), true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			req := post()
			req.Header[name] = test.lines
			_, err := v.Verify(req, []byte(body))
			require.Equal(t, test.ok, err == nil, "%v", err)
		})
	}
}

// A sender must not choose the algorithm (as go-github lets it).
func TestAttackAlgorithmDowngrade(t *testing.T) {
	t.Parallel()
	const body = `{}`
	h := hmac.New(sha1.New, []byte(secret))
	h.Write([]byte(body))
	weak := "sha1=" + hex.EncodeToString(h.Sum(nil))
	v := verifier(t, webhook.GitHub())
	for _, req := range []*http.Request{
		post("X-Hub-Signature-256", weak),
		post("X-Hub-Signature", weak),
		post("X-Hub-Signature", "sha256="+hex.EncodeToString(mac256(body))),
	} {
		_, err := v.Verify(req, []byte(body))
		require.ErrorIs(t, err, webhook.ErrNoSignature)
	}
	// Bitbucket uses the same name as those with SHA-1.
	_, err := verifier(t, webhook.Bitbucket()).Verify(post("X-Hub-Signature", weak), []byte(body))
	require.ErrorIs(t, err, webhook.ErrNoSignature)
}

func TestAttackBase64Forms(t *testing.T) {
	t.Parallel()
	// A MAC whose base64 has both of the characters that differ in URLs.
	var body string
	var sum []byte
	for i := 0; ; i++ {
		body = strconv.Itoa(i)
		sum = mac256(body)
		if text := base64.StdEncoding.EncodeToString(sum); strings.Contains(text, "+") && strings.Contains(text, "/") {
			break
		}
	}
	good := base64.StdEncoding.EncodeToString(sum)
	loose := []byte(good) // with bits that stand for nothing
	loose[len(loose)-2]++
	v := verifier(t, webhook.Shopify())
	for what, text := range map[string]string{
		"url":          base64.URLEncoding.EncodeToString(sum),
		"unpadded":     base64.RawStdEncoding.EncodeToString(sum),
		"line break":   good[:20] + "\n" + good[20:],
		"CRLF":         good[:20] + "\r\n" + good[20:],
		"more padding": good + "=",
		"loose bits":   string(loose),
		"hexadecimal":  hex.EncodeToString(sum),
		"twice":        base64.StdEncoding.EncodeToString([]byte(good)),
	} {
		_, err := v.Verify(post("X-Shopify-Hmac-Sha256", text), []byte(body))
		require.ErrorIs(t, err, webhook.ErrBadSignature, what)
	}
	_, err := v.Verify(post("X-Shopify-Hmac-Sha256", good), []byte(body))
	require.NoError(t, err)
}

func standard(id, ts, body string) string {
	key, _ := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + ts + "." + body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestAttackStandardWebhooks(t *testing.T) {
	t.Parallel()
	const id, ts, body = "msg_1", "1700000000", `{"type":"a"}`
	mac := standard(id, ts, body)
	both := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}
	v := verifier(t, webhook.StandardWebhooks(), both...)
	bad := standard("other", ts, body)
	for what, test := range map[string]struct {
		id, ts     string
		signatures []string
		want       error
	}{
		"good":                 {id, ts, []string{"v1," + mac}, nil},
		"version only":         {id, ts, []string{"v1,"}, webhook.ErrNoSignature},
		"no version":           {id, ts, []string{mac}, webhook.ErrNoSignature},
		"v0":                   {id, ts, []string{"v0," + mac}, webhook.ErrNoSignature},
		"v2":                   {id, ts, []string{"v2," + mac}, webhook.ErrNoSignature},
		"v1a with a MAC":       {id, ts, []string{"v1a," + mac}, webhook.ErrBadSignature},
		"unknown and good":     {id, ts, []string{"v2,xyz v1," + mac}, nil},
		"v1a and v1":           {id, ts, []string{"v1a," + mac + " v1," + mac}, nil},
		"bad and good":         {id, ts, []string{"v1," + bad + " v1," + mac}, nil},
		"good and bad":         {id, ts, []string{"v1," + mac + " v1," + bad}, nil},
		"good on line two":     {id, ts, []string{"v1," + bad, "v1," + mac}, nil},
		"lines joined":         {id, ts, []string{"v1," + bad + ", v1," + mac}, nil},
		"lines joined, first":  {id, ts, []string{"v1," + mac + ", v1," + bad}, nil},
		"several blanks":       {id, ts, []string{"  v1," + mac + "  "}, nil},
		"no id":                {"", ts, []string{"v1," + standard("", ts, body)}, webhook.ErrMalformed},
		"id with a dot":        {"msg.1", ts, []string{"v1," + standard("msg.1", ts, body)}, webhook.ErrMalformed},
		"id with a blank":      {"msg 1", ts, []string{"v1," + standard("msg 1", ts, body)}, webhook.ErrMalformed},
		"id not ASCII":         {"msgé", ts, []string{"v1," + standard("msgé", ts, body)}, webhook.ErrMalformed},
		"id too long":          {strings.Repeat("a", 257), ts, []string{"v1," + standard(strings.Repeat("a", 257), ts, body)}, webhook.ErrMalformed},
		"no timestamp":         {id, "", []string{"v1," + standard(id, "", body)}, webhook.ErrMalformed},
		"timestamp with +":     {id, "+" + ts, []string{"v1," + standard(id, "+"+ts, body)}, webhook.ErrMalformed},
		"timestamp with 0":     {id, "0" + ts, []string{"v1," + standard(id, "0"+ts, body)}, webhook.ErrMalformed},
		"timestamp float":      {id, ts + ".0", []string{"v1," + standard(id, ts+".0", body)}, webhook.ErrMalformed},
		"timestamp negative":   {id, "-1", []string{"v1," + standard(id, "-1", body)}, webhook.ErrMalformed},
		"timestamp exponent":   {id, "17e8", []string{"v1," + standard(id, "17e8", body)}, webhook.ErrMalformed},
		"timestamp in hex":     {id, "0x6553f100", []string{"v1," + standard(id, "0x6553f100", body)}, webhook.ErrMalformed},
		"timestamp 2^63":       {id, "9223372036854775808", []string{"v1," + standard(id, "9223372036854775808", body)}, webhook.ErrMalformed},
		"timestamp with blank": {id, ts + " ", []string{"v1," + standard(id, ts+" ", body)}, webhook.ErrMalformed},
		"timestamp in ms":      {id, ts + "000", []string{"v1," + standard(id, ts+"000", body)}, webhook.ErrMalformed},
		"timestamp 0":          {id, "0", []string{"v1," + standard(id, "0", body)}, webhook.ErrTooOld},
		"timestamp in 100y":    {id, "4855673600", []string{"v1," + standard(id, "4855673600", body)}, webhook.ErrTooNew},
		"timestamp 12 digits":  {id, "999999999999", []string{"v1," + standard(id, "999999999999", body)}, webhook.ErrTooNew},
		"stale and bad":        {id, "1", []string{"v1," + mac}, webhook.ErrBadSignature},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			req := post("webhook-id", test.id, "webhook-timestamp", test.ts)
			req.Header["Webhook-Signature"] = test.signatures
			_, err := v.VerifyAt(req, []byte(body), now)
			require.ErrorIs(t, err, test.want)
		})
	}
	t.Run("a field twice", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"Webhook-Id", "Webhook-Timestamp"} {
			req := post("webhook-id", id, "webhook-timestamp", ts, "webhook-signature", "v1,"+mac)
			req.Header[name] = append(req.Header[name], req.Header[name][0])
			_, err := v.VerifyAt(req, []byte(body), now)
			require.ErrorIs(t, err, webhook.ErrMalformed)
		}
	})
	t.Run("id and time moved into the body", func(t *testing.T) {
		t.Parallel()
		// signed: id "msg", time 1600000000, body "1700000000.{}"
		mac := standard("msg", "1600000000", "1700000000.{}")
		_, err := v.VerifyAt(post("webhook-id", "msg.1600000000", "webhook-timestamp", ts, "webhook-signature", "v1,"+mac), []byte("{}"), now)
		require.ErrorIs(t, err, webhook.ErrMalformed)
	})
}

func TestAttackMixedFamilies(t *testing.T) {
	t.Parallel()
	const id, ts, body = "msg_1", "1700000000", `{}`
	mac := "v1," + standard(id, ts, body)
	v := verifier(t, webhook.Svix(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	for what, test := range map[string]struct {
		fields []string
		ok     bool
	}{
		"svix":                  {[]string{"svix-id", id, "svix-timestamp", ts, "svix-signature", mac}, true},
		"standard":              {[]string{"webhook-id", id, "webhook-timestamp", ts, "webhook-signature", mac}, true},
		"both, the same":        {[]string{"svix-id", id, "svix-timestamp", ts, "svix-signature", mac, "webhook-id", id, "webhook-timestamp", ts, "webhook-signature", mac}, true},
		"id of another kind":    {[]string{"webhook-id", id, "svix-timestamp", ts, "svix-signature", mac}, false},
		"both, another id":      {[]string{"svix-id", id, "svix-timestamp", ts, "svix-signature", mac, "webhook-id", "msg_2"}, false},
		"signature of the rest": {[]string{"svix-id", id, "svix-timestamp", ts, "webhook-signature", mac}, false},
	} {
		_, err := v.VerifyAt(post(test.fields...), []byte(body), now)
		require.Equal(t, test.ok, err == nil, "%s: %v", what, err)
	}
}

func TestAttackStripeHeader(t *testing.T) {
	t.Parallel()
	const ts, body = "1700000000", `{"id":"evt_1"}`
	good := hex.EncodeToString(mac256(ts + "." + body))
	v := verifier(t, webhook.Stripe())
	for header, want := range map[string]error{
		"t=" + ts + ",v1=" + good:                              nil,
		"t=" + ts + ", v1=" + good:                             nil,
		"v1=" + good + ",t=" + ts:                              nil,
		"t=" + ts + ",v1=00,v1=" + good + ",v0=11":             nil,
		"t=" + ts + ",v0=" + good:                              webhook.ErrNoSignature,
		"t=" + ts + ",v2=" + good:                              webhook.ErrNoSignature,
		"v1=" + good:                                           webhook.ErrMalformed,
		"t=,v1=" + good:                                        webhook.ErrMalformed,
		"t=" + ts + ",t=" + ts + ",v1=" + good:                 webhook.ErrMalformed,
		"t=1,t=" + ts + ",v1=" + good:                          webhook.ErrMalformed,
		"t=1,v1=" + good:                                       webhook.ErrBadSignature,
		"t=" + ts + ",v1=" + strings.ToUpper(good):             webhook.ErrBadSignature,
		"t=" + ts + ";v1=" + good:                              webhook.ErrNoSignature,
		strings.Repeat("t="+ts+",v1="+good+",", 100):           webhook.ErrMalformed,
		"t=" + ts + "," + strings.Repeat("v1="+good+",", 1000): webhook.ErrMalformed,
	} {
		_, err := v.VerifyAt(post("Stripe-Signature", header), []byte(body), now)
		require.ErrorIs(t, err, want, "%.80s", header)
	}
	_, err := v.VerifyAt(post("Stripe-Signature", "t="+ts, "Stripe-Signature", "v1="+good), []byte(body), now)
	require.NoError(t, err, "lines are one list")
}
