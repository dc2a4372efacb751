package header_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/header"
)

var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

// date formats now+d as an IMF-fixdate.
func date(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	none := time.Duration(-1)
	for name, tt := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"absent":                     {http.Header{}, none},
		"seconds":                    {retryAfter("120"), 120 * time.Second},
		"zero":                       {retryAfter("0"), 0},
		"fraction":                   {retryAfter("1.5"), 1500 * time.Millisecond},
		"fraction, to the digit":     {retryAfter("64.57"), 64570 * time.Millisecond},
		"fraction of zeros":          {retryAfter("2.0"), 2 * time.Second},
		"fraction without digits":    {retryAfter("3."), 3 * time.Second},
		"white space around":         {retryAfter(" 120\t"), 120 * time.Second},
		"empty":                      {retryAfter(""), none},
		"negative":                   {retryAfter("-5"), none},
		"plus sign":                  {retryAfter("+5"), none},
		"exponent":                   {retryAfter("1e3"), none},
		"hexadecimal":                {retryAfter("0x10"), none},
		"underscore":                 {retryAfter("1_000"), none},
		"NaN":                        {retryAfter("NaN"), none},
		"Inf":                        {retryAfter("Inf"), none},
		"leading dot":                {retryAfter(".5"), none},
		"two dots":                   {retryAfter("1.2.3"), none},
		"arabic digit":               {retryAfter("٣"), none},
		"unit":                       {retryAfter("30s"), none},
		"max int64":                  {retryAfter("9223372036854775807"), header.Forever},
		"four hundred digits":        {retryAfter(strings.Repeat("9", 400)), header.Forever},
		"overflows the Duration":     {retryAfter("999999999"), 999999999 * time.Second},
		"epoch seconds":              {retryAfter("1772366430"), 30 * time.Second},
		"epoch seconds past":         {retryAfter("1700000000"), 0},
		"epoch milliseconds":         {retryAfter("1772366430000"), 30 * time.Second},
		"epoch far away":             {retryAfter("99999999999"), header.Forever},
		"between the epochs":         {retryAfter("500000000000"), header.Forever},
		"joined by a proxy":          {retryAfter("120, 240"), 240 * time.Second},
		"joined with rubbish":        {retryAfter("x,,240,-1"), 240 * time.Second},
		"two lines":                  {retryAfter("120", "60"), 120 * time.Second},
		"two lines, one unreadable":  {retryAfter("soon", "60"), 60 * time.Second},
		"IMF-fixdate":                {retryAfter(date(90 * time.Second)), 90 * time.Second},
		"RFC 850":                    {retryAfter("Sunday, 01-Mar-26 12:01:30 GMT"), 90 * time.Second},
		"asctime":                    {retryAfter("Sun Mar  1 12:01:30 2026"), 90 * time.Second},
		"leap second":                {retryAfter("Sun, 01 Mar 2026 12:01:60 GMT"), 119 * time.Second},
		"date in the past":           {retryAfter(date(-time.Hour)), 0},
		"date in 1970":               {retryAfter("Thu, 01 Jan 1970 00:00:00 GMT"), 0},
		"date in 9999":               {retryAfter("Fri, 31 Dec 9999 23:59:59 GMT"), header.Forever},
		"date in UTC":                {retryAfter("Sun, 01 Mar 2026 12:01:30 UTC"), none},
		"RFC 850 in another zone":    {retryAfter("Sunday, 01-Mar-26 12:01:30 PST"), none},
		"date with an offset":        {retryAfter("Sun, 01 Mar 2026 12:01:30 +0000"), none},
		"date in lower case":         {retryAfter("sun, 01 mar 2026 12:01:30 gmt"), none},
		"RFC 3339":                   {retryAfter("2026-03-01T12:01:30Z"), none},
		"a megabyte":                 {retryAfter(strings.Repeat("x", 1<<20)), none},
		"relative to Date":           {with(retryAfter(date(90*time.Second)), "Date", date(30*time.Second)), time.Minute},
		"epoch relative to Date":     {with(retryAfter("1772366430"), "Date", date(10*time.Second)), 20 * time.Second},
		"Date is garbage":            {with(retryAfter(date(90*time.Second)), "Date", "yesterday"), 90 * time.Second},
		"Date a year off":            {with(retryAfter(date(90*time.Second)), "Date", date(-365*24*time.Hour)), 90 * time.Second},
		"milliseconds":               {http.Header{"Retry-After-Ms": {"1500"}}, 1500 * time.Millisecond},
		"milliseconds of Azure":      {http.Header{"X-Ms-Retry-After-Ms": {"5"}}, 5 * time.Millisecond},
		"milliseconds go first":      {with(retryAfter("2"), "Retry-After-Ms", "1500"), 1500 * time.Millisecond},
		"bad milliseconds":           {with(retryAfter("2"), "Retry-After-Ms", "-1"), 2 * time.Second},
		"milliseconds overflow":      {http.Header{"Retry-After-Ms": {"9223372036854775807"}}, header.Forever},
		"no line under the name":     {http.Header{"Retry-After": nil}, none},
		"Date without line":          {http.Header{"Retry-After": {date(time.Second)}, "Date": nil}, time.Second},
		"trailing comma":             {retryAfter("7,"), 7 * time.Second},
		"date and number in a field": {retryAfter(date(time.Second) + ", 5"), 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := header.RetryAfter(tt.header, clock)
			require.Equal(t, tt.want != none, ok)
			if ok {
				require.Equal(t, tt.want, got)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, v := range []string{"", "0", "1.5", "-5", "1e3", "NaN", "120, 240", "9223372036854775807", "1772366430", date(0), "Sun Mar  1 12:01:60 2026"} {
		f.Add(v, date(0), v)
	}
	f.Fuzz(func(t *testing.T, value, served, millis string) {
		h := http.Header{"Retry-After": {value, millis}, "Date": {served}, "Retry-After-Ms": {millis}}
		d, ok := header.RetryAfter(h, clock)
		require.GreaterOrEqual(t, d, time.Duration(0))
		if !ok {
			require.Zero(t, d)
		}
		// The order of two lines does not matter.
		swapped := http.Header{"Retry-After": {millis, value}, "Date": {served}, "Retry-After-Ms": {millis}}
		again, okAgain := header.RetryAfter(swapped, clock)
		require.Equal(t, d, again)
		require.Equal(t, ok, okAgain)
	})
}

func retryAfter(lines ...string) http.Header { return http.Header{"Retry-After": lines} }

func with(h http.Header, name, value string) http.Header {
	h.Set(name, value)
	return h
}
