package httpx

import (
	"iter"
	"net/http"
)

// maxHops is how many redirects are followed back. http.Client gives up after
// ten; beyond these the way of a request counts as unknown.
const maxHops = 100

// Hops yields the requests whose redirects have led to req, the latest first:
// none if the program has sent req itself. Each has a URL. The last is nil if the
// way goes further back, to where nobody knows.
func Hops(req *http.Request) iter.Seq[*http.Request] {
	return func(yield func(*http.Request) bool) {
		hop := req
		for range maxHops {
			if hop.Response == nil {
				return
			}
			if hop = hop.Response.Request; hop == nil || hop.URL == nil {
				break
			}
			if !yield(hop) {
				return
			}
		}
		yield(nil)
	}
}
