package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/gob"
	"encoding/pem"
	"encoding/xml"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/httpsig"
	"github.com/holdfast-go/holdfast/auth/jwt"
	"github.com/holdfast-go/holdfast/auth/mtls"
	"github.com/holdfast-go/holdfast/auth/oauth"
)

// secretless are the exported structs that hold no secret of the program: events,
// states, what others have sent, and errors, which have tests of their own.
var secretless = []string{
	"auth.CacheHooks", "auth.CacheSnapshot", "auth.Error", "auth.Event", "auth.Fetch", "auth.Hooks", "auth.TokenError",
	"httpsig.Error", "httpsig.Fields", "httpsig.Parts", "httpsig.Scheme", "httpsig.SignError", "httpsig.Signature",
	"jwt.Claims", "jwt.Error", "jwt.Fetch", "jwt.HandlerConfig", "jwt.Hooks", "jwt.JWS", "jwt.KeysError", "jwt.Snapshot", "jwt.Token",
	"mtls.Hooks", "mtls.Rotation", "mtls.Snapshot",
	"oauth.AnswerError", "oauth.AssertionRequest", "oauth.CodeConfig", "oauth.DiscoverConfig", "oauth.Endpoints",
	"oauth.LoopbackConfig", "oauth.Metadata", "oauth.Params", "oauth.RefreshHooks",
	// What an oauth.ClientAuth puts its secrets into, as it would into an
	// http.Request.
	"oauth.ClientRequest",
}

// Nothing in auth and the packages below it prints a secret that it was given,
// and no type is forgotten here.
func TestNoTypePrintsItsSecret(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	secret := auth.NewSecret(canary.Secret("secret"))
	seed := []byte(canary.Secret("seed"))[:ed25519.SeedSize]
	canary.Add("most of the seed", string(seed))
	edKey := ed25519.NewKeyFromSeed(seed)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	d, err := ecKey.Bytes()
	require.NoError(t, err)
	canary.Add("EC key", string(d))
	canary.Add("EC key as a number", new(big.Int).SetBytes(d).String())

	known := slices.Clone(secretless)
	check := func(where string, v any) {
		canary.Check(t, where, v)
		for form, text := range marshalled(v) {
			canary.Check(t, where+", "+form, text)
		}
	}
	for _, v := range slices.Concat(ofAuth(t, secret), ofOAuth(t, secret), ofSigners(t, secret, nil), ofSigners(t, secret, edKey), ofSigners(t, secret, ecKey), ofMTLS(t, edKey)) {
		name := strings.TrimPrefix(reflect.TypeOf(v).String(), "*")
		known = append(known, name)
		check(name, v)
		check(name+" in a slice", []any{v})
		check(name+" in a map", map[string]any{"v": v})
		check(name+" in a field", struct{ V any }{v})
	}
	// Package fmt calls no method of an unexported field.
	for _, v := range slices.Concat(ofAuth(t, secret), ofOAuth(t, secret), ofSigners(t, secret, nil)) {
		check(reflect.TypeOf(v).String()+" in an unexported field", struct{ v any }{v})
	}
	require.Subset(t, known, exportedStructs(t, ".", "httpsig", "jwt", "mtls", "oauth"))
}

// ofAuth returns a value of each type of package auth that has a secret.
func ofAuth(t *testing.T, secret auth.Secret) []any {
	t.Helper()
	token := &auth.Token{AccessToken: secret, RefreshToken: secret, Extra: map[string]auth.Secret{"id_token": secret}}
	cacheConfig := auth.CacheConfig{Source: auth.SourceFunc(func(context.Context) (*auth.Token, error) { return token, nil })}
	cache := newCache(t, cacheConfig)
	config := auth.Config{Authorizer: auth.Bearer(cache)}
	guard := newGuard(t, config)
	_, err := post(t, guard.Wrap(atOnce()), nil) // it has a token now
	require.NoError(t, err)
	fileConfig := auth.KeyFileConfig{Path: filepath.Join(t.TempDir(), "key")}
	require.NoError(t, os.WriteFile(fileConfig.Path, []byte(secret.Reveal()), 0o600))
	file, err := auth.NewKeyFile(fileConfig)
	require.NoError(t, err)
	keys := auth.Keys{First: secret, Second: secret}
	return []any{
		secret, &secret, *token, token, keys,
		auth.KeyConfig{Keys: keys},
		auth.BasicConfig{User: secret, Password: secret},
		config, guard, cacheConfig, cache, fileConfig, file,
	}
}

