package mtls

import (
	"context"
	"log/slog"
)

// LogHooks returns hooks that log rotations at level Info, and what could not be
// used at level Error, because the old certificate will expire. A nil logger
// means slog.Default(), as it is then.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	return Hooks{
		Rotated: func(r Rotation) {
			logger.LogAttrs(context.Background(), slog.LevelInfo, "client certificate in use",
				slog.Int("generation", r.Generation), slog.Time("not_after", r.NotAfter))
		},
		Failed: func(err error) {
			logger.LogAttrs(context.Background(), slog.LevelError, "client certificate not replaced", slog.Any("error", err))
		},
	}
}
