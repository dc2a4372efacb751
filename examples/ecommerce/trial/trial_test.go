package trial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/providers"
	"github.com/holdfast-go/holdfast/examples/ecommerce/trial"
)

func TestHoldfastLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			const orders = 40
			report, err := trial.Run(t.Context(), trial.Config{Orders: orders, Seed: seed, Faults: providers.Harsh})
			require.NoError(t, err)
			require.True(t, report.Flawless())

			plain, holdfast := report.Shops[0], report.Shops[1]
			require.Equal(t, orders, holdfast.Completed)
			require.Zero(t, holdfast.Lost)
			require.Zero(t, holdfast.Unconfirmed)
			require.Zero(t, holdfast.PaidNotShipped)
			require.Zero(t, holdfast.ShippedNotPaid)
			require.Zero(t, holdfast.DoubleCharges)
			require.Zero(t, holdfast.EventsLost)
			require.Equal(t, orders, holdfast.ConfirmedOnce)
			require.Zero(t, holdfast.ConfirmedMore)
			require.Zero(t, holdfast.WrongBooks)
			require.Positive(t, holdfast.Webhooks.Duplicates)
			require.Positive(t, holdfast.Webhooks.Cut)

			require.Equal(t, orders, plain.Completed+plain.Lost)
			require.Positive(t, plain.Lost)
			require.Zero(t, plain.DoubleCharges)
			plan, forged := providers.NewPlan(providers.Harsh, seed), 0
			for n := range orders {
				if plan.Forged(fmt.Sprintf("order-%06d", n)) {
					forged++
				}
			}
			require.Equal(t, forged, holdfast.Webhooks.Forged, "it is the plan of this seed")
			require.LessOrEqual(t, plain.Webhooks.Forged, forged, "not all of its orders get so far")
			for _, s := range report.Shops {
				require.Zero(t, s.Webhooks.Undelivered, s.Shop)
				require.GreaterOrEqual(t, s.Webhooks.Refused, s.Webhooks.Forged, s.Shop)
				require.Greater(t, s.Webhooks.Sent, s.Webhooks.Events, s.Shop)
			}
		})
	}
}

func TestWithoutFaultsBothComplete(t *testing.T) {
	t.Parallel()
	const orders = 40
	report, err := trial.Run(t.Context(), trial.Config{Orders: orders, Faults: providers.None})
	require.NoError(t, err)
	for _, s := range report.Shops {
		require.Equal(t, orders, s.Completed, s.Shop)
		require.Zero(t, s.Unconfirmed, s.Shop)
		require.Zero(t, s.EventsLost, s.Shop)
		require.Zero(t, s.TooManyRequests, s.Shop)
		require.Equal(t, orders, s.ConfirmedOnce, s.Shop)
		require.Zero(t, s.WrongBooks, s.Shop)
		require.Equal(t, providers.Webhooks{Events: 2 * orders, Sent: 2 * orders}, s.Webhooks, s.Shop)
		require.Len(t, s.Providers, 4)
		calls := 0
		for _, p := range s.Providers {
			calls += p.Calls
		}
		require.Equal(t, calls, s.Calls)
		require.Positive(t, s.P50Milliseconds)
		require.GreaterOrEqual(t, s.P99Milliseconds, s.P50Milliseconds)
	}
}

func TestProgressCountsEveryOrder(t *testing.T) {
	t.Parallel()
	seen := map[string][]int{}
	_, err := trial.Run(t.Context(), trial.Config{
		Orders:   5,
		Faults:   providers.None,
		Progress: func(shop string, done int) { seen[shop] = append(seen[shop], done) },
	})
	require.NoError(t, err)
	want := []int{0, 1, 2, 3, 4, 5}
	require.Equal(t, map[string][]int{trial.Plain: want, trial.Holdfast: want}, seen)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	_, err := trial.Run(ctx, trial.Config{
		Orders: 100_000,
		Faults: providers.Harsh,
		Progress: func(_ string, done int) {
			if done == 10 {
				cancel(enough)
			}
		},
	})
	require.ErrorIs(t, err, enough)
}

func TestFlawless(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		plain, holdfast trial.Result
		want            bool
	}{
		{"both", trial.Result{}, trial.Result{}, true},
		{"plain may fail", trial.Result{Lost: 3, DoubleCharges: 1}, trial.Result{}, true},
		{"lost", trial.Result{}, trial.Result{Lost: 1}, false},
		{"double charge", trial.Result{}, trial.Result{DoubleCharges: 1}, false},
		{"wrong books", trial.Result{}, trial.Result{WrongBooks: 1}, false},
		{"plain may book twice", trial.Result{WrongBooks: 1, ConfirmedMore: 1}, trial.Result{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.plain.Shop, tt.holdfast.Shop = trial.Plain, trial.Holdfast
			require.Equal(t, tt.want, trial.Report{Shops: []trial.Result{tt.plain, tt.holdfast}}.Flawless())
		})
	}
}

func TestWriteTable(t *testing.T) {
	t.Parallel()
	stats := providers.Stats{Calls: 12, ServerErrors: 1, TooManyRequests: 2, Resets: 3, Slow: 4, Retries: 5}
	report := trial.Report{Orders: 3, Seed: 9, Faults: providers.Harsh, Shops: []trial.Result{{
		Shop: trial.Plain, Completed: 2, Lost: 1, PaidNotShipped: 1, ShippedNotPaid: 4, Calls: 12, P50Milliseconds: 55.4,
		ConfirmedOnce: 2, ConfirmedMore: 1, WrongBooks: 3,
		Webhooks:  providers.Webhooks{Events: 6, Sent: 9, Duplicates: 2, Cut: 1, Forged: 4, Refused: 5},
		Providers: []trial.ProviderResult{{Provider: "payments", Stats: stats}},
	}}}
	var b bytes.Buffer
	require.NoError(t, report.WriteTable(&b))
	require.Contains(t, b.String(), "3 orders, seed 9, faults harsh\n")
	require.Contains(t, b.String(), "orders lost                          1\n")
	require.Contains(t, b.String(), "  paid, never shipped                1\n  shipped, never paid                4\n")
	require.Contains(t, b.String(), "p50 of a confirmed order         55 ms\n")
	require.Contains(t, b.String(), "payments confirmed once              2\n  booked more than once              1\norders booked wrongly                3\n")
	require.Contains(t, b.String(), "payments    plain                6       9       2       1       4       5\n")
	require.Contains(t, b.String(), "payments    plain               12       1       2       3       4       5\n")
}
