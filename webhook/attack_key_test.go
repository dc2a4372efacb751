package webhook_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

func TestAttackSecrets(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte("k"), 24)
	encoded := base64.StdEncoding.EncodeToString(raw)
	for what, test := range map[string]struct {
		scheme webhook.Scheme
		text   string
		ok     bool
	}{
		"good":                  {webhook.StandardWebhooks(), "whsec_" + encoded, true},
		"without its prefix":    {webhook.StandardWebhooks(), encoded, true},
		"empty":                 {webhook.StandardWebhooks(), "", false},
		"prefix only":           {webhook.StandardWebhooks(), "whsec_", false},
		"blanks":                {webhook.StandardWebhooks(), "   ", false},
		"line break":            {webhook.StandardWebhooks(), "whsec_" + encoded + "\n", false},
		"not base64":            {webhook.StandardWebhooks(), "whsec_%%%%", false},
		"unpadded":              {webhook.StandardWebhooks(), "whsec_" + base64.RawStdEncoding.EncodeToString(raw[:20]), false},
		"15 bytes":              {webhook.StandardWebhooks(), "whsec_" + base64.StdEncoding.EncodeToString(raw[:15]), false},
		"16 bytes":              {webhook.StandardWebhooks(), "whsec_" + base64.StdEncoding.EncodeToString(raw[:16]), true},
		"with a version":        {webhook.StandardWebhooks(), "v1,whsec_" + encoded, false},
		"encoded twice":         {webhook.StandardWebhooks(), "whsec_" + base64.StdEncoding.EncodeToString([]byte("whsec_"+encoded)), false},
		"the private key":       {webhook.StandardWebhooks(), "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==", false},
		"NUL":                   {webhook.GitHub(), "0123456789abcdef\x00", false},
		"control character":     {webhook.GitHub(), "0123456789\tabcdef", false},
		"not UTF-8":             {webhook.GitHub(), "0123456789abcdef\xff", false},
		"blank in front":        {webhook.GitHub(), " 0123456789abcdef", false},
		"blank inside":          {webhook.GitHub(), "It's a Secret to Everybody", true},
		"1 byte":                {webhook.GitHub(), "x", false},
		"15 bytes of text":      {webhook.GitHub(), "0123456789abcde", false},
		"Stripe's, verbatim":    {webhook.Stripe(), "whsec_" + encoded, true},
		"not hexadecimal":       {webhook.Adyen(), "xyz", false},
		"hexadecimal":           {webhook.Adyen(), strings.Repeat("ab", 16), true},
		"secret for a key":      {webhook.Discord(), secret, false},
		"31 bytes for a key":    {webhook.Discord(), strings.Repeat("ab", 31), false},
		"Ed25519 for ECDSA":     {webhook.SendGrid(), "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=", false},
		"PEM that is a private": {webhook.Wise(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", false},
	} {
		_, err := webhook.New(webhook.Config{Scheme: test.scheme, Keys: webhook.Keys(test.text)})
		require.Equal(t, test.ok, err == nil, "%s: %v", what, err)
		if err != nil && len(test.text) > 8 {
			require.NotContains(t, err.Error(), test.text)
		}
	}
}

func TestAttackEd25519(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	const ts, body = "1700000000", `{"type":2}`
	signature := ed25519.Sign(private, []byte(ts+body))
	v, err := webhook.New(webhook.Config{Scheme: webhook.Discord(), Keys: []webhook.Key{{Public: public}}})
	require.NoError(t, err)
	verify := func(signature []byte) error {
		_, err := v.VerifyAt(post("X-Signature-Ed25519", hex.EncodeToString(signature), "X-Signature-Timestamp", ts), []byte(body), now)
		return err
	}
	require.NoError(t, verify(signature))
	require.Error(t, verify(signature[:63]))
	require.Error(t, verify(append(slices.Clone(signature), 0)))
	require.Error(t, verify(nil))
	// S + L is as good as S for those who do not check.
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order)
	malleable := sum.FillBytes(make([]byte, 32))
	slices.Reverse(malleable)
	require.Error(t, verify(append(slices.Clone(signature[:32]), malleable...)))

	for _, key := range []ed25519.PublicKey{nil, public[:31], append(slices.Clone(public), 0)} {
		_, err := webhook.New(webhook.Config{Scheme: webhook.Discord(), Keys: []webhook.Key{{Public: key}}})
		require.Error(t, err)
	}
}

