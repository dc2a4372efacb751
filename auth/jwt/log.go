package jwt

import (
	"context"
	"log/slog"
)

// LogHooks returns hooks that log fetches of key sets, a failure at level Warn
// and any other at level Debug. A nil logger means slog.Default(), as it is then.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	return Hooks{
		Fetched: func(f Fetch) {
			if f.Err != nil {
				logger.LogAttrs(context.Background(), slog.LevelWarn, "key set not fetched",
					slog.Duration("took", f.Took), slog.Any("error", f.Err))
				return
			}
			logger.LogAttrs(context.Background(), slog.LevelDebug, "key set fetched",
				slog.Int("keys", f.Keys), slog.Int("ignored", f.Ignored), slog.Duration("took", f.Took))
		},
	}
}
