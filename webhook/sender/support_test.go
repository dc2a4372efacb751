package sender_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

var (
	errBroken = errors.New("broken")
	secret    = sender.GenerateSecret()
)

// lookup makes an endpoint of each name, with its name in its host.
func lookup(_ context.Context, name string) (sender.Endpoint, error) {
	return sender.Endpoint{URL: "https://" + name + ".example.com/hook", Keys: []sender.Key{{Secret: secret}}}, nil
}

// steady is a config whose schedule has no jitter.
func steady(transport http.RoundTripper) sender.Config {
	return sender.Config{
		Store: sender.NewMemory(10_000), Endpoint: lookup, DangerouslyTransport: transport, Backoff: retry.Constant(time.Minute),
	}
}

func newSender(t testing.TB, c sender.Config) *sender.Sender {
	t.Helper()
	s, err := sender.New(c)
	require.NoError(t, err)
	return s
}

func enqueue(t testing.TB, s *sender.Sender, messages ...sender.Message) []string {
	t.Helper()
	ids, err := s.Enqueue(t.Context(), messages...)
	require.NoError(t, err)
	return ids
}

// run runs s until the returned func is called, which waits for its end.
func run(t testing.TB, s *sender.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
}

func records(t testing.TB, s *sender.Sender, f sender.Filter) []sender.Record {
	t.Helper()
	all, err := s.List(t.Context(), f)
	require.NoError(t, err)
	return all
}

// one returns the only record.
func one(t testing.TB, s *sender.Sender) sender.Record {
	t.Helper()
	all := records(t, s, sender.Filter{})
	require.Len(t, all, 1)
	return all[0]
}

func health(t testing.TB, s *sender.Sender, endpoint string) sender.Health {
	t.Helper()
	h, err := s.Health(t.Context(), endpoint)
	require.NoError(t, err)
	return h
}

func stats(t testing.TB, s *sender.Sender) sender.Stats {
	t.Helper()
	all, err := s.Stats(t.Context())
	require.NoError(t, err)
	return all
}

// verify checks a call as its receiver would, at the time that it came.
func verify(t testing.TB, call rttest.Call, keys ...string) error {
	t.Helper()
	v, err := webhook.New(webhook.Config{Scheme: webhook.StandardWebhooks(), Keys: webhook.Keys(keys...)})
	require.NoError(t, err)
	req := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: call.Header}
	_, err = v.VerifyAt(req, []byte(call.Body), call.At)
	return err
}

// byHost sends to a transport for each first label of a host, and to other.
func byHost(other http.RoundTripper, hosts map[string]http.RoundTripper) http.RoundTripper {
	return rttest.Func(func(req *http.Request) (*http.Response, error) {
		name, _, _ := strings.Cut(req.URL.Hostname(), ".")
		if rt := hosts[name]; rt != nil {
			return rt.RoundTrip(req)
		}
		return other.RoundTrip(req)
	})
}

// hang answers when the context ends.
var hang = rttest.Func(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
})

// tape notes the calls of hooks.
type tape struct {
	mu       sync.Mutex
	lines    []string
	attempts []sender.Attempt
}

func (n *tape) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *tape) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lines
}

func (n *tape) hooks() sender.Hooks {
	attempt := func(what string) func(sender.Attempt) {
		return func(a sender.Attempt) {
			n.mu.Lock()
			n.attempts = append(n.attempts, a)
			n.mu.Unlock()
			n.add(what + " " + strconv.Itoa(a.Number))
		}
	}
	return sender.Hooks{
		Delivered: attempt("delivered"), Retry: attempt("retry"), Dead: attempt("dead"), Lost: attempt("lost"),
		Disabled:    func(h sender.Health) { n.add("disabled " + h.Endpoint + ": " + h.Reason) },
		StoreFailed: func(err *sender.StoreError) { n.add("store failed: " + err.Op) },
	}
}

// faulty is a store that fails, or forgets to, on demand.
type faulty struct {
	sender.Store
	mu    sync.Mutex
	claim error
	drop  bool // Finish never comes through
	fail  int  // so many Finishes fail
}

func (f *faulty) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *faulty) Claim(ctx context.Context, now, until time.Time, limit, perEndpoint int) ([]sender.Claim, error) {
	f.mu.Lock()
	err := f.claim
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return f.Store.Claim(ctx, now, until, limit, perEndpoint)
}

func (f *faulty) Finish(ctx context.Context, now time.Time, token sender.Token, o sender.Outcome) (sender.Health, error) {
	f.mu.Lock()
	fails := f.drop || f.fail > 0
	f.fail--
	f.mu.Unlock()
	if fails {
		return sender.Health{}, errBroken
	}
	return f.Store.Finish(ctx, now, token, o)
}
