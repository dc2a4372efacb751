package inbox_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
	"github.com/holdfast-go/holdfast/webhook/inbox/storetest"
)

func TestNewChecksEachField(t *testing.T) {
	t.Parallel()
	_, err := inbox.New(inbox.Config{})
	require.EqualError(t, err, "inbox: Config.Store is nil: must be set")
	const century = 101 * 365 * 24 * time.Hour
	_, err = inbox.New(inbox.Config{
		Store:  inbox.NewMemory(),
		Handle: func(context.Context, *inbox.Delivery) error { return nil }, HandleTx: func(context.Context, *sql.Tx, *inbox.Delivery) error { return nil },
		Reused: 7, Workers: -1, Lease: time.Millisecond, Timeout: century, Drain: century, Poll: 1, MaxAttempts: 1001, MaxCrashes: 1001,
		MaxRetryAfter: century, MaxBacklog: -1, KeepDone: century, KeepDead: century,
	})
	require.Len(t, strings.Split(err.Error(), "\n"), 14)
	for line := range strings.SplitSeq(err.Error(), "\n") {
		require.True(t, strings.HasPrefix(line, "inbox: Config."), line)
	}
}

func TestSameEvent(t *testing.T) {
	t.Parallel()
	unsigned := func(id, body string) inbox.Event {
		return inbox.Event{Source: "test", ID: id, Body: []byte(body)}
	}
	signed := func(id, body string) inbox.Event {
		e := unsigned(id, body)
		e.IDSigned = true
		return e
	}
	from := func(source string, e inbox.Event) inbox.Event {
		e.Source = source
		return e
	}
	for name, test := range map[string]struct {
		reused        inbox.Reused
		first, second inbox.Event
		want          inbox.Result
	}{
		"copy":                           {0, signed("a", "x"), signed("a", "x"), inbox.Duplicate},
		"other id":                       {0, signed("a", "x"), signed("b", "x"), inbox.Stored},
		"other source":                   {0, signed("a", "x"), from("other", signed("a", "x")), inbox.Stored},
		"parts that join to the same":    {0, from("s", signed("ab", "x")), from("sa", signed("b", "x")), inbox.Stored},
		"replay under an unsigned id":    {0, unsigned("a", "x"), unsigned("b", "x"), inbox.Duplicate},
		"replay without the unsigned id": {0, unsigned("a", "x"), unsigned("", "x"), inbox.Duplicate},
		"an unsigned id that was added":  {0, unsigned("", "x"), unsigned("a", "x"), inbox.Duplicate},
		"unsigned, other content":        {0, unsigned("a", "x"), unsigned("b", "y"), inbox.Stored},
		"no id":                          {0, unsigned("", "x"), unsigned("", "x"), inbox.Duplicate},
		"no id, other content":           {0, unsigned("", "x"), unsigned("", "y"), inbox.Stored},
		"no id, other source":            {0, unsigned("", "x"), from("other", unsigned("", "x")), inbox.Stored},
		"reused":                         {0, signed("a", "x"), signed("a", "y"), inbox.Reuse},
		"reused, ignored":                {inbox.IgnoreReused, signed("a", "x"), signed("a", "y"), inbox.Duplicate},
		"reused, unsigned":               {0, unsigned("a", "x"), unsigned("a", "y"), inbox.Reuse},
		"ids that are stored alike":      {0, signed("a\x00", "x"), signed("a\xff", "x"), inbox.Stored},
		"an id that looks like a hash":   {0, unsigned("", "x"), signed("x", "x"), inbox.Stored},
		"the fingerprint and not a body": {0, printed(signed("a", "x"), 1), printed(signed("a", "y"), 1), inbox.Duplicate},
		"fingerprints of the same body":  {0, printed(signed("a", "x"), 1), printed(signed("a", "x"), 2), inbox.Reuse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t, inbox.Config{Reused: test.reused})
			require.Equal(t, []inbox.Result{inbox.Stored}, put(t, in, test.first))
			require.Equal(t, []inbox.Result{test.want}, put(t, in, test.second))
			require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, in, test.first))
			if test.want == inbox.Reuse {
				require.Equal(t, []inbox.Result{inbox.Duplicate}, put(t, in, test.second), "quarantined once")
			}
		})
	}
}

func printed(e inbox.Event, b byte) inbox.Event {
	e.Fingerprint[0] = b
	return e
}

func TestWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", inbox.MaxName+1)
	for name, e := range map[string]inbox.Event{
		"no source":   {},
		"source":      {Source: long},
		"id":          {Source: "s", ID: long},
		"type":        {Source: "s", Type: long},
		"key":         {Source: "s", Key: long},
		"body":        {Source: "s", Body: make([]byte, inbox.MaxBody+1)},
		"header":      {Source: "s", Header: http.Header{"X": {strings.Repeat("x", inbox.MaxHeader)}}},
		"before 1970": {Source: "s", Received: time.Unix(-1, 0).UTC()},
		"after 9999":  {Source: "s", Received: time.Unix(1<<40, 0).UTC()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInbox(t, inbox.Config{})
			_, err := in.Put(t.Context(), event("good"), e)
			var wrong *inbox.EventError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, 1, wrong.Index)
			require.False(t, wrong.Retryable())
			require.NotContains(t, err.Error(), "xx")
			records, err := in.List(t.Context(), inbox.Filter{})
			require.NoError(t, err)
			require.Empty(t, records, "all or none")
		})
	}
}

