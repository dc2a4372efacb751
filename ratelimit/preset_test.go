package ratelimit_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

func TestPresets(t *testing.T) {
	t.Parallel()
	for name, tt := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ratelimit.Signal{Quotas: tt.quotas, RetryAfter: -1, Cost: -1}
			if tt.more != nil {
				tt.more(&want)
			}
			now, status := tt.at, tt.status
			if now.IsZero() {
				now = received
			}
			if status == 0 {
				status = http.StatusOK
			}
			h := fields(strings.Split(tt.lines, " | ")...)
			got := parse(t, tt.preset, status, h, now)
			require.Equal(t, want, got)
			if tt.auto {
				return
			}
			got = parse(t, ratelimit.Auto, status, h, now)
			require.ElementsMatch(t, want.Quotas, got.Quotas)
			got.Quotas = want.Quotas
			require.Equal(t, want, got)
		})
	}
}

// No preset is without an answer.
func TestEveryPresetHasAnAnswer(t *testing.T) {
	t.Parallel()
	seen := map[ratelimit.Preset]bool{}
	for _, tt := range answers {
		seen[tt.preset] = true
	}
	for p := ratelimit.Auto; p <= ratelimit.Rachio; p++ {
		require.True(t, seen[p], p)
	}
}

// The names are those of the constants.
func TestPresetNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for p := ratelimit.Auto; p <= ratelimit.Rachio; p++ {
		require.NotEmpty(t, p.String())
		require.False(t, seen[p.String()], p)
		seen[p.String()] = true
		_, err := ratelimit.NewParser(p)
		require.NoError(t, err)
	}
	require.Equal(t, "Auto", ratelimit.Auto.String())
	require.Equal(t, "Rachio", ratelimit.Rachio.String())
	_, err := ratelimit.NewParser(ratelimit.Rachio + 1)
	require.ErrorContains(t, err, "ratelimit: no such dialect: Preset(")
	_, err = ratelimit.NewParser(nil)
	require.NoError(t, err)
}

func TestUnitNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for u := ratelimit.Requests; u <= ratelimit.OtherUnit; u++ {
		require.NotEqual(t, "unknown", u.String())
		require.False(t, seen[u.String()], u)
		seen[u.String()] = true
	}
	require.Equal(t, "unknown", (ratelimit.OtherUnit + 1).String())
}

// What the limiter's ordinary path reads costs no memory.
func TestParseAllocatesNothing(t *testing.T) {
	for name, tt := range answers {
		h := fields(strings.Split(tt.lines, " | ")...)
		for _, d := range []ratelimit.Preset{tt.preset, ratelimit.Auto} {
			p, err := ratelimit.NewParser(d)
			require.NoError(t, err)
			var s ratelimit.Signal
			resp := &http.Response{StatusCode: http.StatusOK, Header: h}
			require.Zero(t, testing.AllocsPerRun(100, func() { p.Parse(resp, received, &s) }), "%s as %v", name, d)
			resp.StatusCode = max(tt.status, http.StatusOK)
			if tt.lines != "Content-Type: text/html" { // looking at the type of a body costs
				require.Zero(t, testing.AllocsPerRun(100, func() { p.Parse(resp, received, &s) }), "%s as %v", name, d)
			}
		}
	}
}

// One Parser serves everybody.
func TestParserIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	p, err := ratelimit.NewParser(ratelimit.Auto)
	require.NoError(t, err)
	var all sync.WaitGroup
	for _, tt := range answers {
		all.Go(func() {
			h := fields(strings.Split(tt.lines, " | ")...)
			var first, s ratelimit.Signal
			p.Parse(&http.Response{StatusCode: http.StatusTooManyRequests, Header: h}, received, &first)
			for range 20 {
				p.Parse(&http.Response{StatusCode: http.StatusTooManyRequests, Header: h}, received, &s)
				assert.Equal(t, first, s)
			}
		})
	}
	all.Wait()
}

func BenchmarkParse(b *testing.B) {
	ordinary := []string{
		"Content-Type: application/json", "Date: Sun, 01 Mar 2026 12:00:00 GMT", "Cache-Control: private", "Etag: x",
		"Server: x", "Vary: x", "X-Request-Id: x", "Strict-Transport-Security: x",
	}
	for _, bb := range []struct {
		name  string
		d     ratelimit.Preset
		lines string
	}{
		{"auto/nothing", ratelimit.Auto, ""},
		{"auto/github", ratelimit.Auto, answers["GitHub"].lines},
		{"github/github", ratelimit.GitHub, answers["GitHub"].lines},
		{"auto/ietf", ratelimit.Auto, answers["IETF 08 to 10"].lines},
		{"ietf/ietf", ratelimit.IETF, answers["IETF 08 to 10"].lines},
		{"auto/openai", ratelimit.Auto, answers["OpenAI"].lines},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p, err := ratelimit.NewParser(bb.d)
			require.NoError(b, err)
			var s ratelimit.Signal
			resp := &http.Response{StatusCode: http.StatusOK, Header: fields(append(strings.Split(bb.lines, " | "), ordinary...)...)}
			b.ReportAllocs()
			for b.Loop() {
				p.Parse(resp, received, &s)
			}
		})
	}
}
