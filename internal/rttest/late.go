package rttest

import (
	"context"
	"time"
)

// LateContext returns a context whose deadline has passed, and whose timer has
// not fired yet.
func LateContext(parent context.Context) context.Context { return lateContext{parent} }

type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now(), true }
