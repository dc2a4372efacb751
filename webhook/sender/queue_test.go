package sender_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/internal/rttest"
	"github.com/holdfast-go/holdfast/webhook/sender"
)

func TestEnqueueRefuses(t *testing.T) {
	t.Parallel()
	c := steady(rttest.NewScript())
	c.MaxBody = 10
	s := newSender(t, c)
	ok := sender.Message{Endpoint: "a", ID: "fine"}
	for name, m := range map[string]sender.Message{
		"no endpoint":  {},
		"endpoint":     {Endpoint: "a b"},
		"dot in ID":    {Endpoint: "a", ID: "evt.1700000000"},
		"CRLF in ID":   {Endpoint: "a", ID: "x\r\nAuthorization: y"},
		"long ID":      {Endpoint: "a", ID: strings.Repeat("x", 129)},
		"not ASCII":    {Endpoint: "ä"},
		"slash":        {Endpoint: "https://a"},
		"CRLF in type": {Endpoint: "a", ContentType: "text/plain\r\nX: y"},
		"blank type":   {Endpoint: "a", ContentType: " "},
		"body":         {Endpoint: "a", Body: make([]byte, 11)},
	} {
		_, err := s.Enqueue(t.Context(), ok, m)
		var wrong *sender.MessageError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, 1, wrong.Index)
		require.False(t, wrong.Retryable())
	}
	require.Empty(t, records(t, s, sender.Filter{}), "all or none")
	ids, err := s.Enqueue(t.Context())
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestEnqueueTwice(t *testing.T) {
	t.Parallel()
	s := newSender(t, steady(rttest.NewScript()))
	body := []byte("1")
	ids := enqueue(t, s, sender.Message{Endpoint: "a", ID: "x", Body: body}, sender.Message{Endpoint: "a", ID: "x", Body: []byte("2")}, sender.Message{Endpoint: "b", ID: "x"}, sender.Message{Endpoint: "a"})
	body[0] = '9'
	require.Equal(t, []string{"x", "x", "x"}, ids[:3])
	require.Regexp(t, `^msg_[A-Z2-7]{26}$`, ids[3])
	enqueue(t, s, sender.Message{Endpoint: "a", ID: "x", Body: []byte("3")})
	all := records(t, s, sender.Filter{Content: true})
	require.Len(t, all, 3)
	require.Equal(t, "1", string(all[0].Body))
	require.Len(t, records(t, s, sender.Filter{Endpoint: "a"}), 2)
	require.Len(t, records(t, s, sender.Filter{ID: "x"}), 2)
	require.Len(t, records(t, s, sender.Filter{After: all[0].Seq, Limit: 1}), 1)
	require.Nil(t, records(t, s, sender.Filter{})[0].Body)
	require.Empty(t, records(t, s, sender.Filter{State: sender.Dead}))
}

// outbox is a TxStore whose transactions are a list of what they will do.
type outbox struct {
	sender.Store
	put func() error
}

func (o *outbox) PutTx(ctx context.Context, _ *sql.Tx, now time.Time, messages []sender.Message) (int, error) {
	o.put = func() error {
		_, err := o.Put(ctx, now, messages)
		return err
	}
	return len(messages), nil
}

func TestEnqueueTx(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript()
		c := steady(script)
		_, err := newSender(t, c).EnqueueTx(t.Context(), nil, sender.Message{Endpoint: "a"})
		require.ErrorIs(t, err, sender.ErrNoTx)

		store := &outbox{Store: c.Store}
		c.Store = store
		s := newSender(t, c)
		stop := run(t, s)
		_, err = s.EnqueueTx(t.Context(), nil, sender.Message{Endpoint: "a", ID: "evt.1"})
		require.Error(t, err)
		ids, err := s.EnqueueTx(t.Context(), nil, sender.Message{Endpoint: "a"})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Empty(t, script.Calls(), "not before the commit")
		require.NoError(t, store.put())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, ids[0], script.Calls()[0].Header.Get("Webhook-Id"))
		stop()
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := rttest.NewScript(rttest.Step{Status: 400})
		c := steady(script)
		c.MaxAttempts = -1
		s := newSender(t, c)
		for i := range 250 {
			enqueue(t, s, sender.Message{Endpoint: fmt.Sprint("e", i%5), ID: fmt.Sprint("m", i)})
		}
		stop := run(t, s)
		synctest.Wait()
		require.EqualValues(t, 250, stats(t, s).Dead)
		n, err := s.Replay(t.Context(), sender.Filter{Endpoint: "e0", Limit: 7})
		require.NoError(t, err)
		require.Equal(t, 7, n)
		synctest.Wait()
		require.Len(t, script.Calls(), 257)
		n, err = s.Replay(t.Context(), sender.Filter{})
		require.NoError(t, err)
		require.Equal(t, 250, n)
		synctest.Wait()
		require.Len(t, script.Calls(), 507)
		n, err = s.Replay(t.Context(), sender.Filter{State: sender.Pending})
		require.NoError(t, err)
		require.Zero(t, n)
		stop()
	})
}

