package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/jwt"
)

// parts returns the header and the claims of a token.
func parts(t testing.TB, token string) (header string, claims map[string]any) {
	t.Helper()
	head, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	require.NoError(t, json.Unmarshal(raw(t, body), &claims))
	return string(raw(t, head)), claims
}

func TestMint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1500 * time.Millisecond)
		extra := map[string]any{"tenant": "t1"}
		m := minter(t, jwt.MinterConfig{
			Key: edPriv(), KeyID: "k1", Type: "JWT", Backdate: 10 * time.Second,
			Claims: jwt.Claims{Issuer: "me", Subject: "me", Audience: []string{"you"}, Scope: []string{"a", "b"}, Extra: extra},
		})
		extra["tenant"] = "changed"
		now := time.Now()
		token, expiry, err := m.Mint(t.Context())
		require.NoError(t, err)
		require.Equal(t, now.Add(jwt.DefaultLifetime).Truncate(time.Second), expiry)
		header, got := parts(t, token)
		require.JSONEq(t, `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`, header)
		require.NotEmpty(t, got["jti"])
		delete(got, "jti")
		require.Equal(t, map[string]any{
			"iss": "me", "sub": "me", "aud": "you", "scope": "a b", "tenant": "t1",
			"iat": float64(now.Add(-10 * time.Second).Unix()), "exp": float64(expiry.Unix()),
		}, got)
		again, _, err := m.Mint(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, token, again, "each has an id of its own")
	})
}

func TestPresets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := float64(time.Now().Unix())
		for name, tt := range map[string]struct {
			config jwt.MinterConfig
			header string
			claims map[string]any
		}{
			"GitHub App": {
				jwt.GitHubApp("Iv1.abc", rsaKey()), `{"alg":"RS256"}`,
				map[string]any{"iss": "Iv1.abc", "iat": now - 60, "exp": now + 540},
			},
			"Google service account": {
				jwt.GoogleServiceAccount("a@b.iam.gserviceaccount.com", "k1", rsaKey(), "scope1", "scope2"), `{"alg":"RS256","kid":"k1","typ":"JWT"}`,
				map[string]any{
					"iss": "a@b.iam.gserviceaccount.com", "aud": "https://oauth2.googleapis.com/token", "scope": "scope1 scope2",
					"iat": now, "exp": now + 3600,
				},
			},
			"Google, self-signed": {
				jwt.GoogleSelfSigned("a@b.iam.gserviceaccount.com", "k1", rsaKey(), "scope1"), `{"alg":"RS256","kid":"k1","typ":"JWT"}`,
				map[string]any{
					"iss": "a@b.iam.gserviceaccount.com", "sub": "a@b.iam.gserviceaccount.com", "scope": "scope1",
					"iat": now, "exp": now + 3600,
				},
			},
			"self-signed": {
				jwt.SelfSigned("orders", "billing", "k1", p256()), `{"alg":"ES256","kid":"k1","typ":"JWT"}`,
				map[string]any{"iss": "orders", "sub": "orders", "aud": "billing", "iat": now, "exp": now + 300},
			},
		} {
			token, _, err := minter(t, tt.config).Mint(t.Context())
			require.NoError(t, err)
			header, got := parts(t, token)
			delete(got, "jti")
			require.JSONEq(t, tt.header, header, name)
			require.Equal(t, tt.claims, got, name)
		}
	})
	_, err := jwt.NewMinter(jwt.GitHubApp("1", p256()))
	require.ErrorContains(t, err, "does not go with")
}

