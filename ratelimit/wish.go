package ratelimit

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/httpx"
	"github.com/holdfast-go/holdfast/internal/pace"
)

// Priority is the lane in which a call waits. The zero value is Normal.
//
// While calls of all three wait for one key, Interactive gets 15 of 20 tokens,
// Normal 4 and Batch 1. A lane in which nobody waits leaves its share to the
// others, and one that was empty saves nothing up. So a call for which
// somebody sits at a screen is soon served, and Batch always gets on.
type Priority int8

// The lanes.
const (
	// Batch is for work that nobody waits for.
	Batch Priority = iota - 1
	// Normal is for everything that says nothing.
	Normal
	// Interactive is for work that a person waits for.
	Interactive
)

// String returns "interactive", "normal" or "batch".
func (p Priority) String() string {
	switch {
	case p > Normal:
		return "interactive"
	case p < Normal:
		return "batch"
	}
	return "normal"
}

// wishes is what the context of a call says about it.
type wishes struct {
	priority Priority
	flow     string
	named    bool // flow was given, if only as ""
	cost     int
	priced   bool       // cost was given
	uses     *pace.Cost // what was given by WithUnits, or nil; never changed
}

type wishesKey struct{ httpx.OfRequest }

// wishesOf returns what ctx says, or the defaults.
func wishesOf(ctx context.Context) wishes {
	if w, ok := ctx.Value(wishesKey{}).(*wishes); ok {
		return *w
	}
	return wishes{cost: 1}
}

func (w wishes) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, wishesKey{}, &w)
}

// WithPriority returns a context whose calls wait in the lane p. Values other
// than the three count as the nearest of them.
func WithPriority(ctx context.Context, p Priority) context.Context {
	w := wishesOf(ctx)
	w.priority = min(max(p, Batch), Interactive)
	return w.in(ctx)
}

// WithFlow returns a context whose calls belong to flow, such as a customer or
// a job. The flows that wait in a lane take turns, token by token, so that one
// with many calls does not hold up one with few. Within a flow, calls go in the
// order in which they came. It takes precedence over Config.Flow.
func WithFlow(ctx context.Context, flow string) context.Context {
	w := wishesOf(ctx)
	w.flow, w.named = flow, true
	return w.in(ctx)
}

// WithCost returns a context whose calls cost n tokens each instead of 1, such
// as the points of a query. Below 1 counts as 1, and above 2^30 as 2^30.
//
// A call that costs more than the burst goes when the bucket is full and leaves
// it in debt: those who come after wait until the debt is paid.
func WithCost(ctx context.Context, n int) context.Context {
	w := wishesOf(ctx)
	w.cost, w.priced = min(max(n, 1), maxBurst), true
	return w.in(ctx)
}

// WithUnits returns a context whose calls use up n of a unit that the server
// counts beside requests, such as the [Tokens] that a prompt and its answer will
// take: an estimate. They wait for all of the quotas that the server has told.
// What was truly used shows in the quotas that the answer tells.
//
// Requests and Points are the business of [WithCost], and Concurrent of
// Config.MaxInFlight: for these, for an unknown unit and for an n that is
// negative or no number, the context is returned as it is.
func WithUnits(ctx context.Context, unit Unit, n float64) context.Context {
	var uses pace.Cost
	if unit == Requests || unit == Points || unit == Concurrent || int(unit) >= len(uses) || !(n >= 0) {
		return ctx
	}
	w := wishesOf(ctx)
	if w.uses != nil {
		uses = *w.uses
	}
	uses[unit] = n
	w.uses = &uses
	return w.in(ctx)
}