func TestKeep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.NewScript())
		c.Keep = time.Hour
		s := newSender(t, c)
		_, err := s.Disable(t.Context(), "gone", "by hand")
		require.NoError(t, err)
		enqueue(t, s, sender.Message{Endpoint: "a"}, sender.Message{Endpoint: "gone"})
		stop := run(t, s)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		require.Len(t, records(t, s, sender.Filter{}), 2)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Empty(t, records(t, s, sender.Filter{}))
		require.Equal(t, sender.Disabled, health(t, s, "gone").State(time.Now()))
		stop()
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := steady(rttest.NewScript())
		c.Store = sender.NewMemory(10)
		s := newSender(t, c)
		for i := range 10 {
			enqueue(t, s, sender.Message{Endpoint: "a", ID: strconv.Itoa(i)})
		}
		enqueue(t, s, sender.Message{Endpoint: "a", ID: "0"}) // no new one
		_, err := s.Enqueue(t.Context(), sender.Message{Endpoint: "a"})
		var full *sender.FullError
		require.ErrorAs(t, err, &full)
		require.Equal(t, 10, full.Messages)
		require.True(t, full.Retryable())
		stop := run(t, s)
		synctest.Wait()
		enqueue(t, s, sender.Message{Endpoint: "b"}, sender.Message{Endpoint: "a", ID: "0"})
		synctest.Wait()
		stop()
		all := records(t, s, sender.Filter{})
		require.Len(t, all, 10)
		require.Equal(t, "1", all[0].ID, "the oldest has gone")
		require.Equal(t, "b", all[9].Endpoint)
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := sender.New(sender.Config{})
	require.ErrorContains(t, err, "Config.Store")
	require.ErrorContains(t, err, "Config.Endpoint")
	_, err = sender.New(sender.Config{
		MaxAttempts: 1001, Timeout: -1, Workers: -1, PerEndpoint: 20_000, Drain: 200 * 365 * 24 * time.Hour, Poll: -1,
		DisableAfter: 200 * 365 * 24 * time.Hour, DisableFailures: -1, Keep: 200 * 365 * 24 * time.Hour, MaxBody: -1, UserAgent: "a\r\nb",
	})
	for _, field := range []string{"MaxAttempts", "Timeout", "Workers", "PerEndpoint", "Drain", "Poll", "DisableAfter", "DisableFailures", "Keep", "MaxBody", "UserAgent"} {
		require.ErrorContains(t, err, "sender: Config."+field+" ")
	}
	_, err = sender.New(sender.Config{Store: sender.NewMemory(0), Endpoint: lookup})
	require.NoError(t, err, "the rest has defaults")
}

func TestLogHooks(t *testing.T) {
	t.Parallel()
	require.NotNil(t, sender.LogHooks(nil).Delivered)
	var log strings.Builder
	h := sender.LogHooks(rttest.NewLogger(&log))
	a := sender.Attempt{
		Message: sender.Message{Endpoint: "a", ID: "evt_1", Body: []byte("private")}, Number: 2,
		Duration: time.Second, Next: time.Unix(1_700_000_000, 0),
	}
	h.Delivered(a)
	a.Err, a.Status = &sender.DeliveryError{Endpoint: "a", ID: "evt_1", Attempt: 2, Origin: "https://x.example.com", Err: &sender.StatusError{Status: 500}}, 500
	h.Retry(a)
	a.Err, a.Status = &sender.DeliveryError{Endpoint: "a", ID: "evt_1", Attempt: 2, Err: &sender.BlockedError{To: netip.MustParseAddrPort("10.0.0.1:443"), Reason: "private use (RFC 1918)"}}, 0
	h.Dead(a)
	a.Err = sender.ErrStale
	h.Lost(a)
	h.Disabled(sender.Health{Endpoint: "a", Failures: 10, FailingSince: time.Unix(1_600_000_000, 0), Reason: "it has answered 410 Gone"})
	h.StoreFailed(&sender.StoreError{Op: "claim", Err: errBroken})
	require.Equal(t, `level=DEBUG msg="webhook delivered" endpoint=a id=evt_1 attempt=2 bytes=7 duration=1s
level=INFO msg="webhook not delivered" endpoint=a id=evt_1 attempt=2 bytes=7 duration=1s status=500 error="sender: message evt_1 to a (https://x.example.com), attempt 2: sender: status 500" next=2023-11-14T22:13:20.000Z
level=ERROR msg="webhook dead" endpoint=a id=evt_1 attempt=2 bytes=7 duration=1s error="sender: message evt_1 to a, attempt 2: sender: the address is blocked: private use (RFC 1918)" address=10.0.0.1:443
level=WARN msg="webhook lost" endpoint=a id=evt_1 attempt=2 bytes=7 duration=1s error="sender: the lease was lost"
level=ERROR msg="webhook endpoint disabled" endpoint=a reason="it has answered 410 Gone" failures=10 failing_since=2020-09-13T12:26:40.000Z
level=ERROR msg="webhook store failed" op=claim error=broken
`, log.String())
}

func TestNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "unknown pending leased done dead unknown", fmt.Sprint(sender.State(0), sender.Pending, sender.Leased, sender.Done, sender.Dead, sender.State(9)))
	require.Equal(t, "active failing paused disabled unknown", fmt.Sprint(sender.Active, sender.Failing, sender.Paused, sender.Disabled, sender.EndpointState(-1)))
}
