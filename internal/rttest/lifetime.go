package rttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
)

// aWhile is when the caller goes away. No policy waits for such an odd time, so
// a call that ends right then ended because of it.
const aWhile = 1234567891 * time.Nanosecond

func cancelEndsWait(e *env) {
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		timer := time.AfterFunc(aWhile, func() { cancel(errGone) })
		defer timer.Stop()
		r := e.do(rt, f.request(ctx).req)
		if r.took > aWhile {
			e.failf("%s: returned %v after its context had ended", where, r.took-aWhile)
		}
		if r.took == aWhile && r.err != nil && !errors.Is(r.err, errGone) {
			e.failf("%s: the error is not the context's cause: %v", where, r.err)
		}
		r.finish()
	})
}

// lateAnswersClosed checks what becomes of an answer that comes although the
// caller has gone.
func lateAnswersClosed(e *env) {
	for _, f := range forms {
		s := NewScript(Step{Wait: time.Hour, Deaf: true, Body: "late"})
		ctx, cancel := context.WithCancelCause(context.Background())
		timer := time.AfterFunc(aWhile, func() { cancel(errGone) })
		a := f.request(ctx)
		e.do(e.subject.New()(s), a.req).finish()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for _, b := range s.Bodies() {
			if b.Closes() == 0 {
				e.failf("%s: the body of an answer that came after the caller had gone was not closed", f.name)
			}
		}
		a.checkClosed(e, f.name)
		timer.Stop()
	}
}

// watchedContext is a context that package context knows nothing of. Contexts
// that are derived from it tell it to call them back, and take that back when
// they are cancelled: what is left are derived contexts that nobody cancelled.
type watchedContext struct {
	context.Context
	derived atomic.Int64
}

// watchedDone keeps package context from taking the short way to the parent.
func (c *watchedContext) Done() <-chan struct{} { return c.Context.Done() }

func (c *watchedContext) AfterFunc(f func()) func() bool {
	c.derived.Add(1)
	stop := context.AfterFunc(c.Context, f)
	var once sync.Once
	return func() bool {
		once.Do(func() { c.derived.Add(-1) })
		return stop()
	}
}

// Value hides the cancellation of the context below.
func (c *watchedContext) Value(any) any { return nil }

func nothingLeft(e *env) {
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	made := 0
	e.storm(func(where string, s *Script, rt http.RoundTripper, f form) {
		made++
		if strings.Contains(where, "silent") {
			return // the caller of this clause never goes away
		}
		ctx := &watchedContext{Context: base}
		r := e.do(rt, f.request(ctx).req)
		if r.err == nil && made%2 == 1 { // else it is closed early
			_, _ = io.Copy(io.Discard, r.resp.Body)
		}
		r.finish()
		if n := ctx.derived.Load(); n != 0 {
			e.failf("%s: %d contexts derived from the request's were not cancelled", where, n)
		}
		calls := len(s.Calls())
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if n := len(s.Calls()); n != calls {
			e.failf("%s: %d requests were sent after the call had ended", where, n-calls)
		}
		// To look at all goroutines of the process takes a millisecond: after the
		// first call and the last, and after one in between that is another in
		// each row, is often enough.
		row, call := (made-1)/inARow, (made-1)%inARow
		if call != 0 && call != inARow-1 && call != 1+row%(inARow-2) {
			return
		}
		if left := Goroutines(); len(left) > 0 {
			e.failf("%s, or before: %d goroutines are left, such as %s", where, len(left), left[0])
		}
	})
}

func idleForwarded(e *env) {
	s := NewScript()
	c, ok := e.subject.New()(s).(interface{ CloseIdleConnections() })
	if !ok {
		e.failf("the RoundTripper has no CloseIdleConnections")
		return
	}
	c.CloseIdleConnections()
	if s.IdleClosed() != 1 {
		e.failf("CloseIdleConnections reached the transport %d times", s.IdleClosed())
	}
}

