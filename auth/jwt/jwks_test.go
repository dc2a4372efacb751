package jwt_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth/jwt"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// edSigner returns a key that its number makes.
func edSigner(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32))
}

// edSet is a set of the keys with these numbers, with the ids "k1" and so on.
func edSet(numbers ...byte) string {
	var keys []string
	for _, n := range numbers {
		x := base64.RawURLEncoding.EncodeToString(edSigner(n).Public().(ed25519.PublicKey))
		keys = append(keys, fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"k%d","alg":"EdDSA","use":"sig","x":%q}`, n, x))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

// server answers requests for the set.
type server struct {
	body    atomic.Value // string
	status  atomic.Int64
	latency time.Duration
	fetches atomic.Int64
}

func serve(body string) *server {
	s := &server{}
	s.body.Store(body)
	s.status.Store(200)
	return s
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	s.fetches.Add(1)
	script := rttest.NewScript(rttest.Step{Wait: s.latency, Status: int(s.status.Load()), Body: s.body.Load().(string)})
	return script.RoundTrip(req)
}

func newJWKS(t testing.TB, rt http.RoundTripper, c jwt.JWKSConfig) *jwt.JWKS {
	t.Helper()
	c.URL, c.Client = "https://issuer.example/jwks?key=hidden", &http.Client{Transport: rt}
	j, err := jwt.NewJWKS(c)
	require.NoError(t, err)
	return j
}

// tokenOf makes a token that key n has signed under the given id.
func tokenOf(t testing.TB, n byte, kid string) string {
	t.Helper()
	c := claims()
	c.Expiry = time.Now().Add(1000 * time.Hour)
	return sign(t, minter(t, jwt.MinterConfig{Key: edSigner(n), KeyID: kid}), c)
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1, 2))
		s.latency = time.Second
		j := newJWKS(t, s, jwt.JWKSConfig{})
		require.Zero(t, s.fetches.Load(), "nothing is sent before it is needed")
		v := verifier(t, j, jwt.EdDSA)
		token := tokenOf(t, 1, "k1")
		// A hundred callers at the start cost one fetch.
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, s.fetches.Load())
		_, err := v.Verify(t.Context(), tokenOf(t, 2, ""))
		require.NoError(t, err)
		got := j.Snapshot()
		require.Equal(t, []string{"k1", "k2"}, got.KeyIDs)
		require.EqualValues(t, 1, got.Fetches)
		require.Zero(t, got.Failures)

		// An old set is replaced in the background.
		s.body.Store(edSet(2, 3))
		time.Sleep(jwt.DefaultRefresh)
		began := time.Now()
		_, err = v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, began, time.Now(), "nobody waits for it")
		time.Sleep(2 * time.Second)
		_, err = v.Verify(t.Context(), token)
		requireReason(t, jwt.UnknownKey, err)
		_, err = v.Verify(t.Context(), tokenOf(t, 3, "k3"))
		require.NoError(t, err)
	})
}

// A bad signature is no reason to ask for the keys again.
func TestJWKSBadSignature(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1, 2))
		v := verifier(t, newJWKS(t, s, jwt.JWKSConfig{}), jwt.EdDSA)
		forged := tokenOf(t, 9, "k1")
		for range 1000 {
			_, err := v.Verify(t.Context(), forged)
			requireReason(t, jwt.BadSignature, err)
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 1, s.fetches.Load())
	})
}

func TestJWKSFloodOfUnknownIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1))
		j := newJWKS(t, s, jwt.JWKSConfig{Refresh: time.Hour})
		v := verifier(t, j, jwt.EdDSA)
		forged := tokenOf(t, 9, "x")
		_, rest, _ := strings.Cut(forged, ".")
		began := time.Now()
		for i := range 10_000 {
			_, err := v.Verify(t.Context(), b64(fmt.Sprintf(`{"alg":"EdDSA","kid":"x%d"}`, i))+"."+rest)
			requireReason(t, jwt.UnknownKey, err)
		}
		require.Equal(t, began, time.Now(), "nobody waits for the limit")
		require.EqualValues(t, 1, s.fetches.Load())

		// The flood goes on and a new key comes: it gets in after one interval.
		s.body.Store(edSet(1, 2))
		fresh := tokenOf(t, 2, "k2")
		_, err := v.Verify(t.Context(), fresh)
		requireReason(t, jwt.UnknownKey, err)
		for i := range 310 {
			time.Sleep(100 * time.Millisecond)
			_, err := v.Verify(t.Context(), b64(fmt.Sprintf(`{"alg":"EdDSA","kid":"y%d"}`, i))+"."+rest)
			requireReason(t, jwt.UnknownKey, err)
		}
		require.EqualValues(t, 2, s.fetches.Load())
		_, err = v.Verify(t.Context(), fresh)
		require.NoError(t, err)
	})
}

func TestJWKSNewKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1))
		v := verifier(t, newJWKS(t, s, jwt.JWKSConfig{}), jwt.EdDSA)
		_, err := v.Verify(t.Context(), tokenOf(t, 1, "k1"))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		s.body.Store(edSet(1, 2))
		_, err = v.Verify(t.Context(), tokenOf(t, 2, "k2"))
		require.NoError(t, err, "at the first try")
		require.EqualValues(t, 2, s.fetches.Load())
	})
}

// One bad client asks for the same key for ever: it costs no fetch per interval.
func TestJWKSRemembersMisses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1))
		v := verifier(t, newJWKS(t, s, jwt.JWKSConfig{Refresh: time.Hour, MinInterval: time.Minute}), jwt.EdDSA)
		bad := tokenOf(t, 9, "k9")
		for range 119 { // just under two intervals
			_, err := v.Verify(t.Context(), bad)
			requireReason(t, jwt.UnknownKey, err)
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, s.fetches.Load())
		time.Sleep(2 * time.Second)
		_, err := v.Verify(t.Context(), bad)
		requireReason(t, jwt.UnknownKey, err)
		require.EqualValues(t, 2, s.fetches.Load())
	})
}

func TestJWKSOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1))
		var failures atomic.Int64
		j := newJWKS(t, s, jwt.JWKSConfig{MaxStale: 2 * time.Hour, Hooks: jwt.Hooks{Fetched: func(f jwt.Fetch) {
			if f.Err != nil {
				failures.Add(1)
			}
		}}})
		v := verifier(t, j, jwt.EdDSA)
		good, unknown := tokenOf(t, 1, "k1"), tokenOf(t, 2, "k2")
		_, err := v.Verify(t.Context(), good)
		require.NoError(t, err)
		s.status.Store(500)
		for range 100 { // an hour and forty minutes
			time.Sleep(time.Minute)
			_, err := v.Verify(t.Context(), good)
			require.NoError(t, err, "the last good set serves")
			synctest.Wait()
		}
		_, err = v.Verify(t.Context(), unknown)
		var e *jwt.KeysError
		require.ErrorAs(t, err, &e, "the key may be a new one")
		require.NotContains(t, err.Error(), "hidden")
		require.Contains(t, err.Error(), "https://issuer.example: status 500")
		require.Error(t, j.Snapshot().Err)
		require.Equal(t, int64(j.Snapshot().Failures), failures.Load())
		time.Sleep(20 * time.Minute)
		_, err = v.Verify(t.Context(), good)
		require.ErrorAs(t, err, &e, "the set is too old")
		n := s.fetches.Load()
		_, err = v.Verify(t.Context(), good)
		require.ErrorAs(t, err, &e, "and nothing is sent within the back-off")
		require.Equal(t, n, s.fetches.Load())

		s.status.Store(200)
		time.Sleep(jwt.DefaultMinInterval)
		_, err = v.Verify(t.Context(), good)
		require.NoError(t, err)
	})
}

func TestJWKSBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve("")
		s.status.Store(503)
		v := verifier(t, newJWKS(t, s, jwt.JWKSConfig{}), jwt.EdDSA)
		token := tokenOf(t, 1, "k1")
		for range 3600 {
			_, err := v.Verify(t.Context(), token)
			require.ErrorContains(t, err, "status 503")
			time.Sleep(time.Second)
		}
		// 1, 2, 4, 8 and 16 seconds, then every 30.
		require.InDelta(t, 125, s.fetches.Load(), 3)
	})
}

func TestJWKSCallersKeepTheirContexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(edSet(1))
		s.latency = 5 * time.Second
		v := verifier(t, newJWKS(t, s, jwt.JWKSConfig{}), jwt.EdDSA)
		token := tokenOf(t, 1, "k1")
		// The caller who starts the fetch goes away; the others get the set.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := v.Verify(t.Context(), token)
			if err != nil || time.Since(began) != 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
		_, err := v.Verify(ctx, token)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		wg.Wait()
		require.EqualValues(t, 1, s.fetches.Load())
	})
}

func TestJWKSHostileAnswers(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.WriteString(z, strings.Repeat(" ", 4<<20))
	_ = z.Close()
	for name, step := range map[string]rttest.Step{
		"HTML":         {Body: "<html>"},
		"empty":        {},
		"empty set":    {Body: `{"keys":[]}`},
		"oct only":     {Body: `{"keys":[{"kty":"oct","kid":"k1","k":"` + base64.RawURLEncoding.EncodeToString(secret) + `"}]}`},
		"too many":     {Body: `{"keys":[` + strings.Repeat("{},", 100_000) + `{}]}`},
		"64 MiB":       {Body: strings.Repeat(" ", 64<<20)},
		"endless":      {Body: strings.Repeat(" ", 1<<20), Endless: true},
		"slow drip":    {Body: " ", Endless: true, Drip: time.Second},
		"silent":       {Wait: time.Hour},
		"cut":          {Body: edSet(2)[:50], Cut: true},
		"no content":   {Status: 204},
		"not modified": {Status: 304},
		"broken":       {Err: errors.New("reset")},
		"panic":        {Panic: "transport"},
		"http":         {Status: 302, Header: []string{"Location", "http://issuer.example/jwks"}},
		"for ever":     {Status: 302, Header: []string{"Location", "/jwks"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := rttest.NewScript(rttest.Step{Body: edSet(1)}, step)
				j := newJWKS(t, script, jwt.JWKSConfig{})
				v := verifier(t, j, jwt.EdDSA)
				good := tokenOf(t, 1, "k1")
				_, err := v.Verify(t.Context(), good)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				began := time.Now()
				_, err = v.Verify(t.Context(), tokenOf(t, 2, "k2"))
				var e *jwt.KeysError
				require.ErrorAs(t, err, &e)
				require.LessOrEqual(t, time.Since(began), jwt.DefaultTimeout+time.Second)
				_, err = v.Verify(t.Context(), good)
				require.NoError(t, err, "the last good set stays")
				for _, call := range script.Calls() {
					require.Equal(t, "https", call.Request.URL.Scheme)
				}
				require.LessOrEqual(t, len(script.Calls()), 6)
				for _, b := range script.Bodies() {
					require.LessOrEqual(t, b.BytesRead(), 3<<20)
					require.NotZero(t, b.Closes())
				}
			})
		})
	}
	t.Run("gzip bomb", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			network := rttest.NewNetwork(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(bomb.Bytes())
			}))
			defer network.Close()
			j, err := jwt.NewJWKS(jwt.JWKSConfig{URL: "http://issuer.example/", Client: &http.Client{Transport: network.Transport}, DangerouslyAllowHTTP: true})
			require.NoError(t, err)
			_, err = j.Keys(t.Context(), "k1", jwt.EdDSA)
			require.ErrorContains(t, err, "at most 1048576 bytes")
			synctest.Wait()
		})
	})
}

// The user's own rule for redirects is asked, but cannot allow http.
func TestJWKSRedirects(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		location string
		check    func(*http.Request, []*http.Request) error
		want     string
	}{
		"https":            {"https://cdn.example/jwks", nil, ""},
		"refused":          {"https://cdn.example/jwks", func(*http.Request, []*http.Request) error { return errors.New("not there") }, "not there"},
		"http, though all": {"http://cdn.example/jwks", func(*http.Request, []*http.Request) error { return nil }, "not https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := rttest.NewScript(rttest.Step{Status: 307, Header: []string{"Location", tt.location}}, rttest.Step{Body: edSet(1)})
			j, err := jwt.NewJWKS(jwt.JWKSConfig{URL: "https://issuer.example/", Client: &http.Client{Transport: script, CheckRedirect: tt.check}})
			require.NoError(t, err)
			keys, err := j.Keys(t.Context(), "k1", jwt.EdDSA)
			if tt.want == "" {
				require.NoError(t, err)
				require.Len(t, keys, 1)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}
