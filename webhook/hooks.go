package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Hooks are told what a [Receiver] does. A nil func is not called. They run on
// the goroutine of the request, with no lock held.
type Hooks struct {
	// Done is called when a request has been answered.
	Done func(Record)
}

// Record is what became of a request.
type Record struct {
	// Source is ReceiverConfig.Name.
	Source string
	// Status is that of the answer; 0 if another handler gave it, see
	// [Receiver.Verify].
	Status int
	// Err is why the request was refused. It quotes nothing of it, unless it is
	// the error of the receiving func.
	Err error
	// KeyID is the ID of the key that the signature fits.
	KeyID string
	// Skew is how long before the request the signed time lies, negative if it
	// lies behind it. It is 0 if the scheme signs none, or the request was refused
	// for another reason than its age.
	Skew time.Duration
	// Events are those of the request, nil if it was refused or a handshake. They
	// must not be changed.
	Events []Event
	// Bytes is the length of the body, as far as it was read.
	Bytes int
	// Duration is how long it took, from the header to the answer.
	Duration time.Duration
}

// LogHooks returns hooks that log what was taken at level Debug, what was
// refused at level Warn, and what failed on our side at level Error. A nil
// logger means slog.Default(), as it is then. A record has no body and no
// header in it.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	return Hooks{Done: func(r Record) {
		level, message := slog.LevelDebug, "webhook taken"
		switch {
		case r.Status >= http.StatusInternalServerError:
			level, message = slog.LevelError, "webhook failed"
		case r.Err != nil:
			level, message = slog.LevelWarn, "webhook refused"
		}
		attrs := []slog.Attr{
			slog.String("source", r.Source), slog.Int("status", r.Status), slog.String("key", r.KeyID),
			slog.Int("events", len(r.Events)), slog.Int("bytes", r.Bytes), slog.Duration("duration", r.Duration),
		}
		if r.Skew != 0 {
			attrs = append(attrs, slog.Duration("skew", r.Skew))
		}
		if r.Err != nil {
			attrs = append(attrs, slog.String("error", r.Err.Error()))
		}
		if len(r.Events) > 0 {
			attrs = append(attrs, slog.String("id", r.Events[0].ID), slog.Bool("id_signed", r.Events[0].IDSigned), slog.String("type", r.Events[0].Type))
		}
		logger.LogAttrs(context.Background(), level, message, attrs...)
	}}
}
