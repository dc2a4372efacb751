package retry_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
)

// returned stands for an answer that is not waited for.
const returned = -time.Second

// What servers and attackers write into Retry-After, and what the policy makes
// of it: the wait that was meant, none where nothing sensible was, and the
// answer itself where it is more than anybody should wait.
func TestRetryAfterAttacks(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lines []string // "Name: value", or a value of Retry-After
		want  time.Duration
	}{
		"max int64":                {[]string{"9223372036854775807"}, returned},
		"eleven digits":            {[]string{"99999999999"}, returned},
		"four hundred digits":      {[]string{strings.Repeat("9", 400)}, returned},
		"a year":                   {[]string{"31536000"}, returned},
		"negative":                 {[]string{"-5"}, 0},
		"zero":                     {[]string{"0"}, 0},
		"empty":                    {[]string{""}, 0},
		"white space":              {[]string{" 12\t"}, 12 * time.Second},
		"white space, too long":    {[]string{" 120 "}, returned},
		"fraction":                 {[]string{"1.5"}, 1500 * time.Millisecond},
		"fraction of zero":         {[]string{"2.0"}, 2 * time.Second},
		"exponent":                 {[]string{"1e1"}, 0},
		"hexadecimal":              {[]string{"0x10"}, 0},
		"underscore":               {[]string{"1_0"}, 0},
		"plus sign":                {[]string{"+5"}, 0},
		"NaN":                      {[]string{"NaN"}, 0},
		"Inf":                      {[]string{"Inf"}, 0},
		"arabic digit":             {[]string{"٣"}, 0},
		"a unit":                   {[]string{"30s"}, 0},
		"joined by a proxy":        {[]string{"12, 24"}, 24 * time.Second},
		"joined, one too long":     {[]string{"12, 240"}, returned},
		"two lines":                {[]string{"12", "24"}, 24 * time.Second},
		"a line of rubbish":        {[]string{"soon", "24"}, 24 * time.Second},
		"date":                     {[]string{"Sat, 01 Jan 2000 00:00:09 GMT"}, 9 * time.Second},
		"date of RFC 850":          {[]string{"Saturday, 01-Jan-00 00:00:09 GMT"}, 9 * time.Second},
		"date of asctime":          {[]string{"Sat Jan  1 00:00:09 2000"}, 9 * time.Second},
		"leap second":              {[]string{"Sat, 01 Jan 2000 00:00:60 GMT"}, 59 * time.Second},
		"date in the past":         {[]string{"Fri, 31 Dec 1999 23:59:59 GMT"}, 0},
		"date in 1970":             {[]string{"Thu, 01 Jan 1970 00:00:00 GMT"}, 0},
		"date in 9999":             {[]string{"Fri, 31 Dec 9999 23:59:59 GMT"}, returned},
		"date in lower case":       {[]string{"sat, 01 jan 2000 00:00:09 gmt"}, 0},
		"date in UTC":              {[]string{"Sat, 01 Jan 2000 00:00:09 UTC"}, 0},
		"date with an offset":      {[]string{"Sat, 01 Jan 2000 00:00:09 +0000"}, 0},
		"Unix time in the future":  {[]string{"1000000000"}, returned},
		"against Date":             {[]string{"Sat, 01 Jan 2000 00:10:09 GMT", "Date: Sat, 01 Jan 2000 00:10:00 GMT"}, 9 * time.Second},
		"Date is garbage":          {[]string{"Sat, 01 Jan 2000 00:00:09 GMT", "Date: yesterday"}, 9 * time.Second},
		"Date a year too early":    {[]string{"Sat, 01 Jan 2000 00:00:09 GMT", "Date: Fri, 01 Jan 1999 00:00:00 GMT"}, 9 * time.Second},
		"Date a year too late":     {[]string{"Sat, 01 Jan 2000 00:00:09 GMT", "Date: Mon, 01 Jan 2001 00:00:00 GMT"}, 9 * time.Second},
		"milliseconds":             {[]string{"Retry-After-Ms: 1500", "99"}, 1500 * time.Millisecond},
		"milliseconds of Azure":    {[]string{"X-Ms-Retry-After-Ms: 5"}, 5 * time.Millisecond},
		"milliseconds, overflow":   {[]string{"Retry-After-Ms: 9223372036854775807"}, returned},
		"milliseconds, unreadable": {[]string{"Retry-After-Ms: -1", "2"}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // whose clock begins at 2000-01-01 00:00 UTC
				step := rttest.Step{Status: http.StatusTooManyRequests}
				for _, line := range tt.lines {
					field, value, named := strings.Cut(line, ": ")
					if !named {
						field, value = "Retry-After", line
					}
					step.Header = append(step.Header, field, value)
				}
				s := rttest.NewScript(step, rttest.Step{})
				resp, err := roundTrip(t, retry.Config{Backoff: retry.Constant(0)}, s, newRequest(t, http.MethodGet, nil))
				require.NoError(t, err)
				if tt.want == returned {
					require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
					require.Len(t, s.Calls(), 1)
					return
				}
				require.Equal(t, []time.Duration{tt.want}, waits(s.Calls()))
			})
		})
	}
}

// A 429 without anything, a thousand in a row: each call gives up after its
// attempts, none of them follows at once, and with a budget they hardly add to
// the load.
func TestThousand429s(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		budget *retry.BudgetConfig
		most   int
	}{
		"without a budget": {nil, 3000},
		"with a budget":    {&retry.BudgetConfig{MinPerSecond: -1}, 1100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := retry.Config{Backoff: retry.EqualJitter(100*time.Millisecond, time.Second)}
				if tt.budget != nil {
					c.Budget = newBudget(t, *tt.budget)
				}
				s := rttest.NewScript(rttest.Step{Status: http.StatusTooManyRequests})
				rt := newPolicy(t, c).Wrap(s)
				for range 1000 {
					before := len(s.Calls())
					resp, err := rt.RoundTrip(newRequest(t, http.MethodGet, nil))
					require.NoError(t, err)
					require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
					require.NoError(t, resp.Body.Close())
					for i, wait := range waits(s.Calls()[before:]) {
						require.GreaterOrEqual(t, wait, 49*time.Millisecond<<i)
					}
				}
				require.LessOrEqual(t, len(s.Calls()), tt.most)
				require.GreaterOrEqual(t, len(s.Calls()), 1000)
			})
		})
	}
}