func concurrentUse(e *env) {
	for _, m := range moods {
		s := NewScript(m.steps...)
		rt := e.subject.New()(s)
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				for j := range 8 {
					ctx, cancel := context.WithTimeout(context.Background(), aFewTries)
					a := forms[(i+j)%len(forms)].request(ctx)
					r := e.do(rt, a.req)
					if r.err == nil {
						_, _ = io.Copy(io.Discard, r.resp.Body)
					}
					r.finishAlone()
					cancel()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		for i, b := range s.Bodies() {
			if b.Closes() == 0 {
				e.failf("upstream %s: the body of answer %d was not closed", m.name, i+1)
			}
		}
	}
}

// finishAlone closes what a result holds.
func (r result) finishAlone() {
	if r.resp != nil && r.resp.Body != nil {
		_ = r.resp.Body.Close()
	}
}

func panicPasses(e *env) {
	value := fmt.Sprintf("panic of %p", e)
	for _, f := range forms {
		rt := e.subject.New()(NewScript(Step{Panic: value}, Step{Body: "good"}))
		for i := range 4 {
			// A subject may refuse the calls after the panic, but at once: the
			// deadline keeps it from waiting.
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			r := e.doReal(rt, f.request(ctx).req)
			if i == 0 && r.panicked != value {
				e.failf("%s: the transport panicked with %q, the caller got %v", f.name, value, r)
			}
			r.finishAlone()
			cancel()
		}
	}
}

func callbackPanics(e *env) {
	if e.subject.Hooked == nil {
		return
	}
	// A callback panics each time, or only every so often: so each has its
	// turn, also those that are called after others.
	panics := int64(0)
	for _, every := range []int64{1, 2, 3, 5} {
		for _, m := range moods {
			if m.name != "silent" {
				panics += callbackPanicsEvery(e, every, m)
			}
		}
	}
	if panics == 0 {
		e.failf("the callback was never called: Subject.Hooked does not wire it")
	}
}

// callbackPanicsEvery returns how often the callback was called.
func callbackPanicsEvery(e *env, every int64, m upstream) int64 {
	var calls atomic.Int64
	s := NewScript(m.steps...)
	rt := e.subject.Hooked(func() {
		if calls.Add(1)%every == 0 {
			panic("callback")
		}
	})(s)
	for i := range 12 {
		f := forms[i%len(forms)]
		where := fmt.Sprintf("%s, upstream %s, call %d, every %d. callback panics", f.name, m.name, i+1, every)
		if !e.survives(rt, f, where) {
			return calls.Load()
		}
	}
	for i, b := range s.Bodies() {
		if b.Closes() == 0 {
			e.failf("upstream %s: every %d. callback panics, and the body of answer %d was not closed", m.name, every, i+1)
		}
	}
	return calls.Load()
}

// survives makes one call whose callbacks may panic, and reports whether the
// next one can be made.
func (e *env) survives(rt http.RoundTripper, f form, where string) bool {
	// Half a second is longer than all waits of the subject but those that the
	// upstream asks for.
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	a := f.request(ctx)
	r := e.doReal(rt, a.req)
	if r.err == errHangs { //nolint:errorlint // our own
		return false
	}
	if r.panicked != nil && r.panicked != "callback" {
		e.failf("%s: panicked with %v", where, r.panicked)
	}
	if r.resp != nil {
		drainQuietly(r.resp.Body)
	}
	closeQuietly(r)
	a.checkClosed(e, where)
	return true
}

// closeQuietly closes what a result holds: a callback may panic there too.
func closeQuietly(r result) {
	defer func() { _ = recover() }()
	r.finishAlone()
}

// drainQuietly reads body to its end: a callback may panic there too.
func drainQuietly(body io.Reader) {
	defer func() { _ = recover() }()
	_, _ = io.Copy(io.Discard, body)
}

// doReal is like do outside a bubble. It takes the call to hang when it waits
// for a lock and nothing else runs that could release it.
func (e *env) doReal(rt http.RoundTripper, req *http.Request) result {
	done := make(chan result, 1)
	go roundTrip(rt, req, done)
	for blocked := 0; blocked < 5; {
		timer := time.NewTimer(10 * time.Millisecond)
		select {
		case r := <-done:
			timer.Stop()
			return r
		case <-timer.C:
		}
		if blockedOnLock("rttest.roundTrip") {
			blocked++
		} else {
			blocked = 0
		}
	}
	e.failf("%s: RoundTrip waits for a lock that nobody releases", req.Method)
	return result{err: errHangs}
}

// roundTrip sends req and tells how that ended, a panic included.
func roundTrip(rt http.RoundTripper, req *http.Request, done chan<- result) {
	var r result
	defer func() {
		if r.resp == nil && r.err == nil {
			r.panicked = recover()
		}
		done <- r
	}()
	r.resp, r.err = rt.RoundTrip(req)
}
