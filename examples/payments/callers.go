package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

const (
	senders   = 16                     // requests under way at a time
	attempts  = 100                    // at one sending, before a provider gives up
	interval  = 100 * time.Millisecond // between attempts, if the answer does not say
	maxAnswer = 1 << 10                // bytes of an answer that are read
)

// callers are the providers of the demo, and those who claim to be them.
type callers struct {
	client        *http.Client
	sources       []ledger.Source
	schemes       map[string]webhook.Scheme
	secrets, fake map[string]string // by source
}

func newCallers(rate float64) (*callers, error) {
	c := &callers{
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: senders},
		},
		schemes: map[string]webhook.Scheme{"stripe": webhook.Stripe(), "bank": webhook.StandardWebhooks()},
		secrets: map[string]string{}, fake: map[string]string{},
	}
	read := map[string]func(string, []byte) ([]ledger.Entry, error){"stripe": ledger.ReadStripe, "bank": ledger.ReadStandard}
	for name, scheme := range c.schemes {
		for _, secrets := range []map[string]string{c.secrets, c.fake} {
			signer, err := webhooktest.New(webhooktest.Config{Scheme: scheme}) // with a secret of its own
			if err != nil {
				return nil, err
			}
			secrets[name] = signer.Key().Secret.Reveal()
		}
		verifier, err := webhook.New(webhook.Config{Scheme: scheme, Keys: webhook.Keys(c.secrets[name])})
		if err != nil {
			return nil, err
		}
		c.sources = append(c.sources, ledger.Source{Name: name, Verifier: verifier, Read: read[name], Rate: rate})
	}
	return c, nil
}

// tally counts answers by their status.
type tally map[int]int

// String lists the counts, such as "310 x 204, 41 x 401".
func (t tally) String() string {
	parts := make([]string, 0, len(t))
	for _, status := range slices.Sorted(maps.Keys(t)) {
		parts = append(parts, fmt.Sprintf("%d x %d %s", t[status], status, http.StatusText(status)))
	}
	return strings.Join(parts, ", ")
}

// send sends all, several at a time, each until it was taken or refused for good.
func (c *callers) send(ctx context.Context, addr string, sendings []sending) (tally, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer c.client.CloseIdleConnections()
	var (
		mu     sync.Mutex
		counts = tally{}
		next   = make(chan sending)
		wg     sync.WaitGroup
	)
	for range senders {
		wg.Go(func() {
			for s := range next {
				err := c.deliver(ctx, addr, s, func(status int) {
					mu.Lock()
					defer mu.Unlock()
					counts[status]++
				})
				if err != nil {
					giveUp(err)
				}
			}
		})
	}
	for _, s := range sendings {
		next <- s // those who take it never stop early
	}
	close(next)
	wg.Wait()
	return counts, context.Cause(ctx)
}

// deliver sends one until the answer is neither "too many" nor "later".
func (c *callers) deliver(ctx context.Context, addr string, s sending, count func(status int)) error {
	for range attempts {
		req, err := c.request("http://"+addr+"/hooks/"+s.source, s)
		if err != nil {
			return err
		}
		resp, err := c.client.Do(req.WithContext(ctx))
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close()
		count(resp.StatusCode)
		if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
			return nil
		}
		wait := interval
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds <= 60 {
			wait = time.Duration(seconds) * time.Second
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("given up after %d attempts", attempts)
}

// request signs one, as its provider or as somebody else.
func (c *callers) request(address string, s sending) (*http.Request, error) {
	secret := c.secrets[s.source]
	if s.forged {
		secret = c.fake[s.source]
	}
	signer, err := webhooktest.New(webhooktest.Config{Scheme: c.schemes[s.source], Secret: secret, ID: s.id})
	if err != nil {
		return nil, err
	}
	req, err := signer.Request(address, []byte(s.body), time.Now())
	if err == nil && s.altered {
		// Something is put in by whoever stands between.
		changed := strings.Replace(s.body, `"currency"`, `"extra":1,"currency"`, 1)
		req.Body = io.NopCloser(strings.NewReader(changed))
		req.GetBody, req.ContentLength = nil, int64(len(changed))
	}
	return req, err
}
