package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-go/holdfast/webhook/inbox"
)

// testModel does the same at random to the store and to an [inbox.Memory], and
// compares. The numbers of events may differ, so an event is known by its hash.
func testModel(t *testing.T, s inbox.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := &model{rng: rand.New(rand.NewPCG(seed, 1)), real: s, model: inbox.NewMemory()}
	for range 400 {
		m.step(t)
	}
	m.compare(t)
}

type model struct {
	rng    *rand.Rand
	real   inbox.Store
	model  inbox.Store
	now    int
	leased []pair // tokens of the same event in both
}

type pair struct{ real, model inbox.Token }

// event is what must be the same of a claim in both.
type event struct {
	id                        string
	print                     [32]byte
	attempt, crashes, replays int
	due                       time.Time
	fenceGrows                bool
}

func (m *model) step(t *testing.T) {
	t.Helper()
	m.now += m.rng.IntN(3)
	switch m.rng.IntN(10) {
	case 0, 1, 2:
		m.put(t)
	case 3, 4:
		m.claim(t)
	case 5, 6, 7:
		m.finish(t)
	case 8:
		m.change(t)
	case 9:
		switch m.rng.IntN(3) {
		case 0:
			m.extend(t)
		case 1:
			m.purge(t)
		default:
			m.now += m.rng.IntN(90)
		}
		m.compare(t)
	}
}

func (m *model) put(t *testing.T) {
	t.Helper()
	var entries []inbox.Entry
	for range 1 + m.rng.IntN(4) {
		id := strconv.Itoa(m.rng.IntN(60))
		e := newEntry(id)
		e.Fingerprint = hash("body", fmt.Sprint(id, m.rng.IntN(8)/7))
		if m.rng.IntN(2) == 0 {
			e.Content = hash("content", strconv.Itoa(m.rng.IntN(30)))
		}
		if m.rng.IntN(3) > 0 {
			e.Reuse = hash("reuse", string(e.Fingerprint[8:]))
		}
		if m.rng.IntN(2) == 0 {
			e.Key = strconv.Itoa(m.rng.IntN(4))
			e.Lane = hash("lane", e.Key)
		}
		entries = append(entries, e)
	}
	require.Equal(t, put(t, m.model, at(m.now), entries...), put(t, m.real, at(m.now), entries...))
}

func (m *model) claim(t *testing.T) {
	t.Helper()
	limit := 1 + m.rng.IntN(4)
	want, got := claim(t, m.model, at(m.now), limit), claim(t, m.real, at(m.now), limit)
	require.Equal(t, eventsOf(want), eventsOf(got))
	for i := range want {
		m.leased = append(m.leased, pair{got[i].Token, want[i].Token})
	}
}

func eventsOf(claims []inbox.Claim) []event {
	all := []event{}
	for _, c := range claims {
		all = append(all, event{
			c.ID, c.Fingerprint, c.Attempt, c.Crashes, c.Replays, c.Due.UTC(), c.Fence >= int64(c.Attempt),
		})
	}
	return all
}

func (m *model) finish(t *testing.T) {
	t.Helper()
	if len(m.leased) == 0 {
		return
	}
	i := m.rng.IntN(len(m.leased))
	p := m.leased[i]
	if m.rng.IntN(8) > 0 {
		m.leased = slices.Delete(m.leased, i, i+1)
	}
	o := inbox.Outcome{
		State:     []inbox.State{inbox.Done, inbox.Done, inbox.Dead, inbox.Pending}[m.rng.IntN(4)],
		Due:       at(m.now + m.rng.IntN(20)),
		Hold:      m.rng.IntN(2) == 0,
		GivenBack: m.rng.IntN(4) == 0,
		Reason:    strconv.Itoa(m.rng.IntN(9)),
	}
	require.Equal(t, m.model.Finish(t.Context(), at(m.now), p.model, o), m.real.Finish(t.Context(), at(m.now), p.real, o))
}

func (m *model) extend(t *testing.T) {
	t.Helper()
	var own, mod []inbox.Token
	for _, p := range m.leased {
		own, mod = append(own, p.real), append(mod, p.model)
	}
	until := at(m.now + 60)
	want, err := m.model.Extend(t.Context(), mod, until)
	require.NoError(t, err)
	got, err := m.real.Extend(t.Context(), own, until)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	m.leased = slices.DeleteFunc(m.leased, func(p pair) bool {
		gone := slices.Contains(want, p.model)
		require.Equal(t, gone, slices.Contains(got, p.real))
		return gone
	})
}

// change replays or discards some events.
func (m *model) change(t *testing.T) {
	t.Helper()
	f := inbox.Filter{Limit: 100, State: inbox.Done + inbox.State(m.rng.IntN(4))}
	want, err := m.model.List(t.Context(), f)
	require.NoError(t, err)
	got, err := m.real.List(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	var own, mod []int64
	for i := range want {
		if m.rng.IntN(4) == 0 {
			own, mod = append(own, got[i].Seq), append(mod, want[i].Seq)
		}
	}
	discard := m.rng.IntN(3) == 0
	do := func(s inbox.Store, seqs []int64) int {
		op := s.Replay
		if discard {
			op = s.Discard
		}
		n, err := op(t.Context(), at(m.now), seqs)
		require.NoError(t, err)
		return n
	}
	require.Equal(t, do(m.model, mod), do(m.real, own))
}

func (m *model) purge(t *testing.T) {
	t.Helper()
	done, dead := at(m.now-m.rng.IntN(100)), at(m.now-m.rng.IntN(100))
	// With a limit it would be left to the store which ones go.
	want, err := m.model.Purge(t.Context(), done, dead, 1000)
	require.NoError(t, err)
	got, err := m.real.Purge(t.Context(), done, dead, 1000)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// compare looks at all events and counts.
func (m *model) compare(t *testing.T) {
	t.Helper()
	list := func(s inbox.Store) []inbox.Record {
		records, err := s.List(t.Context(), inbox.Filter{Limit: 1000, Content: true})
		require.NoError(t, err)
		for i := range records {
			r := &records[i]
			r.Seq, r.Header = 0, nil
			r.Received, r.Due, r.Ended = r.Received.UTC(), r.Due.UTC(), r.Ended.UTC()
			if r.State == inbox.Waiting {
				r.Due = time.Time{}
			}
		}
		return records
	}
	require.Equal(t, list(m.model), list(m.real))
	stats := func(s inbox.Store) inbox.Stats {
		got, err := s.Stats(t.Context())
		require.NoError(t, err)
		got.Oldest = got.Oldest.UTC()
		return got
	}
	require.Equal(t, stats(m.model), stats(m.real))
	want, err := m.model.Backlog(t.Context(), 1000)
	require.NoError(t, err)
	got, err := m.real.Backlog(t.Context(), 1000)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
