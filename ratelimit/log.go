package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// LogHooks returns hooks that log waits and new plans at level Debug, holds at level Info and
// refusals at level Warn. Malformed fields are logged at level Info, at most once
// a minute. A nil logger means slog.Default(), as it is then.
// A record names the key and nothing else of the request.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, attrs ...slog.Attr) {
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}
	start, told := time.Now(), &atomic.Int64{} // when a malformed answer was logged last
	return Hooks{
		Wait: func(w Wait) {
			log(slog.LevelDebug, "waiting for the rate limit", slog.String("key", w.Key), slog.Duration("for", w.For))
		},
		Hold: func(h Hold) {
			log(slog.LevelInfo, "held by the server", slog.String("key", h.Key), slog.Int("status", h.Status), slog.Duration("for", h.For))
		},
		Plan: func(c PlanChange) {
			log(slog.LevelDebug, "new pace by the server's quotas", slog.String("key", c.Key), slog.Float64("rate", c.Rate), slog.Int("burst", c.Burst), slog.Duration("pause", c.Pause))
		},
		Malformed: func(m Malformed) {
			now := time.Since(start)
			last := told.Load()
			if last != 0 && now-time.Duration(last) < time.Minute || !told.CompareAndSwap(last, int64(max(1, now))) {
				return
			}
			log(slog.LevelInfo, "malformed fields about limits", slog.String("key", m.Key), slog.Any("fields", m.Fields))
		},
		Replan: func(r Replan) {
			log(slog.LevelDebug, "waiting for longer than planned", slog.String("key", r.Key), slog.Int("waiting", r.Waiting), slog.Int("refused", r.Refused), slog.Duration("next", r.Next))
		},
		Refused: func(e *Error) {
			log(slog.LevelWarn, "refused by the rate limit", slog.String("key", e.Key), slog.Duration("wait", e.Wait), slog.String("reason", e.Reason.String()))
		},
	}
}
