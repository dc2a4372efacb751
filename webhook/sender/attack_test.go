package sender_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

type slowClaims struct{ sender.Store }

func (s *slowClaims) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]sender.Claim, error) {
	time.Sleep(time.Second)
	return s.Store.Claim(ctx, now, until, limit, perEndpoint)
}

// Messages that were claimed too late are given back within the time that Run
// promises, however many they are and however ill the store is.
func TestGivingBackIsNotOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.NewScript())
		c.Store = &slowClaims{Store: &faulty{Store: c.Store, drop: true}}
		s := newSender(t, c)
		for i := range 50 {
			enqueue(t, s, sender.Message{Endpoint: "a" + strconv.Itoa(i)})
		}
		stop := run(t, s)
		synctest.Wait()
		start := time.Now()
		stop()
		require.LessOrEqual(t, time.Since(start), 12*time.Second)
		require.EqualValues(t, 50, stats(t, s).Sent.Lost)
	})
}

// A look-up that the end of Run has cut off says nothing of its endpoint.
func TestDrainDuringALookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.NewScript())
		c.Drain = -1
		c.Endpoint = func(ctx context.Context, _ string) (sender.Endpoint, error) {
			<-ctx.Done()
			return sender.Endpoint{}, ctx.Err()
		}
		s := newSender(t, c)
		enqueue(t, s, sender.Message{Endpoint: "a"})
		stop := run(t, s)
		synctest.Wait()
		stop()
		require.Zero(t, one(t, s).Attempt)
		require.Equal(t, sender.Active, health(t, s, "a").State(time.Now()))
	})
}
