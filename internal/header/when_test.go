package header_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/header"
)

var whens = map[string]struct {
	text string
	as   header.Form
	want time.Duration // from now; negative: unreadable
}{
	"seconds":                       {"41", header.AnyForm, 41 * time.Second},
	"seconds with a fraction":       {"64.57", header.AnyForm, 64570 * time.Millisecond},
	"zero":                          {"0", header.AnyForm, 0},
	"spaces around":                 {" 41\t", header.AnyForm, 41 * time.Second},
	"the most seconds":              {"9999999", header.AnyForm, 9999999 * time.Second},
	"neither seconds nor a time":    {"10000000", header.AnyForm, -1},
	"nine digits":                   {"999999999", header.AnyForm, -1},
	"Unix time":                     {"1772366430", header.AnyForm, 30 * time.Second},
	"Unix time with a fraction":     {"1772366430.123", header.AnyForm, 30123 * time.Millisecond},
	"Unix time in the past":         {"1700000000", header.AnyForm, 0},
	"Unix time far away":            {"99999999999", header.AnyForm, header.Forever},
	"Unix time of twelve digits":    {"100000000000", header.AnyForm, -1},
	"Unix time in milliseconds":     {"1772366430500", header.AnyForm, 30500 * time.Millisecond},
	"Unix time in microseconds":     {"1772366430000000", header.AnyForm, -1},
	"Unix time in nanoseconds":      {"1772366430000000000", header.AnyForm, -1},
	"max int64":                     {"9223372036854775807", header.AnyForm, -1},
	"duration":                      {"6m0s", header.AnyForm, 6 * time.Minute},
	"duration of a second":          {"1s", header.AnyForm, time.Second},
	"duration in milliseconds":      {"120ms", header.AnyForm, 120 * time.Millisecond},
	"duration in microseconds":      {"1500us", header.AnyForm, 1500 * time.Microsecond},
	"duration with a fraction":      {"2m59.56s", header.AnyForm, 179560 * time.Millisecond},
	"duration in days":              {"1d", header.AnyForm, -1},
	"duration that overflows":       {"99999999h", header.AnyForm, -1},
	"negative duration":             {"-1s", header.AnyForm, -1},
	"RFC 3339":                      {"2026-03-01T12:00:30Z", header.AnyForm, 30 * time.Second},
	"RFC 3339 with a fraction":      {"2026-03-01T12:00:30.25Z", header.AnyForm, 30250 * time.Millisecond},
	"RFC 3339 with an offset":       {"2026-03-01T13:00:30+01:00", header.AnyForm, 30 * time.Second},
	"RFC 3339 without seconds":      {"2026-03-01T12:10Z", header.AnyForm, 10 * time.Minute},
	"the same with an offset":       {"2026-03-01T14:10+02:00", header.AnyForm, 10 * time.Minute},
	"RFC 3339 with a leap second":   {"2026-03-01T12:00:60Z", header.AnyForm, 59 * time.Second},
	"sixty minutes":                 {"2026-03-01T12:60:00Z", header.AnyForm, -1},
	"RFC 3339 in the past":          {"2026-03-01T11:59:59Z", header.AnyForm, 0},
	"year 9999":                     {"9999-12-31T23:59:59Z", header.AnyForm, header.Forever},
	"date alone":                    {"2026-03-01", header.AnyForm, -1},
	"no zone":                       {"2026-03-01T12:10", header.AnyForm, -1},
	"space in place of T":           {"2026-03-01 12:10:00Z", header.AnyForm, -1},
	"IMF-fixdate":                   {"Sun, 01 Mar 2026 12:01:30 GMT", header.AnyForm, 90 * time.Second},
	"RFC 850":                       {"Sunday, 01-Mar-26 12:01:30 GMT", header.AnyForm, 90 * time.Second},
	"asctime":                       {"Sun Mar  1 12:01:30 2026", header.AnyForm, 90 * time.Second},
	"HTTP-date with a leap second":  {"Sun, 01 Mar 2026 12:01:60 GMT", header.AnyForm, 119 * time.Second},
	"HTTP-date, lower-case zone":    {"Sun, 01 Mar 2026 12:01:30 gmt", header.AnyForm, -1},
	"HTTP-date, UTC":                {"Sun, 01 Mar 2026 12:01:30 UTC", header.AnyForm, -1},
	"HTTP-date, numeric zone":       {"Sun, 01 Mar 2026 12:01:30 +0000", header.AnyForm, -1},
	"JavaScript":                    {"Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)", header.AnyForm, -1},
	"empty":                         {"", header.AnyForm, -1},
	"negative":                      {"-5", header.AnyForm, -1},
	"plus sign":                     {"+5", header.AnyForm, -1},
	"exponent":                      {"1e3", header.AnyForm, -1},
	"hexadecimal":                   {"0x10", header.AnyForm, -1},
	"underscore":                    {"1_000", header.AnyForm, -1},
	"NaN":                           {"NaN", header.AnyForm, -1},
	"Inf":                           {"Inf", header.AnyForm, -1},
	"arabic digit":                  {"٣", header.AnyForm, -1},
	"long":                          {strings.Repeat("1", 65), header.AnyForm, -1},
	"as seconds":                    {"12345678", header.Seconds, 12345678 * time.Second},
	"a Unix time as seconds":        {"1772366430", header.Seconds, -1},
	"a duration as seconds":         {"1s", header.Seconds, -1},
	"as milliseconds":               {"250", header.Millis, 250 * time.Millisecond},
	"a Unix time as milliseconds":   {"1772366430000", header.Millis, -1},
	"as Unix time":                  {"1772366430", header.Unix, 30 * time.Second},
	"seconds as Unix time":          {"30", header.Unix, -1},
	"milliseconds as Unix time":     {"1772366430000", header.Unix, -1},
	"as Unix milliseconds":          {"1772366430000", header.UnixMillis, 30 * time.Second},
	"a Unix time as Unix millis":    {"1772366430", header.UnixMillis, -1},
	"as duration":                   {"1.5s", header.GoDuration, 1500 * time.Millisecond},
	"seconds as duration":           {"2", header.GoDuration, -1},
	"a date as duration":            {"2026-03-01T12:00:30Z", header.GoDuration, -1},
	"as date":                       {"2026-03-01T12:00:30Z", header.Timestamp, 30 * time.Second},
	"HTTP-date as date":             {"Sun, 01 Mar 2026 12:01:30 GMT", header.Timestamp, 90 * time.Second},
	"seconds as date":               {"30", header.Timestamp, -1},
	"a duration as date":            {"30s", header.Timestamp, -1},
	"an HTTP-date as seconds":       {"Sun, 01 Mar 2026 12:01:30 GMT", header.Seconds, -1},
	"the least Unix time":           {"1000000000", header.AnyForm, 0},
	"the least Unix time in millis": {"1000000000000", header.AnyForm, 0},
}

