package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/rttest"
)

// driver takes random steps with a breaker and with the model, and compares
// them after each.
type driver struct {
	t       *testing.T
	random  *rand.Rand
	breaker *breaker.Breaker
	model   *model
	begin   time.Time
	badness float64 // of the upstream at present
	bodies  []*openBody
	hung    []*hungCall
}

// openBody is an answer whose body is still to be read.
type openBody struct {
	call   *modelCall
	resp   *http.Response
	cancel context.CancelFunc
	cut    bool
}

// hungCall is a call that waits for its answer.
type hungCall struct {
	call   *modelCall
	answer chan rttest.Step
	done   chan struct{}
}

// A hundred and twenty thousand steps, which must have been everywhere.
func TestModel(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runModel(t, seed, 2000, seen) })
	}
	for _, change := range []string{
		"closed open", "open half-open", "half-open open", "half-open closed",
		"closed open forced", "open open forced", "half-open open forced", "closed closed forced", "open closed forced",
	} {
		require.Greater(t, seen[change], 20, "%s: %v", change, seen)
	}
}

// FuzzModel looks for a seed by which the model and the breaker part.
func FuzzModel(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(func(t *testing.T, seed uint64) { runModel(t, seed, 500, map[string]int{}) })
}

func runModel(t *testing.T, seed uint64, steps int, seen map[string]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := breaker.Config{
			ConsecutiveFailures: 2 + random.IntN(6),
			FailureRatio:        0.25 * float64(1+random.IntN(4)),
			SlowCall:            time.Duration(1+random.IntN(6)) * time.Second,
			SlowRatio:           0.25 * float64(1+random.IntN(4)),
			MinCalls:            1 + random.IntN(12),
			Window:              10 * time.Second,
			OpenTimeout:         3 * time.Second,
			MaxOpenTimeout:      24 * time.Second,
			Jitter:              -1,
			MaxRetryAfter:       time.Duration(5+random.IntN(10)) * time.Second,
			Probes:              1 + random.IntN(3),
			ProbeLease:          time.Duration(1+random.IntN(8)) * time.Second,
		}
		state := breaker.Closed
		c.Hooks.StateChange = func(change breaker.Change) {
			require.Equal(t, state, change.From, "no change is lost")
			state = change.To
			kind := change.From.String() + " " + change.To.String()
			if change.Forced {
				kind += " forced"
			}
			seen[kind]++
		}
		d := &driver{t: t, random: random, breaker: newBreaker(t, c), model: &model{config: c}, begin: time.Now()}
		for step := range steps {
			what := d.step()
			d.compare(fmt.Sprintf("step %d, %s", step, what))
		}
		for len(d.hung) > 0 {
			d.answerHung()
		}
	})
}

func (d *driver) now() time.Duration { return time.Since(d.begin) }

func (d *driver) step() string {
	switch n := d.random.IntN(100); {
	case n < 2:
		d.badness = d.random.Float64()
		return "change of weather"
	case n < 45:
		return d.call()
	case n < 55:
		return d.openBody()
	case n < 60:
		return d.hang()
	case n < 70 && len(d.bodies) > 0:
		return d.endBody()
	case n < 75 && len(d.hung) > 0:
		return d.answerHung()
	case n < 77:
		return d.operate()
	}
	return d.sleep()
}

// sleep lets time pass, now and then to just the time of a probe.
func (d *driver) sleep() string {
	most := []time.Duration{1, time.Millisecond, 300 * time.Millisecond, 2 * time.Second, 20 * time.Second}[d.random.IntN(5)]
	pause := time.Duration(d.random.Int64N(int64(most))) + 1
	if left := d.model.until - d.now(); left > 1 && d.random.IntN(3) == 0 {
		pause = left - time.Duration(d.random.IntN(2))
	}
	time.Sleep(pause)
	synctest.Wait() // for the end of a lease that is due just now
	d.model.expire(d.now())
	return fmt.Sprintf("sleep %v", pause)
}

func (d *driver) operate() string {
	const key = "https://" + host
	switch d.random.IntN(6) {
	case 0:
		require.NoError(d.t, d.breaker.ForceOpen(key))
		d.model.force(breaker.Open, d.now())
		return "ForceOpen"
	case 1:
		require.NoError(d.t, d.breaker.ForceClosed(key))
		d.model.force(breaker.Closed, d.now())
		return "ForceClosed"
	}
	require.Equal(d.t, d.model.release(d.now()), d.breaker.Release(key))
	return "Release"
}

// some returns a random answer and what it means.
func (d *driver) some() (rttest.Step, verdict, time.Duration) {
	if d.random.Float64() >= d.badness {
		return rttest.Step{Status: []int{200, 204, 302, 404, 429, 501}[d.random.IntN(6)]}, success, 0
	}
	switch d.random.IntN(5) {
	case 0:
		return rttest.Step{Err: fmt.Errorf("below: %w", notSent{})}, neither, 0
	case 1:
		return rttest.Step{Err: errBroken}, failure, 0
	case 2:
		return rttest.Step{Panic: errBroken}, failure, 0
	case 3:
		return rttest.Step{Status: 503, Header: []string{"Retry-After", "12"}}, failure, 12 * time.Second
	}
	return rttest.Step{Status: []int{500, 502, 504, 529}[d.random.IntN(4)]}, failure, 0
}

