package breaker

import (
	"context"
	"log/slog"
)

// LogHooks returns hooks that log state changes, an opening at level Warn and
// any other at level Info, and refusals at level Debug. A nil logger means
// slog.Default(), as it is then. A record names the key and nothing else of the
// request.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	return Hooks{
		StateChange: func(c Change) {
			level := slog.LevelInfo
			attrs := []slog.Attr{slog.String("key", c.Key), slog.String("from", c.From.String()), slog.String("to", c.To.String()), slog.String("reason", c.Reason)}
			if c.To == Open {
				level = slog.LevelWarn
				if !c.Forced {
					attrs = append(attrs, slog.Time("until", c.Until))
				}
			}
			logger.LogAttrs(context.Background(), level, "circuit changed", attrs...)
		},
		Refused: func(e *OpenError) {
			logger.LogAttrs(context.Background(), slog.LevelDebug, "refused by the circuit",
				slog.String("key", e.Key), slog.String("reason", e.Reason()), slog.Duration("retry_after", e.RetryAfter()))
		},
	}
}
