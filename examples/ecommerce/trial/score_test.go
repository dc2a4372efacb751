package trial_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/ecommerce/shop"
	"github.com/holdfast-go/holdfast/examples/ecommerce/trial"
	"github.com/holdfast-go/holdfast/examples/payments/ledger"
	"github.com/holdfast-go/holdfast/webhook"
)

// saboteur stands between a shop and its providers.
type saboteur struct {
	next  http.RoundTripper
	spoil func(*http.Request, http.RoundTripper) (*http.Response, error) // nil spoils nothing
	sent  atomic.Int64                                                   // calls to the providers
}

func (s *saboteur) RoundTrip(req *http.Request) (*http.Response, error) {
	if s.spoil == nil {
		return s.send(req)
	}
	return s.spoil(req, sender(s.send))
}

func (s *saboteur) send(req *http.Request) (*http.Response, error) {
	s.sent.Add(1)
	return s.next.RoundTrip(req)
}

// CloseIdleConnections lets the providers end without waiting for calls on connections
// that nobody uses.
func (s *saboteur) CloseIdleConnections() {
	(&http.Client{Transport: s.next}).CloseIdleConnections()
}

type sender func(*http.Request) (*http.Response, error)

func (f sender) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// pretend answers in place of a provider.
func pretend(req *http.Request, status int, body string) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// chargeTwice sends each charge once more, under a key of its own.
func chargeTwice(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	if req.URL.Path == "/v1/charges" {
		again := req.Clone(req.Context())
		again.Header.Set("Idempotency-Key", "another "+req.Header.Get("Idempotency-Key"))
		var err error
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
		resp, err := next.RoundTrip(again)
		if err != nil {
			return nil, err
		}
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
	}
	return next.RoundTrip(req)
}

// only returns what spoils the calls of this method to paths that begin so.
func only(method, path string, status int, body string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		if (method == "" || req.Method == method) && strings.HasPrefix(req.URL.Path, path) {
			return pretend(req, status, body)
		}
		return next.RoundTrip(req)
	}
}

// lose returns what lets the calls of this method to paths that begin so be done, and
// loses each answer.
func lose(method, path string) func(*http.Request, http.RoundTripper) (*http.Response, error) {
	return func(req *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil && req.Method == method && strings.HasPrefix(req.URL.Path, path) {
			return nil, errors.Join(errLost, resp.Body.Close())
		}
		return resp, err
	}
}

var errLost = errors.New("the answer is lost")

// neverReserve says that it has reserved, and has not.
func neverReserve(req *http.Request, next http.RoundTripper) (*http.Response, error) {
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), `"operationName":"Reserve"`) {
			return pretend(req, 200, `{"data":{}}`)
		}
	}
	return next.RoundTrip(req)
}

// cook returns a desk whose books have been changed.
func cook(change func([]ledger.Entry) []ledger.Entry) func(*webhook.Verifier) (shop.Desk, error) {
	return func(v *webhook.Verifier) (shop.Desk, error) {
		d, err := shop.PlainDesk(v)
		return cooked{d, change}, err
	}
}

type cooked struct {
	shop.Desk
	change func([]ledger.Entry) []ledger.Entry
}

func (c cooked) Entries(ctx context.Context, order string) ([]ledger.Entry, error) {
	all, err := c.Desk.Entries(ctx, order)
	return c.change(all), err
}

// trusting returns a desk that waits for no payment.
func trusting(v *webhook.Verifier) (shop.Desk, error) {
	d, err := shop.PlainDesk(v)
	return trustingDesk{d}, err
}

type trustingDesk struct{ shop.Desk }

func (trustingDesk) Await(context.Context, string) error { return nil }