// For a key of small order everybody can make a signature: R and S of zero fit
// one message in eight at least.
func TestAttackSmallOrderKeys(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			key, err := hex.DecodeString(text)
			require.NoError(t, err)
			key[31] |= sign
			_, err = webhook.New(webhook.Config{Scheme: webhook.Discord(), Keys: webhook.Keys(hex.EncodeToString(key))})
			require.ErrorContains(t, err, "small order")
		}
		key, _ := hex.DecodeString(text)
		forged := append([]byte{1}, make([]byte, 63)...)
		fits := false
		for i := range 256 {
			fits = fits || ed25519.Verify(key, []byte(strconv.Itoa(i)), forged)
		}
		require.True(t, fits, "%s is worth refusing", text)
	}
}

func TestAttackECDSA(t *testing.T) {
	t.Parallel()
	s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.SendGrid()})
	require.NoError(t, err)
	v, err := webhook.New(webhook.Config{Scheme: webhook.SendGrid(), Keys: []webhook.Key{s.Key()}})
	require.NoError(t, err)
	req, err := s.Request(hookURL, []byte(`[]`), now)
	require.NoError(t, err)
	const name = "X-Twilio-Email-Event-Webhook-Signature"
	good, err := base64.StdEncoding.DecodeString(req.Header.Get(name))
	require.NoError(t, err)
	verify := func(der []byte) error {
		req.Header.Set(name, base64.StdEncoding.EncodeToString(der))
		_, err := v.VerifyAt(req, []byte(`[]`), now)
		return err
	}
	require.NoError(t, verify(good))
	type rs struct{ R, S *big.Int }
	var parts rs
	_, err = asn1.Unmarshal(good, &parts)
	require.NoError(t, err)
	n := elliptic.P256().Params().N
	for what, p := range map[string]rs{
		"r is 0":         {new(big.Int), parts.S},
		"s is 0":         {parts.R, new(big.Int)},
		"both are 0":     {new(big.Int), new(big.Int)},
		"r is n":         {n, parts.S},
		"s beyond n":     {parts.R, new(big.Int).Add(parts.S, n)},
		"negative":       {new(big.Int).Neg(parts.R), parts.S},
		"the other ones": {parts.S, parts.R},
	} {
		der, err := asn1.Marshal(p)
		require.NoError(t, err)
		require.Error(t, verify(der), what)
	}
	require.Error(t, verify(append(slices.Clone(good), 0)), "something after it")
	long := append([]byte{good[0], 0x81}, good[1:]...) // a length in the long form
	require.Error(t, verify(long))
	require.Error(t, verify(nil))
}

func TestAttackToken(t *testing.T) {
	t.Parallel()
	v := verifier(t, webhook.GitLabToken())
	for text, ok := range map[string]bool{secret: true, secret[1:]: false, secret + "x": false, "": false, strings.ToUpper(secret): false} {
		_, err := v.Verify(post("X-Gitlab-Token", text), []byte(`{}`))
		require.Equal(t, ok, err == nil)
	}
}

// Each character of a signature counts, whatever its length: none is skipped at
// the end of a comparison that goes by words.
func TestAttackEveryCharacter(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []webhook.Algorithm{webhook.HMACSHA1, webhook.HMACSHA256, webhook.HMACSHA512} {
		for encoding := webhook.Hex; encoding <= webhook.RawBase64URL; encoding++ {
			s, err := webhooktest.New(webhooktest.Config{Secret: secret, Scheme: webhook.Scheme{
				Name:     "any",
				Headers:  []string{"Signature"},
				Versions: []webhook.Version{{Algorithm: algorithm}},
				Encoding: encoding,
				Signed:   "{body}",
			}})
			require.NoError(t, err)
			req, err := s.Request(hookURL, []byte("{}"), now)
			require.NoError(t, err)
			good := req.Header.Get("Signature")
			v, err := webhook.NewHMACVerifier(webhook.HMACConfig{
				Secrets: []webhook.Secret{webhook.NewSecret(secret)}, Algorithm: algorithm, Encoding: encoding,
			})
			require.NoError(t, err)
			require.NoError(t, v.Verify([]byte("{}"), good))
			for i := range good {
				for bit := range 7 {
					bad := []byte(good)
					bad[i] ^= 1 << bit
					require.Error(t, v.Verify([]byte("{}"), string(bad)), "%s: %q", algorithm, bad)
				}
				require.ErrorIs(t, v.Verify([]byte("{}"), good[:i]+good[i+1:]), webhook.ErrBadSignature)
			}
			require.ErrorIs(t, v.Verify([]byte("{}"), good+"0"), webhook.ErrBadSignature)
		}
	}
}
