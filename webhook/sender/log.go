package sender

import (
	"context"
	"errors"
	"log/slog"
)

// LogHooks returns hooks that log what was delivered at level Debug, what is
// tried again at level Info, what was lost at level Warn, and what is Dead, a
// disabled endpoint, or the failure of a store, at level Error. A nil logger
// means slog.Default(), as it is then.
//
// A record has no body and no key in it, and of a URL no more than scheme, host
// and port. It has the address that a [Guard] has blocked.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, attrs ...slog.Attr) {
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}
	attempt := func(level slog.Level, message string, a Attempt, more ...slog.Attr) {
		attrs := []slog.Attr{
			slog.String("endpoint", a.Message.Endpoint), slog.String("id", a.Message.ID), slog.Int("attempt", a.Number),
			slog.Int("bytes", len(a.Message.Body)), slog.Duration("duration", a.Duration),
		}
		if a.Status != 0 {
			attrs = append(attrs, slog.Int("status", a.Status))
		}
		if a.Err != nil {
			attrs = append(attrs, slog.String("error", a.Err.Error()))
		}
		if blocked, ok := errors.AsType[*BlockedError](a.Err); ok && blocked.To.IsValid() {
			attrs = append(attrs, slog.String("address", blocked.To.String()))
		}
		log(level, message, append(attrs, more...)...)
	}
	return Hooks{
		Delivered: func(a Attempt) { attempt(slog.LevelDebug, "webhook delivered", a) },
		Retry:     func(a Attempt) { attempt(slog.LevelInfo, "webhook not delivered", a, slog.Time("next", a.Next)) },
		Dead:      func(a Attempt) { attempt(slog.LevelError, "webhook dead", a) },
		Lost:      func(a Attempt) { attempt(slog.LevelWarn, "webhook lost", a) },
		Disabled: func(h Health) {
			log(slog.LevelError, "webhook endpoint disabled", slog.String("endpoint", h.Endpoint), slog.String("reason", h.Reason),
				slog.Int("failures", h.Failures), slog.Time("failing_since", h.FailingSince))
		},
		StoreFailed: func(err *StoreError) {
			log(slog.LevelError, "webhook store failed", slog.String("op", err.Op), slog.String("error", err.Err.Error()))
		},
	}
}
