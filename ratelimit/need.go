package ratelimit

import (
	"time"

	"github.com/holdfast-go/holdfast/internal/pace"
)

// need is what a call needs of a bucket, and what it has got.
type need struct {
	cost     int
	priority Priority
	uses     *pace.Cost    // beside requests and points, or nil
	permit   *Permit       // what holds a slot and is to be remembered, or nil
	waited   time.Duration // in another bucket, before it came to this one

	admitted bool
	charged  int // tokens
	flight   flight
}

// A pace.Cost has room for each Unit.
const _ = uint(pace.Units - units)

// set takes over what the context of a call says.
func (n *need) set(w *wishes) { n.cost, n.priority, n.uses = w.cost, w.priority, w.uses }

// request is the whole call in the terms of package pace: a token counts as a
// request and as a point.
func (n *need) request() pace.Request {
	r := pace.Request{Interactive: n.priority == Interactive}
	if n.uses != nil {
		r.Cost = *n.uses
	}
	r.Cost[Requests], r.Cost[Points] = float64(n.cost), float64(n.cost)
	return r
}

// token is the part of the call that a token of the bucket stands for.
func (n *need) token() pace.Request {
	r := pace.Request{Interactive: n.priority == Interactive}
	if n.uses != nil {
		for unit, used := range n.uses {
			r.Cost[unit] = used / float64(n.cost)
		}
	}
	r.Cost[Requests], r.Cost[Points] = 1, 1
	return r
}

// stranger is n for a bucket through which the call did not go, and to which its
// answer speaks.
func (n *need) stranger() *need {
	s := *n
	s.flight = flight{since: n.flight.since}
	return &s
}

// flight is a call on its way, from its admission until its answer.
type flight struct {
	state  flightState
	listen bool          // the answer is worth reading, whatever its status
	since  time.Duration // when it was admitted
	ticket *pace.Ticket  // if paced
}

type flightState uint8

const (
	landed flightState = iota
	// blind flights are only counted: nobody plans them.
	blind
	paced
)
