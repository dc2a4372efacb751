package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/flight"
)

type group = flight.Group[string, int]

func newGroup() *group { return flight.New[string, int](time.Minute) }

func TestCallersShareOneFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		var runs atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				v, err := g.Do(t.Context(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return int(runs.Add(1)), nil
				})
				require.NoError(t, err)
				require.Equal(t, 1, v)
			})
		}
		wg.Wait()
		v, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 7, nil })
		require.NoError(t, err)
		require.Equal(t, 7, v, "nothing is remembered")
	})
}

func TestKeysFlyApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		begin := time.Now()
		var wg sync.WaitGroup
		for i, key := range []string{"a", "b", "c"} {
			wg.Go(func() {
				v, err := g.Do(t.Context(), key, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return i, nil
				})
				require.NoError(t, err)
				require.Equal(t, i, v)
			})
		}
		wg.Wait()
		require.Equal(t, time.Second, time.Since(begin))
	})
}

func TestFailureIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		failure := errors.New("no")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := g.Do(t.Context(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Second)
					return 0, failure
				})
				require.ErrorIs(t, err, failure)
			})
		}
		wg.Wait()
	})
}

type valueKey struct{}

func TestEachCallerKeepsItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		gone := errors.New("gone")
		first, cancel := context.WithCancelCause(context.WithValue(t.Context(), valueKey{}, "seen"))
		begin := time.Now()
		work := func(ctx context.Context) (int, error) {
			require.Equal(t, "seen", ctx.Value(valueKey{}))
			select {
			case <-time.After(10 * time.Second):
				return 1, nil
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := g.Do(first, "k", work)
			require.ErrorIs(t, err, gone)
			require.Equal(t, time.Second, time.Since(begin))
		})
		synctest.Wait()
		wg.Go(func() {
			v, err := g.Do(t.Context(), "k", work)
			require.NoError(t, err, "the caller that started it has left, the work goes on")
			require.Equal(t, 1, v)
			require.Equal(t, 10*time.Second, time.Since(begin))
		})
		time.Sleep(time.Second)
		cancel(gone)
		wg.Wait()
		_, err := g.Do(first, "k", func(context.Context) (int, error) { panic("not started") })
		require.ErrorIs(t, err, gone)
	})
}

func TestFlightHasATimeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		begin := time.Now()
		deaf := func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil }
		_, err := g.Do(t.Context(), "k", deaf)
		require.ErrorIs(t, err, flight.ErrTimeout)
		require.Equal(t, time.Minute, time.Since(begin))
		_, err = g.Do(t.Context(), "k", func(context.Context) (int, error) { panic("a second one") })
		require.ErrorIs(t, err, flight.ErrTimeout, "there is one goroutine for a function that does not listen")
		require.Equal(t, time.Minute, time.Since(begin))
		time.Sleep(time.Hour)
		synctest.Wait()
		v, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
		require.NoError(t, err)
		require.Equal(t, 2, v)
	})
}

func TestPanicIsAnErrorForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, err := g.Do(t.Context(), "k", func(context.Context) (int, error) {
					time.Sleep(time.Second)
					panic("secret")
				})
				var p *flight.PanicError
				require.ErrorAs(t, err, &p)
				require.Equal(t, "secret", p.Value)
				require.NotEmpty(t, p.Stack)
				require.Equal(t, "flight: panic with a string", err.Error())
			})
		}
		wg.Wait()
		_, err := g.Do(t.Context(), "k", func(ctx context.Context) (int, error) {
			return len(ctx.Err().Error()), nil
		})
		require.EqualError(t, err, "flight: panic: runtime error: invalid memory address or nil pointer dereference")
		_, err = g.Do(t.Context(), "k", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		require.EqualError(t, err, "flight: the function ended its goroutine")
	})
}

func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		ctx, cancel := context.WithCancel(t.Context())
		work := func(ctx context.Context) (int, error) {
			time.Sleep(time.Second)
			return 3, ctx.Err()
		}
		require.True(t, g.Start(ctx, "k", work))
		require.False(t, g.Start(ctx, "k", work))
		cancel()
		v, err := g.Do(t.Context(), "k", work)
		require.NoError(t, err)
		require.Equal(t, 3, v)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := g.Do(t.Context(), "k", func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, context.Cause(ctx)
				})
				require.ErrorIs(t, err, flight.ErrClosed)
			})
		}
		synctest.Wait()
		g.Close()
		g.Close()
		wg.Wait()
		_, err := g.Do(t.Context(), "k", func(context.Context) (int, error) { return 0, nil })
		require.ErrorIs(t, err, flight.ErrClosed)
		require.False(t, g.Start(t.Context(), "k", func(context.Context) (int, error) { return 0, nil }))
	})
}
