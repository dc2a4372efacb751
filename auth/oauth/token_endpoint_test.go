package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/auth/authtest"
	"github.com/holdfast-go/holdfast/auth/oauth"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// configOf returns the configuration of a public client of s. Nothing is
// repeated.
func configOf(s *authtest.Server) oauth.Config {
	return oauth.Config{
		Endpoints: oauth.Endpoints{
			Issuer: s.Issuer(), RequireIss: true,
			Token: s.URL("token"), Authorization: s.URL("authorize"), Device: s.URL("device"), Revocation: s.URL("revoke"),
			PushedAuthorization: s.URL("par"),
		},
		ClientID:  "client",
		Auth:      oauth.Public(),
		Transport: s.Transport(),
		Retry:     retry.Config{MaxAttempts: -1},
	}
}

func newClient(t testing.TB, c oauth.Config) *oauth.Client {
	t.Helper()
	client, err := oauth.New(c)
	require.NoError(t, err)
	return client
}

func newCache(t testing.TB, c auth.CacheConfig) *auth.Cache {
	t.Helper()
	cache, err := auth.NewCache(c)
	require.NoError(t, err)
	return cache
}

func credentials(t testing.TB, c *oauth.Client) auth.Source {
	t.Helper()
	source, err := c.ClientCredentials(oauth.Params{Scopes: []string{"read"}})
	require.NoError(t, err)
	return source
}

var kinds = map[string]auth.Kind{"transient": auth.Transient, "permanent": auth.Permanent, "protocol": auth.Protocol}

func tokenError(t testing.TB, err error) *auth.TokenError {
	t.Helper()
	e, ok := errors.AsType[*auth.TokenError](err)
	require.True(t, ok, "%v", err)
	return e
}

// TestFaults sends each fault of the table to a caller without a token, and to
// one who has a token that is due to be renewed.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range authtest.TokenFaults() {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := authtest.NewServer(authtest.ServerConfig{})
				defer server.Close()
				source := credentials(t, newClient(t, configOf(server)))
				cache := newCache(t, auth.CacheConfig{Source: source})
				server.Fail(fault)
				token, err := cache.Token(t.Context())
				if fault.Want == "token" {
					require.NoError(t, err)
					require.Equal(t, []string{"read"}, token.Scopes)
					again, err := cache.Token(t.Context())
					require.NoError(t, err)
					require.Same(t, token, again, "one question is enough for now")
				} else {
					e := tokenError(t, err)
					require.Equal(t, kinds[fault.Want], e.Kind, "%v", err)
					require.NotContains(t, err.Error(), "fault-token")
					require.NotContains(t, err.Error(), "<html>")
					_, err = cache.Token(t.Context())
					require.Positive(t, tokenError(t, err).Wait, "who comes too soon learns that at once")
				}
				require.Len(t, server.Requests(), 1)

				// With a token that is good.
				server.Heal()
				renewing := newCache(t, auth.CacheConfig{Source: source, MinBackoff: time.Hour, MaxBackoff: time.Hour, PermanentFor: time.Hour})
				first, err := renewing.Token(t.Context())
				require.NoError(t, err)
				time.Sleep(56 * time.Minute)
				server.Fail(fault)
				before := time.Now()
				token, err = renewing.Token(t.Context())
				require.NoError(t, err)
				require.Same(t, first, token)
				require.Zero(t, time.Since(before), "no delay")
				synctest.Wait()
				if fault.Want != "token" {
					time.Sleep(3 * time.Minute)
					token, err = renewing.Token(t.Context())
					require.NoError(t, err)
					require.Same(t, first, token)
				}
				server.Close()
			})
		})
	}
}

func TestProtocolErrorNamesTheEndpointAndNotTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		c := configOf(server)
		c.Endpoints.Token += "?tenant=secret-tenant"
		server.Fail(authtest.Fault{Status: 200, Header: []string{"Content-Type", "text/html; charset=utf-8"}, Body: "<p>secret</p>"})
		_, err := credentials(t, newClient(t, c)).Token(t.Context())
		e, ok := errors.AsType[*oauth.AnswerError](err)
		require.True(t, ok)
		require.Equal(t, oauth.AnswerError{
			Endpoint: "https://as.example/token", Status: 200, ContentType: "text/html; charset=utf-8", Length: 13,
			Reason: "it is not JSON by its content type",
		}, *e)
		require.NotContains(t, err.Error(), "secret")
	})
}

