package scenario

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// Load does work, with one caller or, in a parallel scenario, with several at
// the same time.
type Load struct {
	callers []func() error
}

// Start returns a load of work. Its calls carry ctx.
func (s Scenario) Start(ctx context.Context, work Work) (*Load, error) {
	l := &Load{callers: make([]func() error, 1)}
	if s.Parallel {
		l.callers = make([]func() error, runtime.GOMAXPROCS(0))
	}
	for i := range l.callers {
		call, err := work(ctx, i)
		if err != nil {
			return nil, err
		}
		l.callers[i] = call
	}
	return l, nil
}

// Run makes n calls. A caller stops at its first error. Only one Run may be
// under way.
func (l *Load) Run(n int) error {
	if len(l.callers) == 1 {
		return repeat(l.callers[0], n)
	}
	errs := make([]error, len(l.callers))
	var wg sync.WaitGroup
	for i, call := range l.callers {
		share := n / len(l.callers)
		if i < n%len(l.callers) {
			share++
		}
		wg.Go(func() { errs[i] = repeat(call, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func repeat(call func() error, n int) error {
	for range n {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}
