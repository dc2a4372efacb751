package inbox_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// process is a store as one process sees it, until the process dies: then
// nothing of it reaches the store any more.
type process struct {
	inbox.Store
	mu   sync.Mutex
	dead bool
}

func (p *process) alive() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errBroken
	}
	return nil
}

func (p *process) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

func (p *process) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	if err := p.alive(); err != nil {
		return nil, err
	}
	return p.Store.Claim(ctx, now, until, limit)
}

func (p *process) Extend(ctx context.Context, tokens []inbox.Token, until time.Time) ([]inbox.Token, error) {
	if err := p.alive(); err != nil {
		return nil, err
	}
	return p.Store.Extend(ctx, tokens, until)
}

func (p *process) Finish(ctx context.Context, now time.Time, token inbox.Token, o inbox.Outcome) error {
	if err := p.alive(); err != nil {
		return err
	}
	return p.Store.Finish(ctx, now, token, o)
}

// TestPoison has an event that kills each process which handles it. It must end
// up Dead, and take none of those with it that were being handled beside it.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T) {
		memory := inbox.NewMemory()
		const innocent = 40
		var mu sync.Mutex
		handled := make(map[string]int)
		killed := 0
		running := 0
		var buried []inbox.Attempt

		lives := 0
		live := func(done func() bool) {
			lives++
			p := &process{Store: memory}
			ctx, die := context.WithCancel(t.Context())
			defer die()
			in := newInbox(t, inbox.Config{
				Store: p, Drain: -1, Backoff: everySecond(),
				Hooks: inbox.Hooks{Dead: func(a inbox.Attempt) {
					mu.Lock()
					defer mu.Unlock()
					buried = append(buried, a)
				}},
				Handle: func(ctx context.Context, d *inbox.Delivery) error {
					mu.Lock()
					running++
					if d.Crashes > 0 && running > 1 {
						t.Errorf("%s came back from a crash and is not alone", d.ID)
					}
					mu.Unlock()
					defer func() {
						mu.Lock()
						defer mu.Unlock()
						running--
					}()
					if d.ID == "poison" {
						time.Sleep(50 * time.Millisecond)
						p.die()
						die()
						mu.Lock()
						killed++
						mu.Unlock()
						return errBroken
					}
					select {
					case <-time.After(100 * time.Millisecond):
					case <-ctx.Done():
						return context.Cause(ctx)
					}
					if p.alive() == nil {
						mu.Lock()
						defer mu.Unlock()
						handled[d.ID]++
					}
					return nil
				},
			})
			if lives == 1 {
				for i := range innocent {
					put(t, in, event(strconv.Itoa(i)))
					if i == 20 {
						put(t, in, event("poison"))
					}
				}
			}
			ended := make(chan error, 1)
			go func() { ended <- in.Run(ctx) }()
			for {
				select {
				case err := <-ended:
					require.NoError(t, err)
					return
				case <-time.After(time.Second):
					if done() {
						die()
					}
				}
			}
		}
		for range 6 {
			live(func() bool {
				n, err := memory.Backlog(t.Context(), 1)
				require.NoError(t, err)
				return n == 0
			})
			time.Sleep(2 * time.Minute)
		}
		require.Equal(t, inbox.DefaultMaxCrashes, killed)
		require.Len(t, handled, innocent)
		require.Len(t, buried, 1)
		require.Equal(t, "poison", buried[0].Delivery.ID)
		require.Equal(t, []int{3, 3}, []int{buried[0].Delivery.Attempt, buried[0].Delivery.Crashes})
		require.ErrorContains(t, buried[0].Err, "poison")
		records, err := memory.List(t.Context(), inbox.Filter{State: inbox.Dead})
		require.NoError(t, err)
		require.Len(t, records, 1)
	})
}

func TestDrainWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		in := newInbox(t, inbox.Config{Hooks: j.hooks(), Workers: 1, Handle: func(ctx context.Context, _ *inbox.Delivery) error {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(10 * time.Second):
				return nil
			}
		}})
		put(t, in, event("a"), event("b"))
		stop := run(t, in)
		time.Sleep(time.Second)
		stop()
		require.Equal(t, []string{"10s done a 1/0"}, j.all())
		require.Equal(t, inbox.Pending, stateOf(t, in, "b"))
	})
}

func TestDrainEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		in := newInbox(t, inbox.Config{Hooks: j.hooks(), Drain: 5 * time.Second, Handle: func(ctx context.Context, d *inbox.Delivery) error {
			<-ctx.Done()
			require.ErrorIs(t, context.Cause(ctx), inbox.ErrDraining)
			if d.ID == "all the same" {
				return nil
			}
			return ctx.Err()
		}})
		put(t, in, event("given back"), event("all the same"))
		stop := run(t, in)
		time.Sleep(time.Second)
		stop()
		require.Equal(t, []string{"6s done all the same 1/0"}, j.all())
		records, err := in.List(t.Context(), inbox.Filter{ID: "given back"})
		require.NoError(t, err)
		require.Equal(t, inbox.Pending, records[0].State)
		require.Zero(t, records[0].Attempt, "it does not count")
	})
}

// Events that were claimed while the Run ended are given back.
func TestClaimedTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &slowClaims{Store: inbox.NewMemory()}
		in := newInbox(t, inbox.Config{Store: slow, Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		put(t, in, event("a"))
		stop := run(t, in)
		synctest.Wait()
		stop()
		records, err := in.List(t.Context(), inbox.Filter{})
		require.NoError(t, err)
		require.Equal(t, inbox.Pending, records[0].State)
		require.Zero(t, records[0].Attempt)
	})
}

type slowClaims struct{ inbox.Store }

func (s *slowClaims) Claim(ctx context.Context, now, until time.Time, limit int) ([]inbox.Claim, error) {
	time.Sleep(time.Second)
	return s.Store.Claim(ctx, now, until, limit)
}
