package redislimit

import (
	"context"
	"log/slog"
)

// LogHooks returns hooks that log leases at level Debug, the end of an outage of
// Redis at level Info, and its begin and refusals at level Warn. A nil logger
// means slog.Default(), as it is then. A record names the key and nothing else
// of the request.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, attrs ...slog.Attr) {
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}
	return Hooks{
		Lease: func(l Lease) {
			log(slog.LevelDebug, "leased from Redis", slog.String("key", l.Key), slog.Int("slots", l.Slots), slog.Duration("wait", l.Wait), slog.Int("replicas", l.Replicas))
		},
		Degraded: func(o Outage) {
			log(slog.LevelWarn, "Redis does not answer", slog.Any("error", o.Err))
		},
		Recovered: func(o Outage) {
			log(slog.LevelInfo, "Redis answers again", slog.Duration("after", o.For))
		},
		Refused: func(e *Error) {
			log(slog.LevelWarn, "refused by the shared rate limit", slog.String("key", e.Key), slog.Duration("wait", e.Wait), slog.String("reason", e.Reason.String()))
		},
	}
}
