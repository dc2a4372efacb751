package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/auth"
)

var (
	// ErrNotFound is what a [Store] returns for a key that it has no record of.
	ErrNotFound = errors.New("oauth: there is no such record")
	// ErrConflict is what a [Store] returns when the record to be replaced is
	// not the one that is there.
	ErrConflict = errors.New("oauth: the record was changed by another")
)

// Store keeps the tokens of logins, each under the key of its family: all that
// have come of one login. It is safe for concurrent use, by processes too if it
// is to be shared.
//
// A server that rotates refresh tokens takes the second use of one for a theft
// and ends the login. So a Store that several processes share should be a
// [Locker] too: without, they may use the same one at the same time.
type Store interface {
	// Load returns the record of the key, or ErrNotFound.
	Load(ctx context.Context, key string) (Record, error)
	// Save replaces the record whose Version is r.Version, "" being none, and
	// returns the new version. If there is another one it changes nothing and
	// returns ErrConflict. When it returns nil, the record outlives a crash.
	Save(ctx context.Context, key string, r Record) (version string, err error)
}

// Locker is a [Store] with a lock for each key.
type Locker interface {
	// Lock waits until the caller has the lock of the key, or ctx ends. It needs
	// the lock for the time d at most: a lock that does not end with its holder
	// ends after that. unlock is called once.
	Lock(ctx context.Context, key string, d time.Duration) (unlock func(), err error)
}

// Record is what a [Store] keeps.
type Record struct {
	// Token has the refresh token, and the access token that came with it. It is
	// not changed.
	Token *auth.Token
	// Version is the Store's name for this state of the record. It differs from
	// that of any state before.
	Version string
}

// is reports whether t is the record's token, perhaps as another store has
// written it down.
func (r Record) is(t *auth.Token) bool {
	return r.Token != nil && r.Token.AccessToken.Equal(t.AccessToken)
}

// stored is the form of a token in a store.
type stored struct {
	Access  string                     `json:"access_token"`
	Type    string                     `json:"token_type,omitempty"`
	Refresh string                     `json:"refresh_token,omitempty"`
	Scopes  []string                   `json:"scopes,omitempty"`
	Issued  time.Time                  `json:"issued,omitzero"`
	Expiry  time.Time                  `json:"expiry,omitzero"`
	Extra   map[string]json.RawMessage `json:"extra,omitempty"`
}

// EncodeToken returns t for a [Store] to write down, in clear: whoever reads it
// can use the token. Times are those of the local clock.
func EncodeToken(t *auth.Token) ([]byte, error) {
	if t == nil || t.AccessToken.IsZero() {
		return nil, errors.New("oauth: there is no token to store")
	}
	s := stored{
		Access:  t.AccessToken.Reveal(),
		Type:    t.Type,
		Refresh: t.RefreshToken.Reveal(),
		Scopes:  t.Scopes,
		Issued:  t.Issued,
		Expiry:  t.Expiry,
		Extra:   make(map[string]json.RawMessage, len(t.Extra)),
	}
	for name, raw := range t.Extra {
		if json.Valid([]byte(raw.Reveal())) {
			s.Extra[name] = json.RawMessage(raw.Reveal())
		}
	}
	return json.Marshal(s) // #nosec G117 -- that is what it is for
}

// DecodeToken is the opposite of [EncodeToken]. Its errors have nothing of the
// data.
func DecodeToken(data []byte) (*auth.Token, error) {
	if _, err := parseObject(data); err != nil {
		return nil, fmt.Errorf("oauth: stored token: %w", err)
	}
	var s stored
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, errors.New("oauth: stored token: it has a member of the wrong type")
	}
	if s.Access == "" || !visible(s.Access, '!') || !visible(s.Refresh, ' ') {
		return nil, errors.New("oauth: stored token: it has no tokens that can be sent")
	}
	t := &auth.Token{
		AccessToken:  auth.NewSecret(s.Access),
		Type:         s.Type,
		RefreshToken: auth.NewSecret(s.Refresh),
		Scopes:       s.Scopes,
		Issued:       s.Issued,
		Expiry:       s.Expiry,
	}
	for name, raw := range s.Extra {
		if t.Extra == nil {
			t.Extra = make(map[string]auth.Secret, len(s.Extra))
		}
		t.Extra[name] = auth.NewSecret(string(raw))
	}
	return t, nil
}

// MemoryStore is a [Store] and [Locker] in memory, for tests and for programs
// that log in each time that they start. The zero value is empty. It is as large
// as the number of keys that were used.
type MemoryStore struct {
	mu      sync.Mutex
	records map[string]Record
	locks   map[string]chan struct{}
	count   int
}

// Load returns the record of the key, or ErrNotFound.
func (m *MemoryStore) Load(_ context.Context, key string) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	if !ok {
		return Record{}, ErrNotFound
	}
	return r, nil
}

// Save replaces the record, or returns ErrConflict.
func (m *MemoryStore) Save(_ context.Context, key string, r Record) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records[key].Version != r.Version {
		return "", ErrConflict
	}
	if m.records == nil {
		m.records = make(map[string]Record)
	}
	m.count++
	r.Version = strconv.Itoa(m.count)
	r.Token = r.Token.Clone()
	m.records[key] = r
	return r.Version, nil
}

// Lock waits for the lock of the key.
func (m *MemoryStore) Lock(ctx context.Context, key string, _ time.Duration) (func(), error) {
	m.mu.Lock()
	if m.locks == nil {
		m.locks = make(map[string]chan struct{})
	}
	lock, ok := m.locks[key]
	if !ok {
		lock = make(chan struct{}, 1)
		m.locks[key] = lock
	}
	m.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
