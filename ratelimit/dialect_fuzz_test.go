package ratelimit_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/ratelimit"
)

// known are fields that Auto reads, and each of which is malformed as "?!".
var known = []string{
	"RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Observed",
	"RateLimit-ResetTime", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Used", "X-RateLimit-Reset",
	"X-RateLimit-Reset-After", "X-RateLimit-Next", "X-RateLimit-Interval-Seconds", "X-RateLimit-Limit-Tokens",
	"X-RateLimit-Remaining-Requests", "X-RateLimit-Requests-Limit", "X-RateLimit-Complexity-Reset",
	"X-Rate-Limit-Limit", "X-Rate-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Reset", "Beta-RateLimit",
	"Anthropic-RateLimit-Tokens-Limit", "Anthropic-RateLimit-Requests-Reset", "X-HubSpot-RateLimit-Daily",
	"X-HubSpot-RateLimit-Interval-Milliseconds", "X-Shopify-Shop-Api-Call-Limit", "Sforce-Limit-Info",
	"X-App-Rate-Limit", "X-Method-Rate-Limit-Count", "Zendesk-RateLimit-New", "X-Ms-RateLimit-Remaining-New",
	"X-Complexity", "X-Ms-Request-Charge", "Twilio-Concurrent-Requests", "Retry-After", "Retry-After-Ms",
	"X-Ms-Retry-After-Ms", "X-RateLimit-Global",
}

// secondary are fields that are read only if others make it worth while.
var secondary = regexp.MustCompile("Reset|Next|Interval|Retry-After|^X-Rate-Limit$")

func FuzzParse(f *testing.F) {
	for _, tt := range answers {
		f.Add(strings.ReplaceAll(tt.lines, " | ", "\n"), max(tt.status, 200), uint8(0))
	}
	for _, value := range []string{"9223372036854775807", "-5", "1e3", "0x10", "NaN", "٣", "120, 240", "1772366460", "6m0s"} {
		f.Add("Retry-After: "+value+"\nX-RateLimit-Remaining: "+value+"\nX-RateLimit-Reset: "+value, 429, uint8(len(value)))
	}
	f.Add("X-App-Rate-Limit: 20:1,,100:0,:\nX-Shopify-Shop-Api-Call-Limit: 32/0\nAge: 300", 403, uint8(9))
	parsers := map[string]*ratelimit.Parser{}
	for p := ratelimit.Auto; p <= ratelimit.Rachio; p++ {
		parser, err := ratelimit.NewParser(p)
		require.NoError(f, err)
		parsers[p.String()] = parser
	}
	f.Fuzz(func(t *testing.T, text string, status int, pick uint8) {
		lines := strings.Split(text, "\n")
		h := http.Header{}
		add := func(h http.Header, line string) {
			name, value, ok := strings.Cut(line, ":")
			if ok && name != "" && name != "Age" && name != "Date" {
				h.Add(name, strings.Trim(value, " \t\r"))
			}
		}
		for _, line := range lines {
			add(h, line)
		}
		var reused ratelimit.Signal
		for _, p := range parsers {
			p.Parse(&http.Response{StatusCode: status, Header: h}, received, &reused)
			check(t, &reused)
		}
		auto := parsers["Auto"]
		want := parseWith(t, auto, status, h)
		auto.Parse(&http.Response{StatusCode: status, Header: h}, received, &reused)
		require.Equal(t, emptied(want), emptied(reused), "what was there before makes no difference")

		// Neither do the order of the fields and the case of their names.
		slices.SortStableFunc(lines, func(a, b string) int {
			a, _, _ = strings.Cut(a, ":")
			b, _, _ = strings.Cut(b, ":")
			return strings.Compare(http.CanonicalHeaderKey(b), http.CanonicalHeaderKey(a))
		})
		other := http.Header{}
		for _, line := range lines {
			name, value, ok := strings.Cut(line, ":")
			if upper := strings.ToUpper(name); ok && http.CanonicalHeaderKey(upper) == http.CanonicalHeaderKey(name) {
				line = upper + ":" + value
			}
			add(other, line)
		}
		if maps.EqualFunc(h, other, slices.Equal) {
			require.Equal(t, want, parseWith(t, auto, status, other))
		}

		// A malformed field is reported and changes nothing.
		name := known[int(pick)%len(known)]
		if h.Get(name) != "" {
			return
		}
		more := h.Clone()
		more.Set(name, "?!")
		got := parseWith(t, auto, status, more)
		if !secondary.MatchString(name) {
			require.Contains(t, got.Malformed, http.CanonicalHeaderKey(name))
		}
		got.Malformed = want.Malformed
		require.Equal(t, want, got, name)
	})
}

// The same with every field of every answer.
func TestMalformedFieldChangesNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range answers {
		h := fields(strings.Split(tt.lines, " | ")...)
		want := parse(t, nil, max(tt.status, 200), h, received)
		for _, field := range known {
			if h.Get(field) != "" {
				continue
			}
			more := h.Clone()
			more.Set(field, "?!")
			got := parse(t, nil, max(tt.status, 200), more, received)
			got.Malformed = want.Malformed
			require.Equal(t, want, got, "%s with %s", name, field)
		}
	}
}

func parseWith(t *testing.T, p *ratelimit.Parser, status int, h http.Header) ratelimit.Signal {
	t.Helper()
	var s ratelimit.Signal
	p.Parse(&http.Response{StatusCode: status, Header: h}, received, &s)
	check(t, &s)
	return s
}

