package auth

import (
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// objection is why req gets no credentials; 0 if it does.
func (g *Guard) objection(req *http.Request) Reason {
	if req.URL == nil {
		return UnknownOrigin
	}
	if reason := g.misplaced(req); reason != 0 {
		return reason
	}
	if req.URL.Scheme != "https" && !g.allowHTTP && !loopback(req) {
		return PlainHTTP
	}
	return 0
}

// misplaced goes back along the redirects that have led to req. All of them
// must have been where the credentials belong: a foreign server that sends a
// client back with a request of its choice is no better than one that keeps it.
func (g *Guard) misplaced(req *http.Request) Reason {
	if req.Response == nil && g.origins == nil {
		return 0
	}
	origin := httpx.Origin(req)
	if g.origins != nil && !g.origins[origin] {
		return OtherOrigin
	}
	for hop := range httpx.Hops(req) {
		if hop == nil {
			return UnknownOrigin
		}
		before := httpx.Origin(hop)
		if g.origins != nil && !g.origins[before] || g.origins == nil && before != origin {
			return OtherOrigin
		}
	}
	return 0
}

// loopback reports whether req goes to this machine by plain HTTP.
func loopback(req *http.Request) bool {
	return req.URL.Scheme == "http" && httpx.Loopback(req.URL.Hostname())
}
