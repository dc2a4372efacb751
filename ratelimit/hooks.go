package ratelimit

import "time"

// Hooks are told what the limiter does. A nil func is not called; for a
// request that need not wait, and whose answer asks for nothing, none is. They
// run on the goroutine of the request, with no lock held. With Config.Shadow,
// Wait and Refused tell what would have happened.
type Hooks struct {
	// Wait is called when a request begins to wait, at most once for each: or
	// twice where it waits in a part of its key first, and then for the key.
	Wait func(Wait)
	// Hold is called when a server's answer holds a key.
	Hold func(Hold)
	// Replan is called when an answer has made those who wait wait longer.
	Replan func(Replan)
	// Plan is called when answers have changed how fast calls may go, if it is
	// much: the rate by half, or a pause of a second. It is called at most once a
	// second for each bucket.
	Plan func(PlanChange)
	// Malformed is called when an answer has fields about limits that make no
	// sense. They change nothing.
	Malformed func(Malformed)
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

// PlanChange is how fast calls may go by what the server has told of its quotas.
type PlanChange struct {
	// Key is that of the bucket.
	Key string
	// Rate is in tokens per second; 0 means no limit.
	Rate float64
	// Burst is how many tokens may go at once.
	Burst int
	// Pause is how long nothing goes, from now on; 0 if it is less than a
	// second.
	Pause time.Duration
}

// Malformed is an answer with fields about limits that make no sense.
type Malformed struct {
	// Key is that of the bucket.
	Key string
	// Fields are the names of the fields, never their values, in no particular
	// order. The slice is the hook's to keep.
	Fields []string
}

// Hold is a pause that a server has asked for.
type Hold struct {
	// Key is that of the bucket.
	Key string
	// Status is that of the answer; 0 if the error of a [Permit] or of Do asked.
	Status int
	// For is how long the key is held from now on, after Config.MaxRetryAfter
	// was applied.
	For time.Duration
}
