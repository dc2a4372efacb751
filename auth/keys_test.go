package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// authorized returns a request with the credentials of a.
func authorized(t testing.TB, a auth.Authorizer, u string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, u, nil)
	require.NoError(t, err)
	require.NoError(t, a.Authorize(t.Context(), req))
	return req
}

func pair(first, second string) auth.Keys {
	return auth.Keys{First: auth.NewSecret(first), Second: auth.NewSecret(second)}
}

func newKey(t testing.TB, c auth.KeyConfig) auth.Authorizer {
	t.Helper()
	a, err := auth.APIKey(c)
	require.NoError(t, err)
	return a
}

func TestAPIKeyPlaces(t *testing.T) {
	t.Parallel()
	key := pair("k&e y="[:3]+"/+~", "")
	a := newKey(t, auth.KeyConfig{Name: "x-api-key", Prefix: "Token token ", Keys: key})
	require.Equal(t, "Token token k&e/+~", authorized(t, a, "https://x/").Header.Get("X-Api-Key"))
	require.Equal(t, "auth.APIKey", fmt.Sprintf("%v", a))
	a = newKey(t, auth.KeyConfig{Place: auth.InQuery, Name: "my key", Keys: key})
	require.Equal(t, "https://x/?my+key=k%26e%2F%2B~", authorized(t, a, "https://x/").URL.String())
	require.Equal(t, "https://x/?&&b=%zz&c&my+key=k%26e%2F%2B~", authorized(t, a, "https://x/?&my+key=1&&b=%zz&my%20key&c").URL.String())
	a = newKey(t, auth.KeyConfig{Place: auth.InCookie, Name: "sid", Keys: key})
	require.Equal(t, []string{"sid=k&e/+~"}, authorized(t, a, "https://x/").Header["Cookie"])
}

func TestAPIKeyReportsAllMistakes(t *testing.T) {
	t.Parallel()
	canary := authtest.NewCanary()
	canary.Add("key", "se cret\n")
	for name, c := range map[string]struct {
		config auth.KeyConfig
		fields []string
	}{
		"nothing":         {auth.KeyConfig{}, []string{"Name", "Keys"}},
		"no keys":         {auth.KeyConfig{Name: "X", Keys: (*auth.KeyFile)(nil)}, []string{"Keys"}},
		"bad place":       {auth.KeyConfig{Place: 9, Name: "x", Keys: pair("k", "")}, []string{"Place"}},
		"bad name":        {auth.KeyConfig{Name: "X Key", Keys: pair("k", "")}, []string{"Name"}},
		"CRLF":            {auth.KeyConfig{Name: "X\r\nKey", Keys: pair("k", "")}, []string{"Name"}},
		"field of HTTP":   {auth.KeyConfig{Name: "content-length", Keys: pair("k", "")}, []string{"Name"}},
		"bad prefix":      {auth.KeyConfig{Name: "X", Prefix: "a\r\n", Keys: pair("k", "")}, []string{"Prefix"}},
		"prefix in query": {auth.KeyConfig{Place: auth.InQuery, Name: "X", Prefix: "a", Keys: pair("k", "")}, []string{"Prefix"}},
		"empty key":       {auth.KeyConfig{Name: "X", Keys: pair("", "k")}, []string{"Keys: the first key is empty"}},
		"bad keys":        {auth.KeyConfig{Name: "X", Keys: pair("se cret\n", "se cret\n"), MinSwitch: -1}, []string{"MinSwitch", "key 1", "key 2"}},
		"bad cookie":      {auth.KeyConfig{Place: auth.InCookie, Name: "X", Keys: pair("a;b", "")}, []string{"key 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.APIKey(c.config)
			for _, field := range c.fields {
				require.ErrorContains(t, err, field)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(c.fields))
			canary.Check(t, "error", err)
		})
	}
}

