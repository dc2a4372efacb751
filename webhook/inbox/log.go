package inbox

import (
	"context"
	"log/slog"
)

// LogHooks returns hooks that log what was put or done at level Debug, what is
// tried again at level Info, what was refused, lost or quarantined at level
// Warn, and what is Dead, or the failure of a store, at level Error. A nil
// logger means slog.Default(), as it is then.
//
// A record has no body, no header and no Key in it. The error of a handler is
// logged as it is.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, attrs ...slog.Attr) {
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}
	attempt := func(level slog.Level, message string, a Attempt, more ...slog.Attr) {
		d := a.Delivery
		attrs := append(attrsOf(&d.Event), slog.Int64("seq", d.Seq), slog.Int("attempt", d.Attempt), slog.Duration("duration", a.Duration))
		if d.Crashes > 0 {
			attrs = append(attrs, slog.Int("crashes", d.Crashes))
		}
		if a.Err != nil {
			attrs = append(attrs, slog.String("error", a.Err.Error()))
		}
		log(level, message, append(attrs, more...)...)
	}
	return Hooks{
		Put: func(p PutInfo) {
			level := slog.LevelDebug
			if p.Result == Reuse {
				level = slog.LevelWarn
			}
			log(level, "webhook put", append(attrsOf(p.Event), slog.String("result", p.Result.String()), slog.Duration("duration", p.Duration))...)
		},
		Refused: func(err error) { log(slog.LevelWarn, "webhook refused", slog.String("error", err.Error())) },
		Done:    func(a Attempt) { attempt(slog.LevelDebug, "webhook done", a) },
		Retry:   func(a Attempt) { attempt(slog.LevelInfo, "webhook failed", a, slog.Time("next", a.Next)) },
		Dead:    func(a Attempt) { attempt(slog.LevelError, "webhook dead", a) },
		Lost:    func(a Attempt) { attempt(slog.LevelWarn, "webhook lost", a) },
		StoreFailed: func(err *StoreError) {
			log(slog.LevelError, "webhook store failed", slog.String("op", err.Op), slog.String("error", err.Err.Error()))
		},
	}
}

func attrsOf(e *Event) []slog.Attr {
	return []slog.Attr{slog.String("source", e.Source), slog.String("id", e.ID), slog.String("type", e.Type), slog.Int("bytes", len(e.Body))}
}