// A shop that does wrong is found out by the books of the providers, although all is
// well in its own eyes.
func TestTheBooksTell(t *testing.T) {
	t.Parallel()
	const orders = 3
	tests := []struct {
		name  string
		spoil func(*http.Request, http.RoundTripper) (*http.Response, error)
		desk  func(*webhook.Verifier) (shop.Desk, error)
		want  trial.Result // the counts of orders
		good  bool
	}{
		{name: "good", want: trial.Result{Completed: orders, ConfirmedOnce: orders}, good: true},
		{
			name:  "charged twice",
			spoil: chargeTwice,
			want:  trial.Result{Lost: orders, DoubleCharges: orders, ConfirmedMore: orders},
		},
		{
			name:  "never shipped",
			spoil: only("", "/v1/shipments/", 200, `{"tracking":"TRK-1"}`),
			want:  trial.Result{Lost: orders, PaidNotShipped: orders, ConfirmedOnce: orders},
		},
		{
			name:  "shipped for nothing",
			spoil: only("", "/v1/charges", 201, `{}`),
			desk:  trusting,
			want:  trial.Result{Lost: orders, ShippedNotPaid: orders},
		},
		{
			name:  "charged, but the answer is lost",
			spoil: lose("POST", "/v1/charges"),
			want:  trial.Result{Lost: orders, ConfirmedOnce: orders},
		},
		{
			name:  "shipped, but the answer is lost",
			spoil: lose("PUT", "/v1/shipments/"),
			want:  trial.Result{Lost: orders, ConfirmedOnce: orders},
		},
		{
			name:  "never reserved",
			spoil: neverReserve,
			want:  trial.Result{Lost: orders, ConfirmedOnce: orders},
		},
		{
			name:  "not confirmed",
			spoil: only("GET", "/v1/shipments/", 500, ""),
			want:  trial.Result{Completed: orders, Unconfirmed: orders, ConfirmedOnce: orders},
			good:  true,
		},
		{
			name:  "events lost",
			spoil: only("", "/v1/events", 500, ""),
			want:  trial.Result{Completed: orders, ConfirmedOnce: orders, EventsLost: shop.EventsPerOrder * orders},
			good:  true,
		},
		{
			name: "never booked",
			desk: cook(func([]ledger.Entry) []ledger.Entry { return nil }),
			want: trial.Result{Lost: orders, WrongBooks: orders},
		},
		{
			name: "booked twice",
			desk: cook(func(all []ledger.Entry) []ledger.Entry { return append(all, all...) }),
			want: trial.Result{Completed: orders, ConfirmedMore: orders, WrongBooks: orders},
		},
		{
			name: "booked wrongly",
			desk: cook(func(all []ledger.Entry) []ledger.Entry { return append(all, ledger.Entry{Amount: 1}) }),
			want: trial.Result{Completed: orders, ConfirmedOnce: orders, WrongBooks: orders},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &saboteur{next: shop.Plain().Payments.Transport, spoil: tt.spoil}
			client := &http.Client{Transport: s}
			report, err := trial.RunHoldfast(t.Context(), trial.Config{Orders: orders},
				shop.Clients{Inventory: client, Payments: client, Shipping: client, Analytics: client}, tt.desk)
			require.NoError(t, err)
			got := report.Shops[0]
			require.Equal(t, tt.good, report.Flawless(), "%+v", got)
			require.EqualValues(t, s.sent.Load(), got.Calls)
			require.Equal(t, tt.want, trial.Result{
				Completed:      got.Completed,
				Unconfirmed:    got.Unconfirmed,
				Lost:           got.Lost,
				PaidNotShipped: got.PaidNotShipped,
				ShippedNotPaid: got.ShippedNotPaid,
				DoubleCharges:  got.DoubleCharges,
				ConfirmedOnce:  got.ConfirmedOnce,
				ConfirmedMore:  got.ConfirmedMore,
				WrongBooks:     got.WrongBooks,
				EventsLost:     got.EventsLost,
			})
		})
	}
}

func TestABrokenDeskIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is full")
	_, err := trial.RunHoldfast(t.Context(), trial.Config{Orders: 1}, shop.Plain(), func(*webhook.Verifier) (shop.Desk, error) {
		return nil, broken
	})
	require.ErrorIs(t, err, broken)
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	to := func(n int) []time.Duration {
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(i + 1)
		}
		return all
	}
	for _, tt := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 99, 0},
		{to(1), 50, 1},
		{to(1), 99, 1},
		{to(3), 50, 2},
		{to(4), 50, 2},
		{to(99), 99, 99},
		{to(100), 99, 99},
		{to(101), 99, 100},
		{to(1000), 50, 500},
		{to(1000), 99, 990},
	} {
		require.Equal(t, tt.want, trial.Percentile(tt.sorted, tt.p), "p%d of %d", tt.p, len(tt.sorted))
	}
}
