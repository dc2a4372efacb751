package integration_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/sender"
	"github.com/holdfast-go/holdfast/webhook/sender/sqlstore"
)

// BenchmarkSenderClaim claims 128 messages and ends their leases, while 100,000
// wait for 1,000 endpoints, and half of them for one that is disabled.
func BenchmarkSenderClaim(b *testing.B) {
	const messages, endpoints = 100_000, 1_000
	for name, open := range map[string]func(b *testing.B) sender.Store{
		"sqlite": func(b *testing.B) sender.Store {
			b.Helper()
			store, err := sqlstore.NewSQLite(b.Context(), openSQLite(b, filepath.Join(b.TempDir(), "sender.db")), sqlstore.Config{})
			require.NoError(b, err)
			return store
		},
		"postgres": func(b *testing.B) sender.Store {
			b.Helper()
			store, err := sqlstore.NewPostgres(b.Context(), openPostgres(b, newSchema(b)), sqlstore.Config{})
			require.NoError(b, err)
			return store
		},
	} {
		b.Run(name, func(b *testing.B) {
			store := open(b)
			at := time.Now()
			for i := 0; i < messages; i += 1000 {
				var batch []sender.Message
				for n := i; n < i+1000; n++ {
					endpoint := "disabled"
					if n%2 == 0 {
						endpoint = fmt.Sprint("e", n/2%endpoints)
					}
					batch = append(batch, sender.Message{Endpoint: endpoint, ID: strconv.Itoa(n), ContentType: "text/plain", Body: payload(1 << 10)})
				}
				_, err := store.Put(b.Context(), at, batch)
				require.NoError(b, err)
			}
			_, err := store.Disable(b.Context(), at, "disabled", "")
			require.NoError(b, err)
			var claiming, finishing time.Duration
			for b.Loop() {
				start := time.Now()
				claims, err := store.Claim(b.Context(), at, at.Add(time.Hour), 128, 2)
				require.NoError(b, err)
				require.Len(b, claims, 128)
				claiming += time.Since(start)
				start = time.Now()
				for _, c := range claims {
					_, err := store.Finish(b.Context(), at, c.Token, sender.Outcome{State: sender.Pending, Due: at, Verdict: sender.Success})
					require.NoError(b, err)
				}
				finishing += time.Since(start)
			}
			b.ReportMetric(claiming.Seconds()*1000/float64(b.N), "ms/claim")
			b.ReportMetric(finishing.Seconds()*1000/float64(b.N)/128, "ms/finish")
		})
	}
}
