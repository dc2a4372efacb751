package shop

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/ratelimit"
	"github.com/holdfast-go/holdfast/retry"
)

// Provider is where a provider is and what its manual says about its rate limit.
type Provider struct {
	URL       string // such as https://api.example.com, without a slash at the end
	PerSecond int    // calls that the provider allows in a second, at least 10
}

// Providers are all those that the shop calls.
type Providers struct {
	Inventory Provider
	Payments  Provider
	Shipping  Provider
	Analytics Provider
}

// Clients has one client for each provider, so that the trouble of one does not
// slow the calls to the others.
type Clients struct {
	Inventory *http.Client
	Payments  *http.Client
	Shipping  *http.Client
	Analytics *http.Client
}

// CloseIdleConnections closes the connections that no call uses.
func (c Clients) CloseIdleConnections() {
	for _, client := range []*http.Client{c.Inventory, c.Payments, c.Shipping, c.Analytics} {
		client.CloseIdleConnections()
	}
}

// Plain returns clients as a first version has them: a connection pool, a time limit
// for a call, and no second try, because nobody wants to charge a customer twice.
func Plain() Clients {
	client := &http.Client{Transport: transport(), Timeout: 5 * time.Second}
	return Clients{Inventory: client, Payments: client, Shipping: client, Analytics: client}
}

// Holdfast returns clients that pace, repeat and give up calls for the shop. The
// error is not nil if a rate limit is out of range.
func Holdfast(p Providers) (Clients, error) {
	var c Clients
	var errs [4]error
	c.Inventory, errs[0] = resilient(p.Inventory)
	c.Payments, errs[1] = resilient(p.Payments)
	c.Shipping, errs[2] = resilient(p.Shipping)
	c.Analytics, errs[3] = resilient(p.Analytics)
	return c, errors.Join(errs[:]...)
}

// resilient returns the client for one provider.
func resilient(p Provider) (*http.Client, error) {
	if p.PerSecond < 10 {
		return nil, fmt.Errorf("shop: %s: a rate limit of %d calls per second is below 10", p.URL, p.PerSecond)
	}

	// The providers of this program answer within milliseconds and recover within a
	// second, so that a run is short. With providers on the internet, multiply the
	// times by ten or leave them at their defaults.
	again, err := retry.New(retry.Config{
		MaxAttempts:     12, // an order is worth some patience, and its context limits the whole
		Backoff:         retry.FullJitter(50*time.Millisecond, time.Second),
		BufferResponses: 64 << 10, // answers are small: one that breaks off is asked for again
	})
	if err != nil {
		return nil, err
	}

	circuit, err := breaker.New(breaker.Config{
		ConsecutiveFailures: -1,  // ten orders that fail together are no dead provider:
		FailureRatio:        0.6, // it takes most calls of a second or two
		MinCalls:            20,
		Window:              2 * time.Second,
		OpenTimeout:         200 * time.Millisecond,
		MaxOpenTimeout:      800 * time.Millisecond,
		Probes:              2,
	})
	if err != nil {
		return nil, err
	}

	// A bucket lets through at most Rate + Burst calls in any second: together they
	// stay below what the provider allows.
	limit, err := ratelimit.New(ratelimit.Config{
		Rate:  0.8 * rate.Limit(p.PerSecond),
		Burst: p.PerSecond / 10,
		Ready: circuit.Ready, // do not queue for a provider that is known to be down
	})
	if err != nil {
		return nil, err
	}

	// The time limit of one attempt stands below the limiter: waiting for a turn is not
	// part of it. It ends with the header of the answer. A body may take as long as it
	// needs, but must not fall silent.
	patience := retry.AttemptTimeout(200 * time.Millisecond)
	silence := retry.StallTimeout(200 * time.Millisecond)

	return &http.Client{Transport: holdfast.Chain(transport(), again.Wrap, limit.Wrap, circuit.Wrap, patience, silence)}, nil
}

// transport returns a connection pool of its own that keeps the connections of all
// workers, where the default keeps two for each host.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}
