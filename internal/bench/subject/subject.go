package subject

import (
	"net/http"
	"time"
)

// What every subject is set to, as far as it has such a setting.
const (
	// Attempts is how often one call is sent at most. There is no delay between
	// attempts.
	Attempts = 3

	// AccessToken is the token that is sent where there are credentials. It is as
	// long as those of GitHub.
	AccessToken = "gho_16C7e42F292c6912E7710c838347Ae178B4a" // #nosec G101 -- of an example
	tokenLife   = 24 * time.Hour

	// More than any machine sends; x/time/rate.Inf would skip the bucket.
	perSecond = 1_000_000_000
	burst     = 1_000_000

	// Too few for holdfast to admit calls in lots, without the lock of the bucket.
	smallBurst = 5

	// A circuit opens when every one of at least minCalls in the window failed.
	minCalls      = 100
	window        = 30 * time.Second
	windowBuckets = 10
	openTimeout   = 5 * time.Second
)

// Subject is one thing that is measured. It makes calls or receives webhooks.
type Subject struct {
	// Name is what the tables call it, unique within a scenario.
	Name string
	// Wrap puts the subject around next. Each call makes one that shares no
	// state with others. What it returns is safe for concurrent use.
	Wrap func(next http.RoundTripper) http.RoundTripper
	// Receive, where there is no Wrap, signs body as a provider does that the
	// subject knows. What it returns verifies that a body is the one that was
	// signed, within the next minutes. Only one goroutine may use it.
	Receive func(body []byte) (verify func(body []byte) error)
}

// Bare is nothing around the transport: the floor.
func Bare() Subject {
	return Subject{Name: "bare", Wrap: func(next http.RoundTripper) http.RoundTripper { return next }}
}

// BareLoop is the floor where attempts fail: it sends again at once while the
// answer is 503, and does nothing else.
func BareLoop() Subject {
	return Subject{Name: "bare", Wrap: func(next http.RoundTripper) http.RoundTripper { return loop{next} }}
}

type loop struct{ next http.RoundTripper }

func (l loop) RoundTrip(req *http.Request) (*http.Response, error) {
	for {
		resp, err := l.next.RoundTrip(req)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			return resp, err
		}
		_ = resp.Body.Close()
	}
}