// Keys are rotated while requests go on: none fails.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]auth.Place{"header": auth.InHeader, "query": auth.InQuery, "cookie": auth.InCookie} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				accepted := "old-key"
				var mu sync.Mutex
				sent := 0
				server := rttest.Func(func(req *http.Request) (*http.Response, error) {
					time.Sleep(10 * time.Millisecond)
					mu.Lock()
					defer mu.Unlock()
					sent++
					got := req.Header.Get("X-Key") + req.URL.Query().Get("X-Key")
					if c, err := req.Cookie("X-Key"); err == nil {
						got += c.Value
					}
					resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: req}
					if got == accepted {
						resp.StatusCode = http.StatusOK
					}
					return resp, nil
				})
				rt := newGuard(t, auth.Config{Authorizer: newKey(t, auth.KeyConfig{Place: place, Name: "X-Key", Keys: pair("new-key", "old-key")})}).Wrap(server)
				burst := func(want int) {
					var wg sync.WaitGroup
					for i := range 20 {
						wg.Go(func() {
							time.Sleep(time.Duration(i) * time.Millisecond)
							resp, err := post(t, rt, strings.NewReader("x"))
							require.NoError(t, err)
							require.Equal(t, want, resp.StatusCode)
						})
					}
					wg.Wait()
				}
				burst(http.StatusOK)
				time.Sleep(time.Minute)
				sent = 0
				burst(http.StatusOK)
				require.Equal(t, 20, sent, "the key that works is remembered")
				accepted = "new-key"
				burst(http.StatusOK)
				time.Sleep(time.Minute)
				sent = 0
				burst(http.StatusOK)
				require.Equal(t, 20, sent)

				accepted, sent = "another", 0
				for range 10 {
					burst(http.StatusUnauthorized)
				}
				require.Less(t, sent, 250, "two bad keys are not tried twice each time")
			})
		})
	}
}

func TestKeySourceThatFails(t *testing.T) {
	t.Parallel()
	failure := errors.New("vault is sealed")
	for name, keys := range map[string]keyFunc{
		"error":   func() (auth.Keys, error) { return auth.Keys{}, failure },
		"empty":   func() (auth.Keys, error) { return auth.Keys{}, nil },
		"invalid": func() (auth.Keys, error) { return pair("a\nb", ""), nil },
	} {
		s := rttest.NewScript()
		rt := newGuard(t, auth.Config{Authorizer: newKey(t, auth.KeyConfig{Name: "X-Key", Keys: keys})}).Wrap(s)
		for range 2 { // it must not hold its lock
			_, err := post(t, rt, strings.NewReader("x"))
			require.Error(t, err, name)
		}
		require.Empty(t, s.Calls())
	}
}

type keyFunc func() (auth.Keys, error)

func (f keyFunc) Keys(context.Context) (auth.Keys, error) { return f() }

func TestEnvKeys(t *testing.T) {
	t.Setenv("HOLDFAST_KEY", " first\n")
	t.Setenv("HOLDFAST_OLD_KEY", "second")
	t.Setenv("HOLDFAST_EMPTY", " ")
	t.Setenv("HOLDFAST_BAD", "canary with spaces")
	keys, err := auth.EnvKeys("HOLDFAST_KEY", "HOLDFAST_OLD_KEY")
	require.NoError(t, err)
	require.Equal(t, "first", keys.First.Reveal())
	require.Equal(t, "second", keys.Second.Reveal())
	keys, err = auth.EnvKeys("HOLDFAST_KEY", "")
	require.NoError(t, err)
	require.True(t, keys.Second.IsZero())
	keys, err = auth.EnvKeys("HOLDFAST_KEY", "HOLDFAST_NOT_SET")
	require.NoError(t, err)
	require.True(t, keys.Second.IsZero())
	for _, name := range []string{"HOLDFAST_EMPTY", "HOLDFAST_NOT_SET", "HOLDFAST_BAD"} {
		_, err = auth.EnvKeys(name, "")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
	}
}
