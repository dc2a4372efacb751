package httpsig_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/httpsig"
)

// A dictionary that was read is written in a form that is read as the same.
func FuzzDictionary(f *testing.F) {
	for _, seed := range []string{
		`a=1, b;x;y=?0, c=(a "b" :AA==:;z);q=-1.50`, `sig1=("@method" "@query-param";name="x");created=1;keyid="k"`,
		`a=(`, `a="\"\\"`, `a=1,`, `a=1,a=2`, `A=1`, `a=00.0`, `a=-`, `a=1234567890123456`, "a=\x80", `a=::`, `a=:A:`, `*=*`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, ok := httpsig.Canonical(s)
		if !ok {
			return
		}
		twice, ok := httpsig.Canonical(once)
		require.True(t, ok, "%q", once)
		require.Equal(t, once, twice)
	})
}

// Whatever the fields are, only what we signed is good.
func FuzzVerify(f *testing.F) {
	s := newSigner(f, httpsig.Config{Secret: hidden(secret), KeyID: "k", Lifetime: -1, NoNonce: true})
	good := received(f, s.Wrap, newRequest(f, "GET", "https://api.example.com/", ""))
	input, signature := good.Header.Get("Signature-Input"), good.Header.Get("Signature")
	f.Add(input, signature, "/")
	f.Add(strings.Replace(input, `"@path"`, `"@query-param";name="x"`, 1), signature, "/?x=1")
	f.Add(`sig1=(:AA==: "x";key=:AA==:);created=1`, signature, "/")
	f.Fuzz(func(t *testing.T, in, out, target string) {
		v := newVerifier(t, httpsig.VerifierConfig{Keys: secrets(t, secret2)})
		req := good.Clone(t.Context())
		req.Header = http.Header{"Signature-Input": {in}, "Signature": {out}}
		req.RequestURI = target
		_, err := v.VerifyRequest(req)
		require.ErrorIs(t, err, httpsig.ErrInvalid)
	})
}
