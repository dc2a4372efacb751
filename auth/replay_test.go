package auth_test

import (
	"context"
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

	"github.com/holdfast-go/holdfast/auth"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// api is a server that accepts some tokens only.
type api struct {
	takes time.Duration

	mu       sync.Mutex
	accepted map[string]bool // nil means none
	bodies   []string        // of accepted requests
	seen     map[string]int  // requests by token
	answers  []*rttest.Body
}

func (a *api) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if a.takes > 0 {
		time.Sleep(a.takes)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	if a.seen == nil {
		a.seen = make(map[string]int)
	}
	a.seen[token]++
	answer := rttest.NewBody(strings.Repeat("no ", 100))
	a.answers = append(a.answers, answer)
	resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: answer, ContentLength: -1, Request: req}
	if a.accepted[token] {
		resp.StatusCode = http.StatusOK
		a.bodies = append(a.bodies, string(body))
	}
	return resp, nil
}

func (a *api) accept(tokens ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.accepted = make(map[string]bool)
	for _, t := range tokens {
		a.accepted[t] = true
	}
}

func (a *api) requests() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.seen {
		n += m
	}
	return n
}

func post(t testing.TB, rt http.RoundTripper, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example.com/v1", body)
	require.NoError(t, err)
	resp, err := rt.RoundTrip(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

// unseekable hides what http.NewRequest would make a GetBody of.
type unseekable struct{ io.Reader }

// A revoked token costs one refresh and one more request each, and nobody
// notices.
func TestRevokedTokenUnderLoad(t *testing.T) {
	t.Parallel()
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { revoke(t, time.Minute, 0) })
	})
	// Some come late, when the new token is there.
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { revoke(t, time.Minute, 15*time.Millisecond) })
	})
	t.Run("a new token", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { revoke(t, 0, 15*time.Millisecond) })
	})
}

// revoke revokes a token, and sends twenty requests with some time between them.
func revoke(t *testing.T, after, between time.Duration) {
	t.Helper()
	source := &counter{takes: 100 * time.Millisecond}
	server := &api{takes: 10 * time.Millisecond}
	server.accept("token-1")
	var replays atomic.Int64
	rt := newGuard(t, auth.Config{
		Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: source})),
		Hooks:      auth.Hooks{Replay: func(auth.Event) { replays.Add(1) }},
	}).Wrap(server)
	resp, err := post(t, rt, strings.NewReader("first"))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Zero(t, auth.ReplaysOf(resp))
	time.Sleep(after)

	server.accept("token-2")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * between)
			body := io.Reader(strings.NewReader(fmt.Sprintf("body %d", i)))
			if i%2 == 0 {
				body = unseekable{body}
			}
			resp, err := post(t, rt, body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
	wg.Wait()
	require.EqualValues(t, 2, source.n.Load())
	require.Len(t, server.bodies, 21)
	for i := range 20 {
		require.Contains(t, server.bodies, fmt.Sprintf("body %d", i))
	}
	require.EqualValues(t, server.seen["token-1"]-1, replays.Load())
	for _, b := range server.answers {
		require.Positive(t, b.Closes())
	}
}

// An API that answers each request with 401 gets each twice at most, and the
// source is asked once in MinForced.
func TestStormOf401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, server := &counter{}, &api{}
		rt := newGuard(t, auth.Config{Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: source, MinForced: 10 * time.Second}))}).Wrap(server)
		for range 1000 {
			for range 5 {
				before := server.requests()
				resp, err := post(t, rt, strings.NewReader("body"))
				require.NoError(t, err)
				require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
				require.LessOrEqual(t, server.requests()-before, 2)
				require.Equal(t, server.requests()-before-1, auth.ReplaysOf(resp))
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.LessOrEqual(t, source.n.Load(), int64(11), "in 100 s")
		require.LessOrEqual(t, server.requests(), 5000+10)
	})
}

// The same when the source says that its tokens are old.
func TestStormOf401WithOldTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		source := auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			n.Add(1)
			return &auth.Token{AccessToken: auth.NewSecret("from-a-file"), Issued: time.Now().Add(-time.Hour)}, nil
		})
		rt := newGuard(t, auth.Config{Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: source}))}).Wrap(&api{})
		for range 100 {
			_, err := post(t, rt, nil)
			require.NoError(t, err)
		}
		require.EqualValues(t, 2, n.Load(), "an old token is replaced at once, but only once in MinForced")
	})
}

// The answer to an old token comes when there is a new one: that stays.
func TestLate401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := &counter{}
		cache := newCache(t, auth.CacheConfig{Source: source, MinForced: -1})
		old, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.True(t, cache.Invalidate(old))
		current, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.Equal(t, "token-2", current.AccessToken.Reveal())
		for range 100 {
			require.True(t, cache.Invalidate(old), "another token is there")
		}
		again, err := cache.Token(t.Context())
		require.NoError(t, err)
		require.Same(t, current, again)
		require.False(t, cache.Invalidate(nil))
		require.EqualValues(t, 2, source.n.Load())
	})
}

func TestWhatIsSentAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body     func() io.Reader
		config   auth.Config
		header   string
		accepted string
		requests int
	}{
		"no body":            {func() io.Reader { return nil }, auth.Config{}, "", "", 2},
		"GetBody":            {func() io.Reader { return strings.NewReader("payload") }, auth.Config{MaxBuffer: -1}, "", "payload", 2},
		"stream":             {func() io.Reader { return unseekable{strings.NewReader("payload")} }, auth.Config{}, "", "payload", 2},
		"long stream":        {func() io.Reader { return unseekable{strings.NewReader("payload")} }, auth.Config{MaxBuffer: 6}, "", "", 1},
		"stream not kept":    {func() io.Reader { return unseekable{strings.NewReader("payload")} }, auth.Config{MaxBuffer: -1}, "", "", 1},
		"no replay":          {func() io.Reader { return strings.NewReader("payload") }, auth.Config{NoReplay: true}, "", "", 1},
		"expect continue":    {func() io.Reader { return strings.NewReader("payload") }, auth.Config{}, "Expect: 100-continue", "payload", 2},
		"upgrade":            {func() io.Reader { return nil }, auth.Config{}, "Upgrade: websocket", "", 2},
		"body of length 0":   {func() io.Reader { return unseekable{strings.NewReader("")} }, auth.Config{}, "", "", 2},
		"http.NoBody, no CL": {func() io.Reader { return http.NoBody }, auth.Config{}, "", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &api{}
				server.accept("token-2", "token-3")
				c.config.Authorizer = auth.Bearer(newCache(t, auth.CacheConfig{Source: &counter{}, MinForced: -1}))
				rt := newGuard(t, c.config).Wrap(server)
				req, err := http.NewRequest(http.MethodPost, "https://api.example.com/", c.body())
				require.NoError(t, err)
				if name, value, ok := strings.Cut(c.header, ": "); ok {
					req.Header.Set(name, value)
				}
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, c.requests, server.requests())
				require.Equal(t, c.requests-1, auth.ReplaysOf(resp))
				if c.requests == 1 {
					require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
					_, err = post(t, rt, nil)
					require.NoError(t, err)
					require.Equal(t, 2, server.requests(), "the token has been replaced all the same")
					return
				}
				require.Equal(t, []string{c.accepted}, server.bodies)
			})
		})
	}
}

// A GetBody that fails leaves the caller with the 401, unread.
func TestBrokenGetBody(t *testing.T) {
	t.Parallel()
	server := &api{}
	rt := newGuard(t, auth.Config{Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: &counter{}, MinForced: -1}))}).Wrap(server)
	req, err := http.NewRequest(http.MethodPost, "https://api.example.com/", strings.NewReader("payload"))
	require.NoError(t, err)
	req.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	resp, err := rt.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotEmpty(t, data)
	require.NoError(t, resp.Body.Close())
}

// The token is refused and there is no other: the caller learns why.
func TestNoTokenForTheReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		source := auth.SourceFunc(func(context.Context) (*auth.Token, error) {
			if n.Add(1) == 1 {
				return &auth.Token{AccessToken: auth.NewSecret("revoked")}, nil
			}
			return nil, &auth.TokenError{Kind: auth.Permanent, Code: "invalid_grant", Status: 400}
		})
		server := &api{}
		rt := newGuard(t, auth.Config{Authorizer: auth.Bearer(newCache(t, auth.CacheConfig{Source: source, MinForced: -1}))}).Wrap(server)
		_, err := post(t, rt, strings.NewReader("x"))
		require.ErrorIs(t, err, auth.ErrReauthRequired)
		var e *auth.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Replay)
		require.False(t, e.NotSent())
		require.False(t, e.Retryable())
		require.Positive(t, server.answers[0].Closes())
	})
}

// The 401 has a body without end.
func TestHuge401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := rttest.NewScript(rttest.Step{Status: 401, Body: strings.Repeat("x", 4096), Endless: true}, rttest.Step{Body: "good"})
		rt := newGuard(t, auth.Config{Authorizer: &stubborn{}}).Wrap(s)
		resp, err := post(t, rt, strings.NewReader("payload"))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.LessOrEqual(t, s.Bodies()[0].BytesRead(), 128<<10)
		require.Equal(t, 1, s.Bodies()[0].Closes())
	})
}

// A caller that has gone gets no replay.
func TestCallerGoneAt401(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := &api{}
		rt := newGuard(t, auth.Config{Authorizer: &stubborn{}}).Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
			defer cancel()
			return server.RoundTrip(req)
		}))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/", nil)
		require.NoError(t, err)
		resp, err := rt.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 1, server.requests())
	})
}

// renewable is a source that has another token each time.
type renewable struct{ auth.Source }

func (renewable) Invalidate(*auth.Token) bool { return true }

// An answer beside an error, which a RoundTripper must not return, is closed.
func TestAnswerBesideAnError(t *testing.T) {
	t.Parallel()
	body := rttest.NewBody("lost")
	broken := errors.New("broken")
	rt := newGuard(t, auth.Config{Authorizer: &stubborn{}}).Wrap(rttest.Func(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: body}, broken
	}))
	_, err := post(t, rt, nil)
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, body.Closes())
}

// What it takes to get credentials is not part of the replay: a token request
// that goes through a Guard of its own counts as none.
func TestMarkOfTheReplayStaysOutside(t *testing.T) {
	t.Parallel()
	n := 0
	source := auth.SourceFunc(func(ctx context.Context) (*auth.Token, error) {
		n++
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://login.example.com/token", nil)
		require.NoError(t, err)
		require.Zero(t, auth.ReplaysOf(&http.Response{Request: req}))
		return tokenOf(fmt.Sprintf("token-%d", n)), nil
	})
	server := &api{}
	server.accept("token-2")
	rt := newGuard(t, auth.Config{Authorizer: auth.Bearer(renewable{source})}).Wrap(server)
	resp, err := post(t, rt, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, 1, auth.ReplaysOf(resp))
	require.Equal(t, 2, n)
}