func TestRetryAfterIsNotWaitedForButReported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		c := configOf(server)
		c.Retry = retry.Config{}
		source := credentials(t, newClient(t, c))
		server.Fail(authtest.Fault{Status: 429, Header: []string{"Retry-After", "120"}, Times: -1})
		before := time.Now()
		_, err := source.Token(t.Context())
		require.Equal(t, 2*time.Minute, tokenError(t, err).Wait)
		require.Zero(t, time.Since(before))
		require.Len(t, server.Requests(), 1)
	})
}

func TestFlappingServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]authtest.Fault{
		"refused":   {Refuse: true, Times: 2},
		"broken":    {Break: true, Times: 2},
		"hanging":   {Hang: true, Times: 2},
		"truncated": {Status: 200, Body: `{"access_token":"x"`, Cut: true, Times: 2},
		"500":       {Status: 500, Times: 2},
		"429":       {Status: 429, Header: []string{"Retry-After", "1"}, Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := authtest.NewServer(authtest.ServerConfig{})
				defer server.Close()
				c := configOf(server)
				c.Retry = retry.Config{}
				server.Fail(fault)
				_, err := credentials(t, newClient(t, c)).Token(t.Context())
				require.NoError(t, err)
				require.Len(t, server.Requests(), 3)
			})
		})
	}
}

func TestHangingServerAndTheCallersDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		server.Fail(authtest.Fault{Delay: 5 * time.Second})
		cache := newCache(t, auth.CacheConfig{Source: credentials(t, newClient(t, configOf(server)))})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		before := time.Now()
		_, err := cache.Token(ctx)
		require.Equal(t, auth.Canceled, tokenError(t, err).Kind)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(before))
		_, err = cache.Token(t.Context())
		require.NoError(t, err, "the question goes on")
		require.Len(t, server.Requests(), 1)
	})
}

func TestBreakerLeavesADeadServerAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := authtest.NewServer(authtest.ServerConfig{})
		defer server.Close()
		c := configOf(server)
		var err error
		c.Breaker, err = breaker.New(breaker.Config{ConsecutiveFailures: 2, Jitter: -1})
		require.NoError(t, err)
		server.Fail(authtest.Fault{Status: 500, Times: -1})
		source := credentials(t, newClient(t, c))
		for range 5 {
			_, err = source.Token(t.Context())
			require.Equal(t, auth.Transient, tokenError(t, err).Kind)
		}
		require.ErrorIs(t, err, breaker.ErrOpen)
		require.InDelta(t, 5*time.Second, tokenError(t, err).Wait, float64(time.Millisecond))
		require.Len(t, server.Requests(), 2)
	})
}

func TestServersTimeCountsForAssertionsAndTokens(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-time.Hour, time.Hour, 48 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			server := authtest.NewServer(authtest.ServerConfig{ClockAhead: ahead})
			defer server.Close()
			client := newClient(t, configOf(server))
			cache := newCache(t, auth.CacheConfig{Source: credentials(t, client)})
			token, err := cache.Token(t.Context())
			require.NoError(t, err)
			require.Equal(t, time.Hour, time.Until(token.Expiry), "the lifetime counts, not the clock")
			require.InDelta(t, ahead, cache.Skew(), float64(time.Second))
			var seen oauth.AssertionRequest
			source, err := client.JWTBearer(oauth.JWTBearerConfig{Assertion: func(_ context.Context, r oauth.AssertionRequest) (auth.Secret, error) {
				seen = r
				return auth.NewSecret("assertion"), nil
			}})
			require.NoError(t, err)
			_, err = source.Token(t.Context())
			require.NoError(t, err)
			if ahead > 24*time.Hour {
				ahead = 0 // nobody believes that
			}
			require.InDelta(t, ahead, time.Until(seen.Now), float64(time.Second))
			require.Equal(t, server.Issuer(), seen.Audience)
		})
	}
}

func TestAnswersAreReadToTheirEndAndClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		json := []string{"Content-Type", "application/json"}
		script := rttest.NewScript(
			rttest.Step{Status: 500, Body: "<html>"}, rttest.Step{Body: "x", Endless: true, Header: json},
			rttest.Step{Body: "{", Cut: true, Header: json}, rttest.Step{Body: `{"access_token":"a"}`, Header: json},
		)
		client := newClient(t, oauth.Config{
			Endpoints: oauth.Endpoints{Token: "https://as.example/token"}, ClientID: "c", Auth: oauth.Public(), Transport: script,
		})
		source := credentials(t, client)
		_, err := source.Token(t.Context())
		require.Equal(t, auth.Protocol, tokenError(t, err).Kind)
		_, err = source.Token(t.Context())
		require.NoError(t, err)
		bodies := script.Bodies()
		require.Len(t, bodies, 4)
		for i, b := range bodies {
			require.Equal(t, 1, b.Closes(), i)
		}
		require.True(t, bodies[0].SawEnd())
		require.LessOrEqual(t, bodies[1].BytesRead(), oauth.DefaultMaxBytes+1)
		require.True(t, bodies[3].SawEnd())
	})
}

// nowhere fails the test when anything is sent.
type nowhere struct{ t *testing.T }

func (n nowhere) RoundTrip(req *http.Request) (*http.Response, error) {
	n.t.Errorf("sent to %s", req.URL)
	return nil, errors.New("no")
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := oauth.New(oauth.Config{
		Endpoints: oauth.Endpoints{
			Authorization: "https://user:secret@as.example/", Device: "http://as.example/", Revocation: "nonsense", RequireIss: true,
		},
		Timeout: -1, MaxBytes: 1 << 40,
		Retry:     retry.Config{MaxDelay: -1, Check: func(*http.Response) error { return nil }},
		Transport: nowhere{t},
	})
	for _, text := range []string{
		"Config.Endpoints.Token is empty", "Config.Endpoints.Authorization has a user", "Config.Endpoints.Device is plain HTTP",
		"Config.Endpoints.Revocation is not", "RequireIss", "ClientID", "Config.Auth is nil", "Timeout", "MaxBytes", "Config.Retry has", "MaxDelay",
	} {
		require.ErrorContains(t, err, text)
	}
	require.NotContains(t, err.Error(), "secret")

	c := oauth.Config{Endpoints: oauth.Endpoints{Token: "http://127.0.0.1:1/token"}, ClientID: "c", Auth: oauth.Public(), Transport: nowhere{t}}
	client := newClient(t, c)
	_, err = client.ClientCredentials(oauth.Params{
		Scopes: []string{"a b", ""}, Resources: []string{"x"}, Extra: map[string][]string{"client_secret": {"x"}, "scope": {"y"}},
	})
	for _, text := range []string{"Scopes[0]", "Scopes[1]", "Resources[0]", "Extra has client_secret", "Extra has scope"} {
		require.ErrorContains(t, err, text)
	}
	_, err = client.StartCode(oauth.CodeConfig{RedirectURI: "/x"})
	require.ErrorContains(t, err, "Authorization is empty")
	require.ErrorContains(t, err, "RedirectURI")
	_, err = client.JWTBearer(oauth.JWTBearerConfig{})
	require.ErrorContains(t, err, "Assertion is nil")
	_, err = client.Exchange(oauth.ExchangeConfig{})
	require.ErrorContains(t, err, "Subject is nil")
	_, err = client.StartDevice(t.Context(), oauth.Params{})
	require.ErrorContains(t, err, "Device is empty")
	require.ErrorContains(t, client.Revoke(t.Context(), auth.NewSecret("t"), ""), "Revocation is empty")
	_, err = client.Refresher(oauth.RefreshConfig{Timeout: -1, Scopes: []string{""}, Store: (*oauth.MemoryStore)(nil)})
	for _, text := range []string{"Key is empty", "Timeout", "Scopes[0]", "Store is a nil pointer"} {
		require.ErrorContains(t, err, text)
	}
}
