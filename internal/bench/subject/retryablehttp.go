package subject

import (
	"net/http"

	"github.com/hashicorp/go-retryablehttp"
)

// Retryable is go-retryablehttp's RoundTripper: retries, with no limiter and no
// circuit. Its transport is called through an http.Client, as it always is.
func Retryable() Subject {
	return Subject{Name: "go-retryablehttp", Wrap: func(next http.RoundTripper) http.RoundTripper {
		return &retryablehttp.RoundTripper{Client: &retryablehttp.Client{
			HTTPClient: &http.Client{Transport: next},
			RetryMax:   Attempts - 1,
			CheckRetry: retryablehttp.DefaultRetryPolicy,
			Backoff:    retryablehttp.DefaultBackoff,
		}}
	}}
}