// emptied makes empty slices nil.
func emptied(s ratelimit.Signal) ratelimit.Signal {
	s.Quotas = append([]ratelimit.Quota(nil), s.Quotas...)
	s.Violated = append([]string(nil), s.Violated...)
	s.Malformed = append([]string(nil), s.Malformed...)
	return s
}

// What is written in each shape of the IETF's drafts is read as it was.
func FuzzIETFRoundTrip(f *testing.F) {
	f.Add(uint64(100), uint64(60), uint64(50), uint64(30), "burst", "QUJD")
	f.Add(uint64(0), uint64(1), uint64(0), uint64(0), `a"b\c`, "")
	f.Add(uint64(999999999999999), uint64(31622400), uint64(1), uint64(31622400), " ", "QQ==")
	f.Fuzz(func(t *testing.T, limit, window, remaining, reset uint64, name, key string) {
		const most = 1e15
		limit, remaining = limit%most, remaining%most
		window, reset = 1+window%31622400, reset%31622401
		want := quota(func(q *ratelimit.Quota) {
			q.Limit, q.Remaining = float64(limit), float64(remaining)
			q.Window, q.ResetIn = time.Duration(window)*time.Second, time.Duration(reset)*time.Second
		})
		for _, lines := range [][]string{
			{
				fmt.Sprintf("RateLimit-Limit: %d, %d;w=%d", limit, limit, window),
				fmt.Sprintf("RateLimit-Remaining: %d", remaining), fmt.Sprintf("RateLimit-Reset: %d", reset),
			},
			{
				fmt.Sprintf("RateLimit-Policy: %d;w=%d", limit, window), fmt.Sprintf("RateLimit-Limit: %d", limit),
				fmt.Sprintf("RateLimit-Remaining: %d", remaining), fmt.Sprintf("RateLimit-Reset: %d", reset),
			},
			{
				fmt.Sprintf("RateLimit-Policy: %d;w=%d", limit, window),
				fmt.Sprintf("RateLimit: limit=%d, remaining=%d, reset=%d", limit, remaining, reset),
			},
		} {
			s := parse(t, ratelimit.IETF, http.StatusOK, fields(lines...), received)
			require.Equal(t, []ratelimit.Quota{want}, s.Quotas, lines)
			require.Empty(t, s.Malformed)
		}
		if name == "" || len(name) > 256 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return
		}
		want.Policy = name
		name = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		pk := ""
		if key == "QUJD" || key == "QQ==" {
			want.Partition, pk = key, ";pk=:"+key+":"
		}
		h := http.Header{}
		h.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d;qu="requests"%s`, name, limit, window, pk))
		h.Set("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d%s`, name, remaining, reset, pk))
		s := parse(t, ratelimit.IETF, http.StatusOK, h, received)
		require.Equal(t, []ratelimit.Quota{want}, s.Quotas)
		require.Empty(t, s.Malformed)
	})
}

func FuzzBody(f *testing.F) {
	for _, tt := range bodies {
		f.Add(tt.body, tt.status)
	}
	f.Add(strings.Repeat(`{"a":[`, 10), 429)
	parser, err := ratelimit.NewParser(nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body string, status int) {
		resp := &http.Response{
			StatusCode: status, Header: fields("Content-Type: application/json"), Body: io.NopCloser(strings.NewReader(body)),
		}
		var s ratelimit.Signal
		parser.Parse(resp, received, &s)
		check(t, &s)
		require.Empty(t, s.Quotas)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, body, string(got))
	})
}

// Hostile answers cost memory in proportion to their size at most.
func TestAllocationIsLinear(t *testing.T) {
	p, err := ratelimit.NewParser(nil)
	require.NoError(t, err)
	const size = 1 << 20
	for name, h := range map[string]http.Header{
		"one long field":       fields(`RateLimit: "` + strings.Repeat("p", size) + `"`),
		"many members":         fields("RateLimit: " + strings.Repeat(`"p";r=1, `, size/9) + `"p";r=1`),
		"many escapes":         fields(`RateLimit: ` + strings.Repeat(`"\\";r=1, `, 50) + `"\\";r=1`),
		"escapes in one value": fields(`RateLimit: "` + strings.Repeat(`\\`, 4000) + `";r=1`),
		"many numbers":         fields("X-RateLimit-Remaining: " + strings.Repeat("1, ", size/3) + "1"),
		"many dates":           fields("X-RateLimit-Remaining: 1", "X-RateLimit-Reset: "+strings.Repeat("2026-13-01T00:00:00Z,", 48)),
		"many lines":           {"X-Ratelimit-Remaining": slices.Repeat([]string{"1"}, size/20), "Ratelimit": slices.Repeat([]string{`"p";r=1`}, size/20)},
		"many windows":         fields("X-App-Rate-Limit: " + strings.Repeat("20:1,", size/5) + "20:1"),
		"many durations":       fields("X-RateLimit-Remaining: 1", "X-RateLimit-Reset: "+strings.Repeat("99999999h,", 100)),
	} {
		resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: h}
		length := 0
		for _, lines := range h {
			for _, line := range lines {
				length += len(line)
			}
		}
		var s ratelimit.Signal
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p.Parse(resp, received, &s)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(4*length+32<<10), name)
		check(t, &s)
	}
}
