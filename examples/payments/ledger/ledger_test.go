package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/examples/payments/ledger"
	"github.com/holdfast-go/holdfast/webhook"
	"github.com/holdfast-go/holdfast/webhook/webhooktest"
)

// provider signs webhooks, and knows what the ledger must verify them with.
type provider struct {
	source ledger.Source
	scheme webhook.Scheme
	secret string
}

func newProvider(t *testing.T, name string, scheme webhook.Scheme, read func(string, []byte) ([]ledger.Entry, error)) provider {
	t.Helper()
	signer, err := webhooktest.New(webhooktest.Config{Scheme: scheme})
	require.NoError(t, err)
	verifier, err := webhook.New(webhook.Config{Scheme: scheme, Keys: []webhook.Key{signer.Key()}})
	require.NoError(t, err)
	return provider{ledger.Source{Name: name, Verifier: verifier, Read: read}, scheme, signer.Key().Secret.Reveal()}
}

func stripe(t *testing.T) provider {
	t.Helper()
	return newProvider(t, "stripe", webhook.Stripe(), ledger.ReadStripe)
}

func bank(t *testing.T) provider {
	t.Helper()
	return newProvider(t, "bank", webhook.StandardWebhooks(), ledger.ReadStandard)
}

// request is a signed request.
func (p provider) request(t testing.TB, id, body string) *http.Request {
	signer, err := webhooktest.New(webhooktest.Config{Scheme: p.scheme, Secret: p.secret, ID: id})
	require.NoError(t, err)
	req, err := signer.Request("https://example.com/hooks/"+p.source.Name, []byte(body), time.Now())
	require.NoError(t, err)
	return req
}

func charge(id string, amount int64, currency string) string {
	return fmt.Sprintf(`{"id":"evt_%s","type":"charge.succeeded","data":{"object":{"id":"ch_%[1]s","amount":%d,"currency":%q,"metadata":{"order":"o_%[1]s"}}}}`, id, amount, currency)
}

func refund(id string, amount int64) string {
	return fmt.Sprintf(`{"id":"evt_re_%s","type":"refund.created","data":{"object":{"id":"re_%[1]s","charge":"ch_%[1]s","amount":%d,"currency":"eur","metadata":{"order":"o_%[1]s"}}}}`, id, amount)
}

func settled(id string, amount int64, currency string) string {
	return fmt.Sprintf(`{"type":"payment.settled","data":{"payment":"p_%s","order":"o_%[1]s","amount":%d,"currency":%q}}`, id, amount, currency)
}

// open opens a ledger that is quiet. It has an account in EUR.
func open(t *testing.T, path string, c ledger.Config) *ledger.Ledger {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := ledger.Open(t.Context(), path, c)
	require.NoError(t, err)
	require.NoError(t, l.OpenAccount(t.Context(), "EUR"))
	return l
}

// start books until the func that it returns is called, which waits for the end and
// closes the ledger.
func start(t *testing.T, l *ledger.Ledger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, l.Close(context.WithoutCancel(t.Context())))
	}
}

func send(l *ledger.Ledger, req *http.Request) int {
	recorder := httptest.NewRecorder()
	l.ServeHTTP(recorder, req)
	return recorder.Code
}

func balances(t *testing.T, l *ledger.Ledger) map[string]int64 {
	t.Helper()
	require.NoError(t, l.Idle(t.Context()))
	sums, err := l.Balances(t.Context())
	require.NoError(t, err)
	return sums
}

