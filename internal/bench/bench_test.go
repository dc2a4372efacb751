package main_test

import (
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
					work := s.Work(sub)
					if s.Parallel {
						parallel(b, work)
						return
					}
					call, err := work(b.Context(), 0)
					require.NoError(b, err)
					for b.Loop() {
						if err := call(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

func parallel(b *testing.B, work scenario.Work) {
	b.Helper()
	var callers atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		call, err := work(b.Context(), int(callers.Add(1)))
		for err == nil && pb.Next() {
			err = call()
		}
		if err != nil {
			b.Error(err)
		}
	})
}
