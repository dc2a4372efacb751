package header_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/header"
)

// An IMF-fixdate means what package http says that it means, and is a date when
// that says so.
func sameAsHTTP(t *testing.T, s string) {
	t.Helper()
	want, err := http.ParseTime(strings.Replace(s, ":60 ", ":59 ", 1))
	got, ok := header.ParseWhen(s, header.Timestamp)
	require.Equal(t, err == nil, ok, s)
	require.True(t, want.Equal(got.At), "%s: %v instead of %v", s, got.At, want)
}

func TestFixdate(t *testing.T) {
	t.Parallel()
	for at := time.Date(1999, 12, 25, 0, 0, 0, 0, time.UTC); at.Year() < 2101; at = at.Add(23*time.Hour + 59*time.Minute + 57*time.Second) {
		sameAsHTTP(t, at.Format(http.TimeFormat))
	}
}

var fixdates = []string{
	"Sun, 06 Nov 1994 08:49:37 GMT",
	"Mon, 06 Nov 1994 08:49:37 GMT",
	"sun, 06 nov 1994 08:49:37 GMT",
	"SUN, 06 NOV 1994 08:49:37 GMT",
	"Tue, 29 Feb 2000 23:59:59 GMT",
	"Thu, 29 Feb 1900 00:00:00 GMT",
	"Thu, 31 Apr 2026 00:00:00 GMT",
	"Thu, 00 Apr 2026 00:00:00 GMT",
	"Thu, 32 Jan 2026 00:00:00 GMT",
	"Thu, 01 Jan 0000 00:00:00 GMT",
	"Fri, 31 Dec 9999 23:59:59 GMT",
	"Fri, 31 Dec 9999 24:00:00 GMT",
	"Fri, 31 Dec 9999 23:60:00 GMT",
	"Fri, 31 Dec 9999 23:59:60 GMT",
	"Fri, 31 Dec 9999 23:59:61 GMT",
	"Fri, 31 Dec 9999 23:60:60 GMT",
	"Foo, 06 Nov 1994 08:49:37 GMT",
	"Sun, 06 Foo 1994 08:49:37 GMT",
	"Sun, 06 Nov 1994 08:49:37 UTC",
	"Sun; 06 Nov 1994 08:49:37 GMT",
	"Sun, 06-Nov-1994 08:49:37 GMT",
	"Sun, 6  Nov 1994 08:49:37 GMT",
	"Sun,  6 Nov 1994 08:49:37 GMT",
	"Sun, +6 Nov 1994 08:49:37 GMT",
	"Sun, 06 Nov -994 08:49:37 GMT",
	"Sun, 06 Nov 1994 8:49:37  GMT",
	"Sun, 06 Nov 1994 08.49.37 GMT",
}

func TestFixdateByAnotherName(t *testing.T) {
	t.Parallel()
	for _, s := range fixdates {
		sameAsHTTP(t, s)
	}
}

func FuzzFixdate(f *testing.F) {
	for _, s := range fixdates {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const form = "Sun, 06 Nov 1994 08:49:37 GMT"
		if len(s) != len(form) || strings.Trim(s, " \t") != s || '0' <= s[0] && s[0] <= '9' {
			t.Skip("read in other ways, or not at all")
		}
		sameAsHTTP(t, s)
	})
}
