package holdfast

import (
	"net/http"
	"slices"
)

// Middleware wraps a RoundTripper in another. It is an alias, so the method
// value policy.Wrap of this library is one, and so is anybody else's function
// of that shape.
//
// A Middleware that is given a nil RoundTripper uses http.DefaultTransport.
type Middleware = func(http.RoundTripper) http.RoundTripper

// Chain wraps base in middlewares. The first one is the outermost: it sees a
// request first and its answer last. The package documentation shows the order
// that works.
//
// A nil base means http.DefaultTransport; a nil middleware is left out. Chain
// keeps no reference to the slice, and what it returns is safe for concurrent
// use if its parts are.
func Chain(base http.RoundTripper, middlewares ...Middleware) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	for _, wrap := range slices.Backward(middlewares) {
		if wrap != nil {
			base = wrap(base)
		}
	}
	return base
}
