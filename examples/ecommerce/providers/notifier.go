package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// Hook is where the payment provider tells the shop what has happened, by webhooks that
// are signed as the Standard Webhooks specification says. The zero value is nowhere.
type Hook struct {
	URL    string
	Secret webhook.Secret
}

// Webhooks counts what the payment provider has sent, and whoever claims to be it.
type Webhooks struct {
	Events      int `json:"events"`      // to tell the shop of
	Sent        int `json:"sent"`        // requests that went out, all together
	Duplicates  int `json:"duplicates"`  // of an event that the shop had taken before
	Cut         int `json:"cut"`         // that broke off in the middle of the body
	Forged      int `json:"forged"`      // signed with another secret
	Refused     int `json:"refused"`     // that the shop has answered, not with a 2xx
	Undelivered int `json:"undelivered"` // events that the shop never took
}

const (
	noticeTries   = 20                    // before an event counts as undelivered
	noticePause   = 50 * time.Millisecond // before the second attempt; doubles
	noticeLongest = time.Second
	noticeTimeout = 5 * time.Second // for an answer
)

// notifier sends webhooks until the shop has taken them.
type notifier struct {
	hook   Hook
	plan   Plan
	forger webhook.Secret
	client *http.Client

	spawn  func(func(context.Context)) // starts a goroutine that giveUp ends
	giveUp context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	stats  Webhooks
}

// notice is what the body of a webhook says.
type notice struct {
	Type string     `json:"type"`
	Data noticeData `json:"data"`
}

type noticeData struct {
	Payment  string `json:"payment"`
	Order    string `json:"order"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// newNotifier returns a notifier whose goroutines have ended when close returns.
func newNotifier(plan Plan, hook Hook) (*notifier, error) {
	n := &notifier{hook: hook, plan: plan, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
		Timeout:   noticeTimeout,
	}}
	other, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks()})
	if err != nil {
		return nil, fmt.Errorf("providers: %w", err)
	}
	n.forger = other.Key().Secret
	ctx, giveUp := context.WithCancel(context.Background())
	n.giveUp = giveUp
	n.spawn = func(work func(context.Context)) { n.wg.Go(func() { work(ctx) }) }
	return n, nil
}

// tell tells the shop of something that has happened to a charge. It does not wait.
func (n *notifier) tell(kind string, c *charge) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hook.URL == "" || n.closed {
		return
	}
	n.stats.Events++
	order, id, text := c.Order, "msg_"+kind+"_"+c.ID, body(kind, c)
	n.spawn(func(ctx context.Context) { n.deliver(ctx, kind, order, id, text) })
	if kind == "settled" && n.plan.Forged(order) {
		forged := &charge{ID: "forged_" + c.ID, Order: order, Amount: c.Amount, currency: c.currency}
		n.stats.Forged++
		n.spawn(func(ctx context.Context) {
			_, _ = n.send(ctx, n.forger, "msg_"+forged.ID, body(kind, forged), false)
		})
	}
}

func body(kind string, c *charge) string {
	b, err := json.Marshal(notice{"payment." + kind, noticeData{c.ID, c.Order, c.Amount, c.currency}})
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return string(b)
}

// deliver sends one event as often as the plan and the shop's answers ask for.
func (n *notifier) deliver(ctx context.Context, kind, order, id, body string) {
	taken, wait := false, noticePause
	for attempt := 1; attempt <= noticeTries; attempt++ {
		next := n.plan.Notice(kind, order, attempt)
		if pause(ctx, next.Delay); ctx.Err() != nil {
			break
		}
		before := taken
		ok, err := n.send(ctx, n.hook.Secret, id, body, next.Kind == CutOff)
		taken = taken || ok
		if before && err == nil {
			n.count(func(s *Webhooks) { s.Duplicates++ })
		}
		if ok && (before || next.Kind == Delivered) {
			return
		}
		pause(ctx, wait)
		wait = min(2*wait, noticeLongest)
	}
	if !taken {
		n.count(func(s *Webhooks) { s.Undelivered++ })
	}
}

// errCut ends a body in the middle.
var errCut = errors.New("providers: the connection broke")

// send sends one request and says whether the shop has taken it.
func (n *notifier) send(ctx context.Context, secret webhook.Secret, id, body string, cut bool) (bool, error) {
	signer, err := webhooktest.New(webhooktest.Config{Scheme: webhook.StandardWebhooks(), Secret: secret.Reveal(), ID: id})
	if err != nil {
		return false, err
	}
	req, err := signer.Request(n.hook.URL, []byte(body), time.Now())
	if err != nil {
		return false, err
	}
	if cut {
		req.Body, req.GetBody = io.NopCloser(io.MultiReader(strings.NewReader(body[:len(body)/2]), broken{})), nil
	}
	n.count(func(s *Webhooks) {
		s.Sent++
		if cut {
			s.Cut++
		}
	})
	resp, err := n.client.Do(req.WithContext(ctx))
	if err != nil {
		return false, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	_ = resp.Body.Close()
	ok := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if !ok {
		n.count(func(s *Webhooks) { s.Refused++ })
	}
	return ok, nil
}

// broken is a connection that breaks.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errCut }

// close waits until all is delivered, for as long as ctx allows.
func (n *notifier) close(ctx context.Context) {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	stop := context.AfterFunc(ctx, n.giveUp)
	n.wg.Wait()
	stop()
	n.giveUp()
	n.client.CloseIdleConnections()
}

func (n *notifier) count(add func(*Webhooks)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	add(&n.stats)
}