func TestNewMinter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config jwt.MinterConfig
		want   []string
	}{
		"no key":    {jwt.MinterConfig{}, []string{"no Key and no Secret"}},
		"nil RSA":   {jwt.MinterConfig{Key: (*rsa.PrivateKey)(nil)}, []string{"the key is empty"}},
		"nil EC":    {jwt.MinterConfig{Key: (*ecdsa.PrivateKey)(nil)}, []string{"the key is empty"}},
		"short Ed":  {jwt.MinterConfig{Key: ed25519.PrivateKey(secret)[:32]}, []string{"the key is empty"}},
		"empty RSA": {jwt.MinterConfig{Key: &rsa.PrivateKey{}}, []string{"the RSA key is empty"}},
		"two keys":  {jwt.MinterConfig{Key: edPriv(), Secret: hidden(secret)}, []string{"a Key and a Secret"}},
		"weak":      {jwt.MinterConfig{Secret: hidden(secret[:31])}, []string{"does not go with"}},
		"wrong alg": {jwt.MinterConfig{Key: p256(), Algorithm: jwt.ES384}, []string{"does not go with"}},
		"all wrong": {jwt.MinterConfig{
			Key: p256(), Algorithm: "none", Lifetime: time.Millisecond, Backdate: -1,
			Claims: jwt.Claims{ID: "1", Extra: map[string]any{"exp": 1}},
		}, []string{`"none"`, "Lifetime", "Backdate", "times or an ID", `"exp"`}},
		"long id":  {jwt.MinterConfig{Key: p256(), KeyID: strings.Repeat("k", 300)}, []string{"key id"}},
		"not JSON": {jwt.MinterConfig{Key: p256(), Claims: jwt.Claims{Extra: map[string]any{"x": math.NaN()}}}, []string{"JSON cannot hold"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jwt.NewMinter(tt.config)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

// brokenSigner is a key that lives elsewhere, and does not answer as it should.
type brokenSigner struct {
	crypto.Signer
	answer []byte
	err    error
}

func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.answer, s.err
}

func TestBrokenSigner(t *testing.T) {
	t.Parallel()
	broken := errors.New("the service is down")
	_, _, err := minter(t, jwt.MinterConfig{Key: brokenSigner{Signer: p256(), err: broken}}).Mint(t.Context())
	require.ErrorIs(t, err, broken)
	for _, answer := range []string{"", "\x30\x00", "\x30\x06\x02\x01\x00\x02\x01\x01", "\x30\x06\x02\x01\x01\x02\x01\x01x", "\x30\x06\x02\x01\xff\x02\x01\x01", strings.Repeat("x", 64)} {
		_, _, err := minter(t, jwt.MinterConfig{Key: brokenSigner{Signer: p256(), answer: []byte(answer)}}).Mint(t.Context())
		require.ErrorContains(t, err, "no ECDSA signature", "%x", answer)
	}
	// Small numbers are filled up to the size of the curve.
	token, _, err := minter(t, jwt.MinterConfig{Key: brokenSigner{Signer: p521(), answer: []byte("\x30\x06\x02\x01\x01\x02\x01\x02")}}).Mint(t.Context())
	require.NoError(t, err)
	require.Len(t, raw(t, token[strings.LastIndexByte(token, '.')+1:]), 132)
}

// optsSigner notes what it was asked for.
type optsSigner struct {
	crypto.Signer
	opts *crypto.SignerOpts
}

func (s optsSigner) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	*s.opts = opts
	return s.Signer.Sign(r, digest, opts)
}

func TestSignerOptions(t *testing.T) {
	t.Parallel()
	var opts crypto.SignerOpts
	sign(t, minter(t, jwt.MinterConfig{Key: optsSigner{rsaKey(), &opts}, Algorithm: jwt.PS384}), claims())
	require.Equal(t, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA384}, opts)
	sign(t, minter(t, jwt.MinterConfig{Key: optsSigner{edPriv(), &opts}}), claims())
	require.Zero(t, opts.HashFunc())
}

func TestMintWithoutContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	_, _, err := minter(t, jwt.MinterConfig{Secret: hidden(secret)}).Mint(ctx)
	require.Equal(t, gone, err)
}

func ExampleNewMinter() {
	m, err := jwt.NewMinter(jwt.MinterConfig{
		Secret: auth.NewSecret("a secret of at least thirty-two bytes"),
		Claims: jwt.Claims{Issuer: "orders", Audience: []string{"billing"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, _, err := m.Mint(context.Background())
	fmt.Println(strings.Count(token, "."), err)
	// Output: 2 <nil>
}

func BenchmarkMint(b *testing.B) {
	m := minter(b, jwt.MinterConfig{Key: edPriv()})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.Mint(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, key := range []crypto.Signer{edPriv(), p256(), rsaKey()} {
		m := minter(b, jwt.MinterConfig{Key: key, KeyID: "k"})
		v := verifier(b, jwt.KeySet{publicKey(b, "k", "", key.Public())}, jwt.EdDSA, jwt.ES256, jwt.RS256)
		c := claims()
		c.Expiry = c.Expiry.Add(time.Hour)
		token := sign(b, m, c)
		b.Run(fmt.Sprintf("%T", key), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