func TestTheLedgerIsExact(t *testing.T) {
	t.Parallel()
	const payments = 60
	a, b := stripe(t), bank(t)
	forger := stripe(t)
	var booked sync.Map // by entry, to see that nobody is told twice
	l := open(t, filepath.Join(t.TempDir(), "l.db"), ledger.Config{
		Sources: []ledger.Source{a.source, b.source},
		Booked: func(e ledger.Entry) {
			if _, twice := booked.LoadOrStore(e, true); twice {
				t.Errorf("told twice of %+v", e)
			}
		},
	})
	stop := start(t, l)

	type sending struct {
		req    func() *http.Request
		status int
	}
	var all []sending
	want := int64(0)
	for i := range payments {
		id := strconv.Itoa(i)
		amount := int64(100 + i)
		good := func() *http.Request { return a.request(t, "", charge(id, amount, "eur")) }
		if i%2 == 1 {
			good = func() *http.Request { return b.request(t, "msg_"+id, settled(id, amount, "EUR")) }
		}
		want += amount
		for range 1 + i%4 {
			all = append(all, sending{good, http.StatusNoContent})
		}
		if i%6 == 0 {
			want -= amount
			back := func() *http.Request { return a.request(t, "", refund(id, amount)) }
			all = append(all, sending{back, http.StatusNoContent}, sending{back, http.StatusNoContent})
		}
		all = append(all, sending{func() *http.Request { return forger.request(t, "", charge("f"+id, 1e6, "eur")) }, http.StatusUnauthorized})
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < len(all); i += 4 {
				if got := send(l, all[i].req()); got != all[i].status {
					t.Errorf("answer %d, want %d", got, all[i].status)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[string]int64{"EUR": want}, balances(t, l))
	entries, err := l.Entries(t.Context(), "o_0")
	require.NoError(t, err)
	require.ElementsMatch(t, []ledger.Entry{
		{Payment: "ch_0", Order: "o_0", Currency: "EUR", Amount: 100},
		{Payment: "ch_0", Order: "o_0", Currency: "EUR", Amount: -100},
	}, entries)
	stop()
	count := 0
	booked.Range(func(any, any) bool { count++; return true })
	require.Equal(t, payments+payments/6, count)
}

func TestPoisonDiesAndIsReplayedAfterAMend(t *testing.T) {
	t.Parallel()
	a := stripe(t)
	path := filepath.Join(t.TempDir(), "l.db")
	var log bytes.Buffer
	l := open(t, path, ledger.Config{Sources: []ledger.Source{a.source}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	stop := start(t, l)
	newForm := `{"id":"evt_2","type":"charge.succeeded","data":{"object":{"id":"ch_2","amount":"12.50","currency":"eur"}}}`
	require.Equal(t, http.StatusNoContent, send(l, a.request(t, "", charge("1", 700, "gbp"))))
	require.Equal(t, http.StatusNoContent, send(l, a.request(t, "", newForm)))
	require.Equal(t, http.StatusNoContent, send(l, a.request(t, "", charge("3", 300, "eur"))))
	require.Equal(t, map[string]int64{"EUR": 300}, balances(t, l), "poison holds up nobody")
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.Dead)

	n, err := l.ReplayDead(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, map[string]int64{"EUR": 300}, balances(t, l), "nothing was mended")

	require.NoError(t, l.OpenAccount(t.Context(), "GBP"))
	require.NoError(t, l.OpenAccount(t.Context(), "GBP"))
	_, err = l.ReplayDead(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"EUR": 300, "GBP": 700}, balances(t, l))
	stop()
	require.Contains(t, log.String(), "there is no account in GBP")
	require.Contains(t, log.String(), "data.object.amount is a string")
	require.NotContains(t, log.String(), "12.50")

	// The next version of the program knows the other form.
	read := a.source.Read
	a.source.Read = func(kind string, body []byte) ([]ledger.Entry, error) {
		return read(kind, bytes.Replace(body, []byte(`"12.50"`), []byte("1250"), 1))
	}
	l = open(t, path, ledger.Config{Sources: []ledger.Source{a.source}})
	stop = start(t, l)
	n, err = l.ReplayDead(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, map[string]int64{"EUR": 1550, "GBP": 700}, balances(t, l))
	require.Equal(t, http.StatusNoContent, send(l, a.request(t, "", newForm)), "it comes once more")
	require.Equal(t, map[string]int64{"EUR": 1550, "GBP": 700}, balances(t, l))
	stop()
}

func TestWhatWasTakenIsBookedByTheNextLife(t *testing.T) {
	t.Parallel()
	b := bank(t)
	path := filepath.Join(t.TempDir(), "a ledger?mode=memory")
	l := open(t, path, ledger.Config{Sources: []ledger.Source{b.source}})
	for i := range 5 {
		require.Equal(t, http.StatusNoContent, send(l, b.request(t, fmt.Sprint("msg_", i), settled(strconv.Itoa(i), 100, "EUR"))))
	}
	require.NoError(t, l.Close(t.Context())) // it never ran
	require.Equal(t, http.StatusServiceUnavailable, send(l, b.request(t, "msg_late", settled("9", 100, "EUR"))), "not stored, so not acknowledged")

	l = open(t, path, ledger.Config{Sources: []ledger.Source{b.source}})
	stop := start(t, l)
	require.Equal(t, http.StatusNoContent, send(l, b.request(t, "msg_0", settled("0", 100, "EUR"))))
	require.Equal(t, map[string]int64{"EUR": 500}, balances(t, l))
	stop()
}

func TestAnIDWithAnotherContentIsNotBooked(t *testing.T) {
	t.Parallel()
	b := bank(t)
	l := open(t, filepath.Join(t.TempDir(), "l.db"), ledger.Config{Sources: []ledger.Source{b.source}})
	stop := start(t, l)
	require.Equal(t, http.StatusNoContent, send(l, b.request(t, "msg_1", settled("1", 100, "EUR"))))
	require.Equal(t, http.StatusNoContent, send(l, b.request(t, "msg_1", settled("1", 9999, "EUR"))))
	require.Equal(t, map[string]int64{"EUR": 100}, balances(t, l))
	stats, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.Quarantined)
	stop()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	a := stripe(t)
	a.source.Rate, a.source.Burst = 0.001, 2
	l := open(t, filepath.Join(t.TempDir(), "l.db"), ledger.Config{Sources: []ledger.Source{a.source}})
	t.Cleanup(func() { require.NoError(t, l.Close(context.WithoutCancel(t.Context()))) })

	req := a.request(t, "", charge("1", 1, "eur"))
	req.URL.Path = "/hooks/nobody"
	require.Equal(t, http.StatusNotFound, send(l, req))
	req = a.request(t, "", charge("1", 1, "eur"))
	req.TLS = nil
	require.Equal(t, http.StatusForbidden, send(l, req))

	// What was refused for want of TLS has not used the bucket up.
	for range 2 {
		require.Equal(t, http.StatusNoContent, send(l, a.request(t, "", charge("1", 1, "eur"))))
	}
	recorder := httptest.NewRecorder()
	l.ServeHTTP(recorder, a.request(t, "", charge("2", 1, "eur")))
	require.Equal(t, http.StatusTooManyRequests, recorder.Code)
	require.NotEmpty(t, recorder.Header().Get("Retry-After"))
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	a := stripe(t).source
	bad := a
	bad.Name = "a/b"
	nobody := a
	nobody.Verifier = nil
	dir := t.TempDir()
	for name, c := range map[string]ledger.Config{
		"no sources":  {},
		"twice":       {Sources: []ledger.Source{a, a}},
		"no path":     {Sources: []ledger.Source{bad}},
		"no verifier": {Sources: []ledger.Source{nobody}},
	} {
		_, err := ledger.Open(t.Context(), filepath.Join(dir, "l.db"), c)
		require.ErrorContains(t, err, "ledger: ", name)
	}
	_, err := ledger.Open(t.Context(), dir, ledger.Config{Sources: []ledger.Source{a}})
	require.ErrorContains(t, err, "ledger: ")

	l := open(t, filepath.Join(dir, "good.db"), ledger.Config{Sources: []ledger.Source{a}})
	require.ErrorContains(t, l.OpenAccount(t.Context(), "euro"), "no ISO 4217 code")
	stop := start(t, l)
	stop()
	require.Error(t, l.OpenAccount(t.Context(), "CHF"), "it is closed")
}

func TestIdleEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := bank(t)
	l := open(t, filepath.Join(t.TempDir(), "l.db"), ledger.Config{Sources: []ledger.Source{b.source}})
	t.Cleanup(func() { require.NoError(t, l.Close(context.WithoutCancel(t.Context()))) })
	require.Equal(t, http.StatusNoContent, send(l, b.request(t, "msg_1", settled("1", 100, "EUR"))))
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Millisecond, func() { cancel(errors.New("enough")) })
	require.Error(t, l.Idle(ctx), "nobody books it")
}
