package httpsig

import (
	"context"
	"errors"
	"net/http"
)

type contextKey struct{}

// FromContext returns the signature of a request that the middleware of a
// [Verifier] or of an [HMACVerifier] has let pass.
func FromContext(ctx context.Context) (*Signature, bool) {
	s, ok := ctx.Value(contextKey{}).(*Signature)
	return s, ok
}

// guard is the middleware of both verifiers.
func guard(verify func(*http.Request) (*Signature, error), refused func(*http.Request, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			req = req.WithContext(req.Context()) // its body may be replaced
			s, err := verify(req)
			if err == nil {
				next.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), contextKey{}, s)))
				return
			}
			if refused != nil {
				refused(req, err)
			}
			status := http.StatusUnauthorized
			if !errors.Is(err, ErrInvalid) {
				status = http.StatusServiceUnavailable
			}
			http.Error(w, http.StatusText(status), status)
		})
	}
}
