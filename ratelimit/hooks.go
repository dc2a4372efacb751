package ratelimit

import "time"

// Hooks are told what the limiter does. A nil func is not called; for a
// request that need not wait none is. They run on the goroutine of the request,
// with no lock held.
type Hooks struct {
	// Wait is called when a request begins to wait, at most once for each.
	Wait func(Wait)
	// Hold is called when a server's answer holds a key.
	Hold func(Hold)
	// Refused is called for each request that was refused.
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
	// For is how long the key is held, after Config.MaxRetryAfter was applied.
	For time.Duration
}
