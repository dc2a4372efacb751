package scenario

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
)

// Load makes calls, with one caller or, in a parallel scenario, with several at
// the same time.
type Load struct {
	callers []*Caller
}

// Start returns a load that goes through transport. Its requests carry ctx.
func (s Scenario) Start(ctx context.Context, transport http.RoundTripper) (*Load, error) {
	l := &Load{callers: make([]*Caller, 1)}
	if s.Parallel {
		l.callers = make([]*Caller, runtime.GOMAXPROCS(0))
	}
	for i := range l.callers {
		c, err := s.Caller(ctx, transport, i)
		if err != nil {
			return nil, err
		}
		l.callers[i] = c
	}
	return l, nil
}

// Run makes n calls. A caller stops at its first error. Only one Run may be
// under way.
func (l *Load) Run(n int) error {
	if len(l.callers) == 1 {
		return l.callers[0].calls(n)
	}
	errs := make([]error, len(l.callers))
	var wg sync.WaitGroup
	for i, c := range l.callers {
		share := n / len(l.callers)
		if i < n%len(l.callers) {
			share++
		}
		wg.Go(func() { errs[i] = c.calls(share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Caller) calls(n int) error {
	for range n {
		if err := c.Call(); err != nil {
			return err
		}
	}
	return nil
}
