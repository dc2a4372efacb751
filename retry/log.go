package retry

import (
	"context"
	"log/slog"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// LogHooks returns hooks that log each decision: a repetition at level Info,
// giving up at level Warn. A nil logger means slog.Default(), as it is then.
//
// A record has the method and the origin of the request, and of its URL no
// more: no path, query or userinfo. It has the error's text as it is.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, e Event, last slog.Attr) {
		ctx := context.Background()
		attrs := make([]slog.Attr, 0, 6)
		if e.Request != nil {
			ctx = e.Request.Context()
			attrs = append(attrs, slog.String("method", methodOf(e.Request)), slog.String("origin", httpx.Origin(e.Request).String()))
		}
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
		if e.Status != 0 {
			attrs = append(attrs, slog.Int("status", e.Status))
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("error", e.Err.Error()))
		}
		logger.LogAttrs(ctx, level, message, append(attrs, last)...)
	}
	return Hooks{
		Retry:  func(e Event) { log(slog.LevelInfo, "retrying", e, slog.Duration("delay", e.Delay)) },
		GiveUp: func(e Event) { log(slog.LevelWarn, "not retrying", e, slog.String("reason", e.Reason.String())) },
	}
}
