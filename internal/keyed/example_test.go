package keyed_test

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

func ExampleMap() {
	start := time.Now()
	calls := keyed.New(keyed.Config[string, atomic.Int64]{
		Max:  10_000,
		Idle: 10 * time.Minute,
	})
	call := func(host string) {
		e := calls.Acquire(host, time.Since(start))
		defer calls.Release(e)
		e.Value().Add(1)
	}
	call("api.example.com")
	call("api.example.com")

	for host, n := range calls.All() {
		fmt.Println(host, n.Load())
	}
	// Output: api.example.com 2
}
