package ratelimit

import "time"

// Hooks are told what the limiter does. A nil func is not called; for a
// request that need not wait, and whose answer asks for nothing, none is. They
// run on the goroutine of the request, with no lock held. With Config.Shadow,
// Wait and Refused tell what would have happened.
type Hooks struct {
	// Wait is called when a request begins to wait, at most once for each.
	Wait func(Wait)
	// Hold is called when a server's answer holds a key.
	Hold func(Hold)
	// Replan is called when an answer has made those who wait wait longer.
	Replan func(Replan)
	// Refused is called for each request that was refused with an Error, but
	// not for what Config.Ready refuses.
	Refused func(*Error)
}

// Wait is the beginning of a wait.
type Wait struct {
	// Key is that of the bucket.
	Key string
	// For is how long the wait will be, as far as is known now.
	For time.Duration
	// Ahead is how many wait for the same key already, in all lanes.
	Ahead int
	// Priority is the lane.
	Priority Priority
}

// Replan is a change of the turns of those who wait for a key.
type Replan struct {
	// Key is that of the bucket.
	Key string
	// Waiting is how many waited, and Refused how many of them were refused
	// because their turn would come too late now.
	Waiting, Refused int
	// Next is how long it takes until the next of them can go.
	Next time.Duration
}

// Hold is a pause that a server has asked for.
type Hold struct {
	// Key is that of the bucket.
	Key string
	// Status is that of the answer; 0 if the error of a [Permit] or of Do asked.
	Status int
	// For is how long the answer holds the key, after Config.MaxRetryAfter was
	// applied. An earlier hold may last longer.
	For time.Duration
}