func TestParseWhen(t *testing.T) {
	t.Parallel()
	for name, tt := range whens {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ok := header.ParseWhen(tt.text, tt.as)
			require.Equal(t, tt.want >= 0, ok)
			if ok {
				require.Equal(t, tt.want, w.From(now))
			} else {
				require.Zero(t, w)
			}
		})
	}
	require.True(t, header.Timestamp.Valid())
	require.False(t, (header.Timestamp + 1).Valid())
}

func FuzzParseWhen(f *testing.F) {
	for _, tt := range whens {
		f.Add(tt.text, uint8(tt.as))
	}
	f.Fuzz(func(t *testing.T, text string, as uint8) {
		form := header.Form(as)
		w, ok := header.ParseWhen(text, form)
		if !ok {
			require.Zero(t, w)
			return
		}
		require.True(t, form.Valid())
		require.GreaterOrEqual(t, w.From(now), time.Duration(0))
		if form != header.AnyForm {
			return
		}
		// What a form reads, it reads alike when it is named.
		read := 0
		for form := header.Seconds; form.Valid(); form++ {
			if named, ok := header.ParseWhen(text, form); ok && named.From(now) == w.From(now) {
				read++
			}
		}
		require.Positive(t, read)
	})
}

func TestQuantity(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"0": 0, "60": 60, "598.0": 598, "2.83": 2.83, " 7\t": 7, "3.": 3, "007": 7,
		"999999999999999": header.MaxQuantity,

		"1000000000000000": -1, "1000000000000000000": -1, "999999999999999.9": -1,
		"": -1, " ": -1, "-1": -1, "+5": -1, ".5": -1, "1e3": -1, "0x10": -1, "0x1p4": -1, "1_000": -1,
		"NaN": -1, "Inf": -1, "-Inf": -1, "٣": -1, "1,000": -1, "1 000": -1, "unlimited": -1, "1.2.3": -1,
		strings.Repeat("0", 33): -1,
	} {
		n, ok := header.Quantity(text)
		require.Equal(t, want >= 0, ok, text)
		require.InDelta(t, max(want, 0), n, 0, text)
	}
}

