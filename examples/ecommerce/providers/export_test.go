package providers

import (
	"net/http"
	"time"
)

// Admit returns the rate limit of a provider as a function of time.
func Admit(perSecond int) func(time.Time, http.Header) bool {
	q := &quota{perSecond: perSecond}
	return q.admit
}
