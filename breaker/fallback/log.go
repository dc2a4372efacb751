package fallback

import (
	"cmp"
	"log/slog"
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// LogHooks returns hooks that log, at level Warn, each degraded answer and each
// failed call that got none. A nil logger means slog.Default(), as it is then.
//
// A record has the method and the origin of the request, and of its URL no
// more: no path, query or userinfo. It has the texts of errors as they are.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(message string, e Event) {
		attrs := []slog.Attr{
			slog.String("method", cmp.Or(e.Request.Method, http.MethodGet)),
			slog.String("origin", httpx.Origin(e.Request).String()),
		}
		if e.Answer != "" {
			attrs = append(attrs, slog.String("answer", e.Answer))
		}
		if e.Failure.Status != 0 {
			attrs = append(attrs, slog.Int("status", e.Failure.Status))
		}
		if e.Failure.Err != nil {
			attrs = append(attrs, slog.String("error", e.Failure.Err.Error()))
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("in_vain", e.Err.Error()))
		}
		logger.LogAttrs(e.Request.Context(), slog.LevelWarn, message, attrs...)
	}
	return Hooks{
		Served: func(e Event) { log("served a degraded answer", e) },
		Failed: func(e Event) { log("no degraded answer", e) },
	}
}
