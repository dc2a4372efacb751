package ratelimit_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/ratelimit"
)

// The uncontended admission of a request, beside that of package rate.
func BenchmarkAdmission(b *testing.B) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}
	next := rttest.Func(func(*http.Request) (*http.Response, error) { return resp, nil })
	plain := newLimiter(b, ratelimit.Config{Rate: 1e9, Burst: 1 << 30}).Wrap(next)
	peer := rate.NewLimiter(1e9, 1<<30)
	req := newRequest(b, "api.example.com")
	ctx := b.Context()
	for _, subject := range []struct {
		name string
		call func()
	}{
		{"ratelimit", func() { _, _ = plain.RoundTrip(req) }},
		{"rate.Limiter.Wait", func() { _ = peer.Wait(ctx) }},
	} {
		b.Run(subject.name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				subject.call()
			}
		})
		b.Run(subject.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					subject.call()
				}
			})
		})
	}
}

// What it costs to be refused by a queue, and to enter and leave it, with few
// and with many in it. It should hardly depend on their number.
func BenchmarkQueue(b *testing.B) {
	for _, bench := range []struct {
		name           string
		waiting, flows int
	}{
		{"100 waiting", 100, 1},
		{"100000 waiting", 100_000, 1},
		{"100000 waiting, 100000 flows", 100_000, 100_000},
	} {
		told := func() {}
		l := newLimiter(b, ratelimit.Config{
			Rate: 1.0 / 3600, Burst: 1, MaxQueue: 1 << 20,
			Hooks: ratelimit.Hooks{Wait: func(ratelimit.Wait) { told() }},
		})
		all, cancelAll := context.WithCancel(b.Context())
		_, err := l.Acquire(all, "key")
		require.NoError(b, err)
		var waiting, ended sync.WaitGroup
		waiting.Add(bench.waiting)
		told = waiting.Done
		for i := range bench.waiting {
			ended.Go(func() { _, _ = l.Acquire(ratelimit.WithFlow(all, strconv.Itoa(i%bench.flows)), "key") })
		}
		waiting.Wait()
		ctx := ratelimit.WithFlow(all, "1")
		b.Run(bench.name+"/refused", func(b *testing.B) {
			b.ReportAllocs()
			soon, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			for b.Loop() {
				if _, err := l.Acquire(soon, "key"); err == nil {
					b.Fatal("there was a turn")
				}
			}
		})
		b.Run(bench.name+"/entered and left", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gone, cancel := context.WithCancel(ctx)
				told = cancel
				if _, err := l.Acquire(gone, "key"); err == nil {
					b.Fatal("there was a turn")
				}
			}
		})
		cancelAll()
		ended.Wait()
	}
}
