package rttest

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger that writes text lines of all levels to w, without
// the time of the record and with other times in UTC, so that a line is the
// same wherever and whenever it is written.
func NewLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch {
			case a.Key == slog.TimeKey:
				return slog.Attr{}
			case a.Value.Kind() == slog.KindTime:
				return slog.Time(a.Key, a.Value.Time().UTC())
			}
			return a
		},
	}))
}
