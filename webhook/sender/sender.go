package sender

import (
	"cmp"
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// Sender delivers messages to endpoints. It is safe for concurrent use.
//
// Most programs have one, call [Sender.Enqueue] or [Sender.EnqueueTx] where
// something happens that others want to know, and [Sender.Run] beside their
// server. Several programs can share a Store.
type Sender struct {
	config  Config // with defaults filled in
	wake    chan struct{}
	running atomic.Bool

	delivered, failed, blocked, givenBack, lost atomic.Int64
}

// New checks c and makes a Sender of it. Its error joins one error for each
// field that is wrong. It does not ask the store for anything.
func New(c Config) (*Sender, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	return &Sender{config: c, wake: make(chan struct{}, 1)}, nil
}

// CheckEndpoint says whether deliveries to an endpoint can succeed: whether its
// URL is one that the Guard takes, and its keys are. Its error is a [*URLError],
// a [*BlockedError], or says which key is wrong; it quotes nothing. The name in
// the URL is not resolved.
func (s *Sender) CheckEndpoint(e Endpoint) error {
	if _, err := s.config.Guard.CheckURL(e.URL); err != nil {
		return err
	}
	_, err := parseKeys(e.Keys, time.Now())
	return err
}

// Enqueue stores messages, all of them or none, and returns their IDs. When its
// error is nil they are durable and will be delivered at least once, in no
// particular order. A message whose Endpoint and ID are stored already is left
// as it is, so that to enqueue again does no harm. One for a disabled endpoint
// waits until that is enabled.
//
// Its error is a [*MessageError], a [*FullError] or a [*StoreError].
func (s *Sender) Enqueue(ctx context.Context, messages ...Message) ([]string, error) {
	ids, fresh, err := s.enqueue(ctx, messages, s.config.Store.Put)
	if fresh > 0 {
		s.Wake()
	}
	return ids, err
}

// EnqueueTx is Enqueue in a transaction of the caller's, for a Store that is a
// [TxStore]: the messages are sent if it is committed, and only then. Run finds
// them at its next poll; call [Sender.Wake] after the commit to spare them the
// wait. It returns [ErrNoTx] for any other Store.
func (s *Sender) EnqueueTx(ctx context.Context, tx *sql.Tx, messages ...Message) ([]string, error) {
	store, ok := s.config.Store.(TxStore)
	if !ok {
		return nil, ErrNoTx
	}
	ids, _, err := s.enqueue(ctx, messages, func(ctx context.Context, now time.Time, messages []Message) (int, error) {
		return store.PutTx(ctx, tx, now, messages)
	})
	return ids, err
}

// enqueue returns the IDs, and how many messages are new.
func (s *Sender) enqueue(ctx context.Context, messages []Message, put func(context.Context, time.Time, []Message) (int, error)) (ids []string, fresh int, err error) {
	if len(messages) == 0 {
		return nil, 0, nil
	}
	ids = make([]string, len(messages))
	filled := make([]Message, len(messages))
	for i, m := range messages {
		m.ContentType = cmp.Or(m.ContentType, defaultContentType)
		if m.ID == "" {
			m.ID = newID()
		}
		if reason := m.check(s.config.MaxBody); reason != "" {
			return nil, 0, &MessageError{Index: i, Reason: reason}
		}
		ids[i], filled[i] = m.ID, m
	}
	if fresh, err = put(ctx, time.Now(), filled); err != nil {
		return nil, 0, storeError(ctx, "put", err)
	}
	return ids, fresh, nil
}

// Wake makes [Sender.Run] look for messages now and not only at the next poll.
// Enqueue calls it; it is for programs that have committed what EnqueueTx has
// put, or hear that others have put something. It never blocks.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// Disable keeps messages from an endpoint until [Sender.Enable]; attempts that
// are under way go on. It reports whether the endpoint was enabled before. The
// reason is stored.
func (s *Sender) Disable(ctx context.Context, endpoint, reason string) (bool, error) {
	changed, err := s.config.Store.Disable(ctx, time.Now(), endpoint, cut(reason))
	if err != nil {
		return false, storeError(ctx, "disable", err)
	}
	return changed, nil
}

// Enable lets messages to an endpoint again, those first that have waited, and
// forgets its failures and its pause. It reports whether the endpoint was
// disabled. What is Dead stays so: see [Sender.Replay].
func (s *Sender) Enable(ctx context.Context, endpoint string) (bool, error) {
	changed, err := s.config.Store.Enable(ctx, endpoint)
	if err != nil {
		return false, storeError(ctx, "enable", err)
	}
	s.Wake()
	return changed, nil
}

// Health returns what is known of an endpoint.
func (s *Sender) Health(ctx context.Context, endpoint string) (Health, error) {
	h, err := s.config.Store.Health(ctx, endpoint)
	if err != nil {
		return Health{}, storeError(ctx, "health", err)
	}
	return h, nil
}

// List returns the messages that fit, in the order in which they were stored.
func (s *Sender) List(ctx context.Context, f Filter) ([]Record, error) {
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	records, err := s.config.Store.List(ctx, f)
	if err != nil {
		return nil, storeError(ctx, "list", err)
	}
	return records, nil
}

// Replay has messages delivered again, under the IDs that they have, and returns
// how many: those that fit f and are Dead or Done. A State of 0 means Dead; a
// Limit of 0 means all that there are. It changes them page by page: when it
// returns an error some may be changed.
func (s *Sender) Replay(ctx context.Context, f Filter) (int, error) {
	f.State = cmp.Or(f.State, Dead)
	f.Content = false
	limit, total := f.Limit, 0
	for seen := 0; limit <= 0 || seen < limit; {
		f.Limit = DefaultLimit
		if limit > 0 {
			f.Limit = min(DefaultLimit, limit-seen)
		}
		records, err := s.List(ctx, f)
		if err != nil {
			return total, err
		}
		if len(records) == 0 {
			break
		}
		seqs := make([]int64, len(records))
		for i := range records {
			seqs[i] = records[i].Seq
		}
		n, err := s.config.Store.Replay(ctx, time.Now(), seqs)
		if err != nil {
			return total, storeError(ctx, "replay", err)
		}
		total += n
		seen += len(records)
		f.After = seqs[len(seqs)-1]
		s.Wake()
	}
	return total, nil
}

// Stats counts what is in the store, and what this Sender has done.
func (s *Sender) Stats(ctx context.Context) (Stats, error) {
	stats, err := s.config.Store.Stats(ctx)
	if err != nil {
		return Stats{}, storeError(ctx, "stats", err)
	}
	stats.Sent = SentCounts{
		Delivered: s.delivered.Load(), Failed: s.failed.Load(), Blocked: s.blocked.Load(),
		GivenBack: s.givenBack.Load(), Lost: s.lost.Load(),
	}
	return stats, nil
}