func FuzzQuantity(f *testing.F) {
	f.Add("598.0")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := header.Quantity(text)
		require.True(t, n >= 0 && n <= header.MaxQuantity)
		if !ok {
			require.Zero(t, n)
			return
		}
		want, err := strconv.ParseFloat(strings.Trim(text, " \t"), 64)
		require.NoError(t, err)
		require.InDelta(t, want, n, 0)
	})
}

func TestFraction(t *testing.T) {
	t.Parallel()
	used, limit, ok := header.Fraction("32/40")
	require.True(t, ok)
	require.Equal(t, [2]float64{32, 40}, [2]float64{used, limit})
	_, _, ok = header.Fraction(" 41 / 40 ")
	require.True(t, ok)
	for _, text := range []string{"", "32", "32/", "/40", "32/0", "a/b", "-1/40", "1/2/3", "NaN/40"} {
		used, limit, ok := header.Fraction(text)
		require.False(t, ok, text)
		require.Zero(t, used+limit)
	}
}

func TestCutPair(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"20:1,100:120":   "20=1;100=120;",
		" 20 : 1 , 5:6 ": "20=1;5=6;",
		"a:b:c":          "a=b:c;",

		"": "!", ":": "!", "20": "!", "20:": "!", ":1": "!", "20:1,": "!", "20:1,,5:6": "20=1;!", ",20:1": "!", "20:1, ": "!",
	} {
		var got strings.Builder
		for rest, more := list, true; more; more = rest != "" {
			var k, v string
			var ok bool
			if k, v, rest, ok = header.CutPair(rest, ',', ':'); !ok {
				got.WriteString("!")
				break
			}
			got.WriteString(k + "=" + v + ";")
		}
		require.Equal(t, want, got.String(), list)
	}
}

func TestSane(t *testing.T) {
	t.Parallel()
	require.True(t, header.Sane(nil))
	require.True(t, header.Sane([]string{strings.Repeat("x", 1024), "", "", "", "", "", "", ""}))
	require.False(t, header.Sane([]string{strings.Repeat("x", 1025)}))
	require.False(t, header.Sane(make([]string, 9)))
}

func TestServerTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		date string
		want time.Duration // from now
	}{
		"ahead":               {date(time.Hour), time.Hour},
		"behind":              {date(-time.Hour), -time.Hour},
		"more than an hour":   {date(time.Hour + time.Second), 0},
		"a year ahead":        {date(365 * 24 * time.Hour), 0},
		"a year behind":       {date(-365 * 24 * time.Hour), 0},
		"garbage":             {"yesterday", 0},
		"empty":               {"", 0},
		"not quite HTTP-date": {now.Format(time.RFC3339), 0},
	} {
		require.Equal(t, now.Add(tt.want), header.ServerTime(http.Header{"Date": {tt.date}}, now).UTC(), name)
	}
	require.Equal(t, now, header.ServerTime(http.Header{}, now))
}

func TestCached(t *testing.T) {
	t.Parallel()
	require.False(t, header.Cached(http.Header{}))
	for age, want := range map[string]bool{"0": false, "1": true, "300": true, "": false, "-5": false, "old": false} {
		require.Equal(t, want, header.Cached(http.Header{"Age": {age}}), age)
	}
}

func TestIsToken(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"X-Quota": true, "!#$%&'*+-.^_`|~09azAZ": true, "": false, "a b": false, "a:b": false, "a/b": false, "é": false, "a\n": false} {
		require.Equal(t, want, header.IsToken(name), name)
	}
}