func TestNamesAreStoredAsText(t *testing.T) {
	t.Parallel()
	in := newInbox(t, inbox.Config{})
	put(t, in, inbox.Event{Source: "s\x00", ID: "i\xff", Type: "\xc3", Key: "k\x00\x00"})
	records, err := in.List(t.Context(), inbox.Filter{})
	require.NoError(t, err)
	r := records[0]
	require.Equal(t, []string{"s\uFFFD", "i\uFFFD", "\uFFFD", "k\uFFFD\uFFFD"}, []string{r.Source, r.ID, r.Type, r.Key})
}

func TestFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{MaxBacklog: 3, Handle: func(context.Context, *inbox.Delivery) error { return nil }})
		put(t, in, event("1"), event("2"))
		_, err := in.Put(t.Context(), event("3"), event("4"))
		var full *inbox.FullError
		require.ErrorAs(t, err, &full)
		require.Equal(t, 2, full.Backlog)
		require.Positive(t, full.RetryAfter())
		require.True(t, full.Retryable())
		put(t, in, event("3"))
		_, err = in.Put(t.Context(), event("4"))
		require.ErrorAs(t, err, &full)

		stop := run(t, in)
		synctest.Wait()
		time.Sleep(time.Second)
		put(t, in, event("4"))
		stop()
		stats, err := in.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, inbox.PutCounts{Stored: 4, Refused: 3}, stats.Put)
	})
}

// What could never fit must not be refused for ever.
func TestMoreThanTheBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := inbox.NewMemory()
		in := newInbox(t, inbox.Config{Store: store, MaxBacklog: 3})
		batch := []inbox.Event{event("1"), event("2"), event("3"), event("4"), event("5")}
		put(t, in, event("0"))
		var full *inbox.FullError
		_, err := in.Put(t.Context(), batch...)
		require.ErrorAs(t, err, &full)
		require.Equal(t, 1, full.Backlog)

		stop := run(t, newInbox(t, inbox.Config{Store: store, Handle: func(context.Context, *inbox.Delivery) error { return nil }}))
		time.Sleep(time.Second)
		stop()
		require.Len(t, put(t, in, batch...), 5)
		_, err = in.Put(t.Context(), event("6"))
		require.ErrorAs(t, err, &full)
		_, err = in.Put(t.Context(), batch...)
		require.ErrorAs(t, err, &full)
	})
}

func TestDuplicatesLeaveRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		in := newInbox(t, inbox.Config{MaxBacklog: 10})
		for range 100 {
			put(t, in, event("same"))
		}
	})
}

func TestPutSaysWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	for _, op := range []storetest.Op{storetest.Put, storetest.Now} {
		store := storetest.NewFaulty(inbox.NewMemory())
		var refused error
		in := newInbox(t, inbox.Config{Store: store, Hooks: inbox.Hooks{Refused: func(err error) { refused = err }}})
		store.Fail(op, errBroken)
		_, err := in.Put(t.Context(), event("a"))
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, err, refused)
		var failed interface{ RetryAfter() time.Duration }
		require.ErrorAs(t, err, &failed)
		require.Positive(t, failed.RetryAfter())
		store.Fail(op, nil)
		require.Equal(t, []inbox.Result{inbox.Stored}, put(t, in, event("a")))
	}
}

func TestPutOfACanceledContext(t *testing.T) {
	t.Parallel()
	in := newInbox(t, inbox.Config{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBroken)
	_, err := in.Put(ctx, event("a"))
	require.ErrorIs(t, err, errBroken)
	var failed *inbox.StoreError
	require.ErrorAs(t, err, &failed)
	results, err := in.Put(ctx)
	require.NoError(t, err)
	require.Empty(t, results)
}

func TestConcurrentCopies(t *testing.T) {
	t.Parallel()
	in := newInbox(t, inbox.Config{})
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := in.Put(t.Context(), event("same")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	stats, err := in.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.PutCounts{Stored: 1, Duplicates: 999}, stats.Put)
}

func TestLogHooksKeepTheContentBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var logged bytes.Buffer
		hooks := inbox.LogHooks(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
		in := newInbox(t, inbox.Config{Hooks: hooks, Backoff: everySecond(), MaxAttempts: 2, Handle: func(_ context.Context, d *inbox.Delivery) error {
			if d.ID == "good" {
				return nil
			}
			return errBroken
		}})
		secret := func(id string) inbox.Event {
			return inbox.Event{Source: "s", ID: id, IDSigned: true, Type: "t", Key: "hush", Body: []byte("hush"), Header: http.Header{"X-Secret": {"hush"}}}
		}
		put(t, in, secret("good"), secret("bad"))
		changed := secret("bad")
		changed.Body = []byte("hush hush")
		put(t, in, changed)
		_, err := in.Put(t.Context(), inbox.Event{ID: "hush"})
		require.Error(t, err)
		stop := run(t, in)
		time.Sleep(10 * time.Second)
		stop()
		text := logged.String()
		for _, want := range []string{"webhook put", "webhook done", "webhook failed", "webhook dead", "webhook refused", "result=reuse", "error=broken", "attempt=2"} {
			require.Contains(t, text, want)
		}
		require.NotContains(t, text, "hush")
	})
}
