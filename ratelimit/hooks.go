package ratelimit

import "time"

// Hooks are told what the limiter does. A nil func is not called; for a
// request that need not wait, and whose answer asks for nothing, none is. They
// run on the goroutine of the request, with no lock held.
type Hooks struct {
	// Wait is called when a request begins to wait, at most once for each.
	Wait func(Wait)
	// Hold is called when a server's answer holds a key.
	Hold func(Hold)
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
}

// Hold is a pause that a server has asked for.
type Hold struct {
	// Key is that of the bucket.
	Key string
	// Status is that of the answer.
	Status int
	// For is how long the answer holds the key, after Config.MaxRetryAfter was
	// applied. An earlier hold may last longer.
	For time.Duration
}
