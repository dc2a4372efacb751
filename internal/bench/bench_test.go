package main_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/bench/scenario"
)

// BenchmarkCall has one benchmark for each scenario and subject, such as
// BenchmarkCall/happy/holdfast, for profiles of a single one.
func BenchmarkCall(b *testing.B) {
	for _, s := range scenario.All() {
		b.Run(s.Name, func(b *testing.B) {
			for _, sub := range s.Subjects {
				b.Run(sub.Name, func(b *testing.B) {
					b.ReportAllocs()
					transport := sub.Wrap(s.Upstream())
					if s.Parallel {
						parallel(b, s, transport)
						return
					}
					c, err := s.Caller(b.Context(), transport, 0)
					require.NoError(b, err)
					for b.Loop() {
						if err := c.Call(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func parallel(b *testing.B, s scenario.Scenario, transport http.RoundTripper) {
	b.Helper()
	var callers atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		c, err := s.Caller(b.Context(), transport, int(callers.Add(1)))
		for err == nil && pb.Next() {
			err = c.Call()
		}
		if err != nil {
			b.Error(err)
		}
	})
}
