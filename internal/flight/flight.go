// Package flight lets one call do the work for all who want the same thing at
// the same time.
//
// It differs from golang.org/x/sync/singleflight in who waits for what: each
// caller keeps its own context and leaves when that ends, the work goes on for
// the others, and the work has a time limit of its own.
package flight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

var (
	// ErrTimeout is what the callers of a flight get that took longer than the
	// group's time limit.
	ErrTimeout = errors.New("flight: timed out")
	// ErrClosed is what callers get after Close.
	ErrClosed = errors.New("flight: closed")

	errExited = errors.New("flight: the function ended its goroutine")
)

// PanicError is what the callers of a flight get whose function panicked.
type PanicError struct {
	Value any    `json:"-"` // what it panicked with
	Stack []byte `json:"-"` // of the goroutine that panicked
}

// Error tells the type of the value, and what a runtime error says. Other
// values are not printed: nobody knows what is in them.
func (e *PanicError) Error() string {
	if err, ok := e.Value.(runtime.Error); ok {
		return "flight: panic: " + err.Error()
	}
	return fmt.Sprintf("flight: panic with a %T", e.Value)
}

// Format prints what Error returns, whatever the verb.
func (e *PanicError) Format(f fmt.State, _ rune) {
	// Format has no way to report an error.
	_, _ = io.WriteString(f, e.Error())
}

// Group has at most one flight for each key at a time. It holds nothing for a
// key without one. It is safe for concurrent use and must not be copied.
type Group[K comparable, V any] struct {
	timeout time.Duration

	mu      sync.Mutex
	flights map[K]*flight[V]
	closed  bool
}

// New returns a group whose flights take at most timeout.
func New[K comparable, V any](timeout time.Duration) *Group[K, V] {
	return &Group[K, V]{timeout: timeout, flights: make(map[K]*flight[V])}
}

// flight is one call of a function and those who wait for it.
type flight[V any] struct {
	ctx    context.Context // of this call
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when value and err are there
	value  V
	err    error
}

// Do returns what the flight for key returns, and starts it with fn if there is
// none. It returns context.Cause(ctx) as soon as ctx ends, while the flight
// goes on.
//
// fn runs on a goroutine of its own. Its context has the values of the ctx that
// started it, but ends with the group's time limit, or with Close. Callers are
// released then, even if fn takes no notice; there is no second flight for the
// key before fn has returned.
func (g *Group[K, V]) Do(ctx context.Context, key K, fn func(context.Context) (V, error)) (V, error) {
	var none V
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	f, _ := g.join(ctx, key, fn)
	if f == nil {
		return none, ErrClosed
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-f.ctx.Done():
	}
	select {
	case <-f.done:
		return f.value, f.err
	default:
		return none, context.Cause(f.ctx)
	}
}

// Start starts a flight that nobody waits for, unless there is one for key
// already, and reports whether it did.
func (g *Group[K, V]) Start(ctx context.Context, key K, fn func(context.Context) (V, error)) bool {
	_, started := g.join(ctx, key, fn)
	return started
}

// Close ends the contexts of all flights with ErrClosed as their cause, and
// lets none start any more. It does not wait for them.
func (g *Group[K, V]) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, f := range g.flights {
		f.cancel(ErrClosed)
	}
}

// join returns the flight for key, nil after Close, and whether it is new.
func (g *Group[K, V]) join(ctx context.Context, key K, fn func(context.Context) (V, error)) (f *flight[V], started bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, false
	}
	if f, ok := g.flights[key]; ok {
		return f, false
	}
	f = &flight[V]{done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	g.flights[key] = f
	go g.run(key, f, fn)
	return f, true
}

// run is the flight.
func (g *Group[K, V]) run(key K, f *flight[V], fn func(context.Context) (V, error)) {
	timer := time.AfterFunc(g.timeout, func() { f.cancel(ErrTimeout) })
	returned := false
	defer func() {
		if !returned {
			f.err = errExited
			if p := recover(); p != nil {
				f.err = &PanicError{Value: p, Stack: debug.Stack()}
			}
		}
		timer.Stop()
		g.mu.Lock()
		delete(g.flights, key)
		g.mu.Unlock()
		// In this order: who sees the context end looks for the result again.
		close(f.done)
		f.cancel(nil)
	}()
	f.value, f.err = fn(f.ctx)
	returned = true
}
