package fallback

import "net/http"

// Hooks are told what a [Fallback] does about failures. A nil func is not
// called; on a call that succeeds none is. They run on the goroutine of the
// call, with no lock held, and must not touch the request's body.
type Hooks struct {
	// Served is called for each degraded answer, before it is returned.
	Served func(Event)
	// Failed is called for each failed call that gets no degraded answer,
	// because none had one or the caller has gone while one was looked for. It
	// is not called when the caller had gone before.
	Failed func(Event)
}

// Event is one failed call.
type Event struct {
	// Request is the caller's. Read it only.
	Request *http.Request
	// Failure is what went wrong below.
	Failure Failure
	// Answer is the name of the Answer that served; "" in Failed.
	Answer string
	// Err joins the errors of the Answers that were asked in vain, each with the
	// name of its Answer in front; nil if they only had nothing to offer.
	Err error
}
