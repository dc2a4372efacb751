package webhook_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// signers returns n signers of Stripe, and their keys.
func signers(tb testing.TB, n int) ([]*webhooktest.Signer, []webhook.Key) {
	tb.Helper()
	all, keys := make([]*webhooktest.Signer, n), make([]webhook.Key, n)
	for i := range all {
		s, err := webhooktest.New(webhooktest.Config{Scheme: webhook.Stripe()})
		require.NoError(tb, err)
		all[i], keys[i] = s, s.Key()
		keys[i].ID = fmt.Sprint("key-", i)
	}
	return all, keys
}

func stripe(tb testing.TB, s *webhooktest.Signer, at time.Time) *http.Request {
	tb.Helper()
	req, err := s.Request(hookURL, []byte(`{"id":"evt_1"}`), at)
	require.NoError(tb, err)
	return req
}

// While a secret is replaced, the snapshot tells when the old one is not used
// any more.
func TestSnapshotOfKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, keys := signers(t, 3)
		v, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: keys})
		require.NoError(t, err)
		r := receiver(t, func(c *webhook.ReceiverConfig) { c.Verifier = v })
		require.Empty(t, r.Snapshot())
		start := time.Now()
		for range 3 {
			require.Equal(t, http.StatusNoContent, serve(r.Handler(ok), stripe(t, s[1], time.Now())).Code)
		}
		time.Sleep(time.Hour)
		require.Equal(t, http.StatusNoContent, serve(r.Handler(ok), stripe(t, s[0], time.Now())).Code)
		stranger, _ := signers(t, 1)
		require.Equal(t, http.StatusUnauthorized, serve(r.Handler(ok), stripe(t, stranger[0], time.Now())).Code)
		require.Equal(t, http.StatusUnauthorized, serve(r.Handler(ok), stripe(t, s[1], start)).Code, "too old")
		require.Equal(t, []webhook.KeyUse{
			{Scheme: "stripe", KeyID: "key-0", Requests: 1, Last: start.Add(time.Hour)},
			{Scheme: "stripe", KeyID: "key-1", Requests: 3, Last: start},
		}, r.Snapshot())
	})
}

// Where each tenant has keys of its own, not all of them are remembered.
func TestSnapshotIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, keys := signers(t, 1)
		v, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), KeysFor: func(r *http.Request) ([]webhook.Key, error) {
			key := keys[0]
			key.ID = r.Header.Get("Tenant")
			return []webhook.Key{key}, nil
		}})
		require.NoError(t, err)
		r := receiver(t, func(c *webhook.ReceiverConfig) { c.Verifier = v })
		send := func(tenant string) {
			req := stripe(t, s[0], time.Now())
			req.Header.Set("Tenant", tenant)
			require.Equal(t, http.StatusNoContent, serve(r.Handler(ok), req).Code)
		}
		for i := range 2500 {
			send(strconv.Itoa(i))
			send("always")
			time.Sleep(time.Millisecond)
			require.LessOrEqual(t, len(r.Snapshot()), 1000)
		}
		uses := map[string]int64{}
		for _, use := range r.Snapshot() {
			uses[use.KeyID] = use.Requests
		}
		require.EqualValues(t, 2500, uses["always"])
		require.EqualValues(t, 1, uses["2499"])
		require.NotContains(t, uses, "0")

		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 100 {
					serve(r.Handler(ok), stripe(t, s[0], time.Now()))
					r.Snapshot()
				}
			})
		}
		all.Wait()
	})
}

// The record of a request says how far its time is off.
func TestRecordOfSkew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(500 * time.Millisecond) // Stripe's time is in seconds
		s, keys := signers(t, 1)
		v, err := webhook.New(webhook.Config{Scheme: webhook.Stripe(), Keys: keys})
		require.NoError(t, err)
		var out bytes.Buffer
		log := webhook.LogHooks(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		var records []webhook.Record
		r := receiver(t, func(c *webhook.ReceiverConfig) {
			c.Verifier = v
			c.Hooks.Done = func(record webhook.Record) { records = append(records, record); log.Done(record) }
		})
		var skews []time.Duration
		for _, age := range []time.Duration{0, time.Minute, -time.Minute, time.Hour, -time.Hour} {
			serve(r.Handler(ok), stripe(t, s[0], time.Now().Add(-age)))
			skews = append(skews, records[len(records)-1].Skew)
		}
		half := 500 * time.Millisecond
		require.Equal(t, []time.Duration{half, time.Minute + half, -time.Minute + half, time.Hour + half, -time.Hour + half}, skews)
		require.Contains(t, out.String(), "skew=1m0.5s")

		unsigned := receiver(t, func(c *webhook.ReceiverConfig) {
			c.Hooks.Done = func(record webhook.Record) { records = append(records, record) }
		})
		serve(unsigned.Handler(ok), github("{}"))
		require.Zero(t, records[len(records)-1].Skew, "GitHub signs no time")
	})
}
