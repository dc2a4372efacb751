package scenario_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/scenario"
	"github.com/holdfast-go/holdfast/internal/bench/subject"
)

// attempt is what a transport sees of one attempt, and what it answers.
type attempt struct {
	method string
	fields http.Header
	size   int
	sum    [sha256.Size]byte
	status int
}

// recorder notes the attempts on their way to next.
type recorder struct {
	next http.RoundTripper

	mu       sync.Mutex
	attempts []attempt
	hosts    map[string]int
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
		req = req.WithContext(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, attempt{req.Method, req.Header.Clone(), len(sent), sha256.Sum256(sent), resp.StatusCode})
	if r.hosts == nil {
		r.hosts = make(map[string]int)
	}
	r.hosts[req.URL.Host]++
	return resp, nil
}

// calling returns the scenarios whose subjects make calls.
func calling() []scenario.Scenario {
	return slices.DeleteFunc(scenario.All(), func(s scenario.Scenario) bool { return s.Subjects[0].Wrap == nil })
}

// eachSubject runs a parallel test for every subject that makes calls.
func eachSubject(t *testing.T, test func(*testing.T, scenario.Scenario, subject.Subject)) {
	t.Helper()
	for _, s := range calling() {
		for _, sub := range s.Subjects {
			t.Run(s.Name+"/"+sub.Name, func(t *testing.T) {
				t.Parallel()
				test(t, s, sub)
			})
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range scenario.All() {
		require.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		require.NotEmpty(t, s.About)
		subjects := map[string]bool{}
		for _, sub := range s.Subjects {
			require.False(t, subjects[sub.Name], sub.Name)
			subjects[sub.Name] = true
		}
		bases := s.Bases()
		require.Equal(t, slices.Contains(bases, "bare"), s.Subjects[0].Wrap != nil)
		for _, name := range bases {
			require.True(t, subjects[name], "%s has no %s", s.Name, name)
		}
		require.True(t, slices.ContainsFunc(s.Subjects, func(sub subject.Subject) bool {
			return strings.HasPrefix(sub.Name, "holdfast") && !slices.Contains(bases, sub.Name)
		}), "%s has no holdfast to compare", s.Name)
	}
}

// What reaches the transport for one call, whoever makes it.
func TestAttempts(t *testing.T) {
	t.Parallel()
	none := http.Header{}
	get := func(status int) attempt { return attempt{http.MethodGet, none, 0, sha256.Sum256(nil), status} }
	payload := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	happy := []attempt{get(http.StatusOK)}
	failure := []attempt{get(http.StatusServiceUnavailable), get(http.StatusServiceUnavailable), get(http.StatusOK)}
	tokenless, token := get(http.StatusOK), get(http.StatusOK)
	tokenless.fields = http.Header{"Accept": {"application/json"}, "User-Agent": {"bench/1.0"}}
	token.fields = tokenless.fields.Clone()
	token.fields.Set("Authorization", "Bearer "+subject.AccessToken)
	wants := map[string][]attempt{
		"happy":            happy,
		"happy-body":       happy,
		"failure":          failure,
		"failure-body":     failure,
		"post":             {{http.MethodPost, none, 1 << 20, sha256.Sum256(payload), http.StatusOK}},
		"parallel":         happy,
		"parallel-hosts":   happy,
		"circuit":          happy,
		"circuit-parallel": happy,
		"limit":            happy,
		"limit-parallel":   happy,
		"quota":            happy,
		"quota-parallel":   happy,
		"token":            {token},
		"token-parallel":   {token},
	}
	require.Len(t, calling(), len(wants))
	eachSubject(t, func(t *testing.T, s scenario.Scenario, sub subject.Subject) {
		want := wants[s.Name]
		if s.Baseline == "x-oauth2" && sub.Name == "bare" {
			want = []attempt{tokenless}
		}
		rec := &recorder{next: s.Upstream()}
		call, err := s.Through(sub.Wrap(rec))(t.Context(), 0)
		require.NoError(t, err)
		for range 3 {
			rec.attempts = nil
			require.NoError(t, call())
			require.Equal(t, want, rec.attempts)
		}
	})
}

// A load makes as many calls as it is told. No circuit opens on the way, though
// two of three attempts may fail, and nobody waits.
func TestLoad(t *testing.T) {
	t.Parallel()
	eachSubject(t, func(t *testing.T, s scenario.Scenario, sub subject.Subject) {
		synctest.Test(t, func(t *testing.T) {
			var attempts atomic.Int64
			upstream := s.Upstream()
			load, err := s.Start(t.Context(), s.Through(sub.Wrap(roundTripper(func(req *http.Request) (*http.Response, error) {
				attempts.Add(1)
				return upstream.RoundTrip(req)
			}))))
			require.NoError(t, err)
			start := time.Now()
			for _, n := range []int{1, 2, 151} {
				attempts.Store(0)
				require.NoError(t, load.Run(n))
				require.EqualValues(t, n*(1+s.Failures), attempts.Load())
			}
			// A bucket that starts empty has a token after a nanosecond, which is
			// sooner than any call comes where time does not stand still.
			require.Less(t, time.Since(start), time.Microsecond)
		})
	})
}

func TestHosts(t *testing.T) {
	t.Parallel()
	for _, s := range calling() {
		want := 1
		if s.Name == "parallel-hosts" {
			want = 1000
		}
		rec := &recorder{next: s.Upstream()}
		call, err := s.Through(subject.BareLoop().Wrap(rec))(t.Context(), 1)
		require.NoError(t, err)
		for range 2 * want {
			require.NoError(t, call())
		}
		require.Len(t, rec.hosts, want, s.Name)
		for host, n := range rec.hosts {
			require.Equal(t, 2*(1+s.Failures), n, host)
		}
	}
}

func TestCallFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	answer := func(status int, body string, end error) roundTripper {
		return func(*http.Request) (*http.Response, error) {
			r := io.MultiReader(strings.NewReader(body), errReader{end})
			return &http.Response{StatusCode: status, Body: io.NopCloser(r)}, nil
		}
	}
	for name, test := range map[string]struct {
		transport roundTripper
		want      string
	}{
		"transport": {func(*http.Request) (*http.Response, error) { return nil, broken }, "broken"},
		"status":    {answer(http.StatusServiceUnavailable, "", io.EOF), "status 503"},
		"length":    {answer(http.StatusOK, "more", io.EOF), "4 bytes instead of 0"},
		"body":      {answer(http.StatusOK, "m", broken), "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range calling() {
				if s.Name == "happy-body" || s.Name == "failure-body" {
					continue // they expect more than nothing
				}
				load, err := s.Start(t.Context(), s.Through(test.transport))
				require.NoError(t, err)
				require.ErrorContains(t, load.Run(10), test.want)
				if s.Baseline == "" {
					continue // retries ask again
				}
				for _, sub := range s.Subjects {
					load, err := s.Start(t.Context(), s.Through(sub.Wrap(test.transport)))
					require.NoError(t, err)
					require.ErrorContains(t, load.Run(10), test.want, "%s/%s", s.Name, sub.Name)
				}
			}
		})
	}
}

// A call carries the context, so that a run can be interrupted.
func TestContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range calling() {
		load, err := s.Start(ctx, s.Through(roundTripper(func(req *http.Request) (*http.Response, error) {
			return nil, req.Context().Err()
		})))
		require.NoError(t, err)
		require.ErrorIs(t, load.Run(1), context.Canceled)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
