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