// ofOAuth is ofAuth for package oauth.
func ofOAuth(t *testing.T, secret auth.Secret) []any {
	t.Helper()
	server := authtest.NewServer(authtest.ServerConfig{})
	t.Cleanup(server.Close)
	config := oauth.Config{
		Endpoints: oauth.Endpoints{Token: server.URL("token"), Device: server.URL("device"), Authorization: server.URL("authorize")},
		ClientID:  "client", Auth: oauth.SecretBasic(secret), Transport: server.Transport(),
	}
	client, err := oauth.New(config)
	require.NoError(t, err)
	code, err := client.StartCode(oauth.CodeConfig{RedirectURI: "https://app.example/back"})
	require.NoError(t, err)
	device, err := client.StartDevice(t.Context(), oauth.Params{})
	require.NoError(t, err)
	files := oauth.FileStoreConfig{Dir: filepath.Join(t.TempDir(), "new"), SealKey: auth.NewSecret(secret.Reveal()[:32])}
	fileStore, err := oauth.NewFileStore(files)
	require.NoError(t, err)
	memory := &oauth.MemoryStore{}
	record := oauth.Record{Token: &auth.Token{AccessToken: secret, RefreshToken: secret, ExpiresIn: time.Hour}}
	record.Version, err = memory.Save(t.Context(), "k", record)
	require.NoError(t, err)
	refresh := oauth.RefreshConfig{Store: memory, Key: "k"}
	refresher, err := client.Refresher(refresh)
	require.NoError(t, err)
	source := auth.SourceFunc(func(context.Context) (*auth.Token, error) { return record.Token, nil })
	assertion := func(context.Context, oauth.AssertionRequest) (auth.Secret, error) { return secret, nil }
	return []any{
		config, client, code, device, files, fileStore, memory, record, refresh, refresher,
		oauth.JWTBearerConfig{Assertion: assertion},
		oauth.ExchangeConfig{Subject: source, Actor: source},
	}
}

// ofSigners is ofAuth for the packages that sign, with a private key if there is
// one, else with the secret.
func ofSigners(t *testing.T, secret auth.Secret, key crypto.Signer) []any {
	t.Helper()
	mint := jwt.MinterConfig{Secret: secret, KeyID: "k"}
	sign := httpsig.Config{Secret: secret, KeyID: "k"}
	var values []any
	if key != nil {
		mint, sign = jwt.MinterConfig{Key: key}, httpsig.Config{Key: key}
		values = append(values, oauth.MintConfig{Key: key})
	}
	minter, err := jwt.NewMinter(mint)
	require.NoError(t, err)
	signer, err := httpsig.New(sign)
	require.NoError(t, err)
	verifies, err := jwt.SecretKey("k", jwt.HS256, secret)
	require.NoError(t, err)
	jwks := jwt.JWKSConfig{URL: "https://issuer.example/keys"}
	fetched, err := jwt.NewJWKS(jwks)
	require.NoError(t, err)
	tokens := jwt.Config{Keys: jwt.KeySet{verifies}, Algorithms: []jwt.Algorithm{jwt.HS256}, Issuer: "i", Audiences: []string{"a"}}
	tokenVerifier, err := jwt.New(tokens)
	require.NoError(t, err)
	hmacConfig := httpsig.HMACConfig{Secret: secret, KeyID: "k"}
	hmac, err := httpsig.NewHMAC(hmacConfig)
	require.NoError(t, err)
	checks, err := httpsig.SecretKey(secret)
	require.NoError(t, err)
	keys := httpsig.Keys(map[string][]httpsig.Key{"k": {checks}})
	verifierConfig, hmacVerifierConfig := httpsig.VerifierConfig{Keys: keys}, httpsig.HMACVerifierConfig{Keys: keys}
	verifier, err := httpsig.NewVerifier(verifierConfig)
	require.NoError(t, err)
	hmacVerifier, err := httpsig.NewHMACVerifier(hmacVerifierConfig)
	require.NoError(t, err)
	return append(values,
		mint, minter, verifies, &verifies, tokens, tokenVerifier, jwks, fetched,
		sign, signer, hmacConfig, hmac, checks, &checks, verifierConfig, verifier, hmacVerifierConfig, hmacVerifier,
	)
}

// ofMTLS is ofAuth for package mtls.
func ofMTLS(t *testing.T, key crypto.Signer) []any {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	material := mtls.Material{
		CertPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		KeyPEM:  auth.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))),
	}
	config := mtls.Config{Load: func(context.Context) (mtls.Material, error) { return material, nil }}
	transport, err := mtls.New(config)
	require.NoError(t, err)
	return []any{material, mtls.Material{CertPEM: material.CertPEM, Signer: key}, config, transport}
}

// marshalled returns v in the ways that authtest does not know.
func marshalled(v any) map[string]string {
	var inXML, inGob, inTemplate bytes.Buffer
	// Most of these cannot be marshalled. What is there before that is noticed
	// counts.
	_ = xml.NewEncoder(&inXML).Encode(v)
	_ = gob.NewEncoder(&inGob).Encode(v)
	_ = template.Must(template.New("").Parse(`{{.}} {{printf "%#v %d" . .}} {{html .}} {{js .}} {{urlquery .}}`)).Execute(&inTemplate, v)
	return map[string]string{"XML": inXML.String(), "gob": inGob.String(), "template": inTemplate.String()}
}

// exportedStructs returns the exported types of packages that are structs.
func exportedStructs(t *testing.T, dirs ...string) []string {
	t.Helper()
	var names []string
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() && !strings.HasSuffix(name, "_test.go") {
					if _, ok := spec.Type.(*ast.StructType); ok {
						names = append(names, file.Name.Name+"."+spec.Name.Name)
					}
				}
				return true
			})
		}
	}
	require.NotEmpty(t, names)
	return names
}
