package auth

import (
	"log/slog"
	"net/http"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// Hooks are told what a [Guard] decides. A nil func is not called; for a request
// that gets its credentials and no 401 none is. They run on the goroutine of the
// request, with no lock held, and must not touch its body.
type Hooks struct {
	// Replay is called when a request is going to be sent again after a 401. A
	// retry budget can be charged here.
	Replay func(Event)
	// Withheld is called when a request goes out without credentials: its
	// Reason is OtherOrigin or UnknownOrigin.
	Withheld func(Event)
	// Refused is called when a request is not sent, or not sent again after a
	// 401, because it could not get its credentials or must not have them.
	Refused func(Event)
}

// Event is one decision about one request.
type Event struct {
	// Request is the one that the Guard was given. Read it only.
	Request *http.Request
	// Reason says why.
	Reason Reason
	// Err is the error that the caller gets (Refused).
	Err error
}

// Reason says why a [Guard] did not just send a request with its credentials.
type Reason int

const (
	// Unauthorized means: the answer was a 401, and there are other
	// credentials.
	Unauthorized Reason = iota + 1
	// OtherOrigin means: the request, or a redirect on its way, went to where
	// the credentials do not belong.
	OtherOrigin
	// UnknownOrigin means: it cannot be told which way a redirect has come,
	// because an answer does not say to which request it belongs.
	UnknownOrigin
	// PlainHTTP means: the credentials would have gone over plain HTTP.
	PlainHTTP
	// NoCredentials means: the Authorizer had none.
	NoCredentials
)

var reasons = [...]string{
	Unauthorized:  "unauthorized",
	OtherOrigin:   "other origin",
	UnknownOrigin: "unknown origin",
	PlainHTTP:     "plain HTTP",
	NoCredentials: "no credentials",
}

// String returns the reason in a few words.
func (r Reason) String() string {
	if r <= 0 || int(r) >= len(reasons) {
		return "unknown"
	}
	return reasons[r]
}

// LogHooks returns hooks that log each decision: a replay at level Info, what
// was withheld at level Debug and what was refused at level Warn. A nil logger
// means slog.Default(), as it is then. A record has the method and the origin
// of the request, and of its URL no more.
func LogHooks(logger *slog.Logger) Hooks {
	if logger == nil {
		logger = slog.Default()
	}
	log := func(level slog.Level, message string, e Event) {
		attrs := []slog.Attr{
			slog.String("method", methodOf(e.Request)),
			slog.String("origin", httpx.Origin(e.Request).String()),
			slog.String("reason", e.Reason.String()),
		}
		if e.Err != nil {
			attrs = append(attrs, slog.String("error", e.Err.Error()))
		}
		logger.LogAttrs(e.Request.Context(), level, message, attrs...)
	}
	return Hooks{
		Replay:   func(e Event) { log(slog.LevelInfo, "sending again with other credentials", e) },
		Withheld: func(e Event) { log(slog.LevelDebug, "sending without credentials", e) },
		Refused:  func(e Event) { log(slog.LevelWarn, "not sending without credentials", e) },
	}
}

// methodOf returns the method as it is sent.
func methodOf(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// replayKey marks the context of a request that was sent again.
type replayKey struct{ httpx.OfRequest }

// ReplaysOf returns how often the request was sent again after a 401 by the
// Guard nearest to the transport: 0 or 1. It looks at resp.Request, which the
// transport sets. Whoever counts requests adds it.
func ReplaysOf(resp *http.Response) int {
	if resp == nil || resp.Request == nil || resp.Request.Context().Value(replayKey{}) == nil {
		return 0
	}
	return 1
}