// call makes a call that is over at once.
func (d *driver) call() string {
	step, v, wait := d.some()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	if d.random.IntN(8) == 0 {
		cancel()
		v = neither
		if step.Panic != nil {
			v = failure
		}
	}
	c := d.model.begin(d.now())
	if c != nil {
		d.model.end(c, v, d.now(), wait)
	}
	var err error
	if wait == 0 && d.random.IntN(4) == 0 {
		err = d.do(ctx, step)
	} else {
		err = d.roundTrip(ctx, step)
	}
	require.Equal(d.t, c == nil, errors.Is(err, breaker.ErrOpen), "refused")
	return fmt.Sprintf("call %+v", step)
}

func (d *driver) roundTrip(ctx context.Context, step rttest.Step) (err error) {
	defer func() { _ = recover() }()
	return call(d.breaker.Wrap(rttest.NewScript(step)), newRequest(d.t, host).WithContext(ctx))
}

func (d *driver) do(ctx context.Context, step rttest.Step) (err error) {
	defer func() { _ = recover() }()
	return d.breaker.Do(ctx, "https://"+host, func(context.Context) error {
		switch {
		case step.Panic != nil:
			panic(step.Panic)
		case step.Status >= 500 && step.Status != 501:
			return errBroken
		case ctx.Err() != nil:
			return ctx.Err()
		}
		return step.Err
	})
}

// openBody makes a call whose body is read later, or never.
func (d *driver) openBody() string {
	ctx, cancel := context.WithCancel(d.t.Context())
	b := &openBody{cancel: cancel, cut: d.random.Float64() < d.badness}
	b.call = d.model.begin(d.now())
	var err error
	b.resp, err = d.breaker.Wrap(rttest.NewScript(rttest.Step{Body: "answer", Cut: b.cut})).RoundTrip(newRequest(d.t, host).WithContext(ctx))
	require.Equal(d.t, b.call == nil, errors.Is(err, breaker.ErrOpen), "refused")
	if b.call != nil {
		b.call.answered = true
		d.bodies = append(d.bodies, b)
	}
	return "open body"
}

func (d *driver) endBody() string {
	b := take(d.random, &d.bodies)
	v := success
	how := d.random.IntN(6)
	switch {
	case how == 0:
		b.cancel()
		v = neither
	case how == 1: // closed before its end
		require.NoError(d.t, b.resp.Body.Close())
	case b.cut:
		v = failure
	}
	_ = readAll(b.resp)
	b.cancel()
	d.model.end(b.call, v, d.now(), 0)
	return fmt.Sprintf("end of body, %d", v)
}

// hang makes a call that is answered later.
func (d *driver) hang() string {
	h := &hungCall{answer: make(chan rttest.Step), done: make(chan struct{})}
	h.call = d.model.begin(d.now())
	rt := d.breaker.Wrap(rttest.Func(func(req *http.Request) (*http.Response, error) {
		return rttest.NewScript(<-h.answer).RoundTrip(req)
	}))
	req := newRequest(d.t, host)
	refused := false
	go func() {
		defer close(h.done)
		defer func() { _ = recover() }()
		refused = errors.Is(call(rt, req), breaker.ErrOpen)
	}()
	synctest.Wait()
	if h.call != nil {
		d.hung = append(d.hung, h)
		return "hang"
	}
	<-h.done
	require.True(d.t, refused)
	return "hang"
}

func (d *driver) answerHung() string {
	h := take(d.random, &d.hung)
	step, v, wait := d.some()
	h.answer <- step
	<-h.done
	d.model.end(h.call, v, d.now(), wait)
	return fmt.Sprintf("late answer %+v", step)
}

// take removes a random element.
func take[T any](random *rand.Rand, list *[]T) T {
	i := random.IntN(len(*list))
	x := (*list)[i]
	(*list)[i] = (*list)[len(*list)-1]
	*list = (*list)[:len(*list)-1]
	return x
}

// compare looks at everything that can be seen from outside.
func (d *driver) compare(after string) {
	now := d.now()
	want := d.model.circuit("https://"+host, d.begin, now)
	if all := d.breaker.Snapshot(); len(all) > 0 {
		require.Equal(d.t, []breaker.Circuit{want}, all, after)
	}
	err := d.breaker.Ready(newRequest(d.t, host))
	require.Equal(d.t, d.model.refused(now), err != nil, after)
	if err == nil {
		return
	}
	var e *breaker.OpenError
	require.ErrorAs(d.t, err, &e, after)
	got := []any{e.Key, e.State, e.Forced, e.Since, e.RetryAfter()}
	wait := time.Duration(0)
	if !want.NextProbe.IsZero() {
		wait = d.model.until - now
	}
	require.Equal(d.t, []any{want.Key, want.State, want.Forced, want.Since, wait}, got, after)
}
