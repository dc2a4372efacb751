package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

// ErrPlain is what a request without TLS fails with. Nothing of it was sent.
var ErrPlain = errors.New("mtls: the URL is not https")

// sessions is how many servers' TLS sessions a generation keeps.
const sessions = 64

// Transport is an http.RoundTripper with a client certificate that is replaced
// while it is in use. Make one with [New]. It is safe for concurrent use.
type Transport struct {
	load  func(context.Context) (Material, error)
	every time.Duration
	base  *http.Transport
	pins  map[string]bool
	hooks Hooks

	turn chan struct{} // holds a token while the material is being looked at

	mu      sync.Mutex
	current *generation
	old     []*generation // retired, and perhaps with connections left
	checked time.Time     // when the material was last looked at
	err     error         // of the last look
}

// generation is what goes with one certificate: its connections and sessions.
type generation struct {
	number    int
	hash      [sha256.Size]byte
	notAfter  time.Time
	transport *http.Transport

	// Guarded by the mutex of the Transport.
	requests int  // on their way, until their response's body ends
	retired  bool // another generation has taken over
}

// New checks c, loads the certificate for the first time, and makes a Transport
// of it. Its error joins one error for each value that is wrong, or says why the
// certificate cannot be used.
func New(c Config) (*Transport, error) {
	pins, err := checkPins(c.Pins)
	if err := errors.Join(c.check(), err); err != nil {
		return nil, err
	}
	t := &Transport{load: c.Load, every: c.CheckEvery, pins: pins, hooks: c.Hooks, turn: make(chan struct{}, 1)}
	if t.load == nil {
		t.load = fromFiles(c.CertFile, c.KeyFile, c.RootsFile)
	}
	if t.every == 0 {
		t.every = DefaultCheckEvery
	}
	t.base = baseTransport(c.Base)
	if err := t.Reload(context.Background()); err != nil {
		return nil, err
	}
	return t, nil
}

// baseTransport returns a private copy of what the generations are cloned from.
func baseTransport(base *http.Transport) *http.Transport {
	if base == nil {
		var ok bool
		if base, ok = http.DefaultTransport.(*http.Transport); !ok || checkBase(base) != nil {
			// The program has put something else there.
			base = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second}
		}
	}
	base = base.Clone()
	if base.TLSClientConfig == nil {
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return base
}

// RoundTrip sends req over a connection of the present certificate. If it is
// time, it looks first whether there is a new one; requests that come meanwhile
// do not wait for that. A request without TLS fails with [ErrPlain].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := false
	defer func() {
		// Also when a hook panics.
		if !sent {
			httpx.Reject(req)
		}
	}()
	if req.URL == nil || req.URL.Scheme != "https" {
		return nil, ErrPlain
	}
	t.poll(req.Context())
	if req.Context().Err() != nil {
		return nil, context.Cause(req.Context())
	}
	u := &use{transport: t, generation: t.acquire()}
	sent = true
	resp, err := u.generation.transport.RoundTrip(req)
	if err != nil {
		u.End(err)
		return nil, err
	}
	httpx.Watch(resp, u)
	return resp, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	current := t.current
	t.mu.Unlock()
	current.transport.CloseIdleConnections()
}

// Reload looks at the certificate and the roots now, and uses them if they are
// new. It waits for another look that is under way. The error says why they
// could not be used; the old ones are then still in use.
func (t *Transport) Reload(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	return t.look(ctx)
}

// poll looks if it is time and nobody else does.
func (t *Transport) poll(ctx context.Context) {
	t.mu.Lock()
	due := time.Since(t.checked) >= t.every
	t.mu.Unlock()
	if !due {
		return
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
		// The hook and the snapshot have the error; this request goes on with
		// what there is.
		_ = t.look(ctx)
	default:
	}
}

// look loads the material and, if it is new and good, begins a generation.
func (t *Transport) look(ctx context.Context) error {
	t.sweep()
	now := time.Now()
	t.mu.Lock()
	t.checked = now
	t.mu.Unlock()
	next, err := t.next(ctx, now)
	if err != nil && ctx.Err() != nil {
		// The caller has gone: the next one looks again.
		t.mu.Lock()
		t.checked = time.Time{}
		t.mu.Unlock()
		return context.Cause(ctx)
	}
	t.mu.Lock()
	t.err = err
	t.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("mtls: load: %w", err)
		if t.hooks.Failed != nil {
			t.hooks.Failed(err)
		}
		return err
	}
	if next != nil {
		t.swap(next)
		if t.hooks.Rotated != nil {
			t.hooks.Rotated(Rotation{Generation: next.number, NotAfter: next.notAfter})
		}
	}
	return nil
}

// next returns the generation of the material, nil if it is the present one's.
func (t *Transport) next(ctx context.Context, now time.Time) (*generation, error) {
	m, err := t.load(ctx)
	if err != nil {
		return nil, err
	}
	next := &generation{number: 1, hash: m.hash()}
	if t.current != nil { // only changed by who has the turn
		if t.current.hash == next.hash {
			return nil, nil // nothing new and nothing wrong
		}
		next.number = t.current.number + 1
	}
	cert, err := m.certificate(now)
	if err != nil {
		return nil, err
	}
	roots, err := m.roots()
	if err != nil {
		return nil, err
	}
	next.notAfter = cert.Leaf.NotAfter
	next.transport = t.base.Clone()
	c := next.transport.TLSClientConfig
	// The server's wishes would else keep a certificate back without a word.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	if roots != nil {
		c.RootCAs = roots
	}
	// A session is bound to the certificate that it began with.
	c.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	c.VerifyConnection = verifyPins(t.pins, c.VerifyConnection)
	return next, nil
}

// swap makes next the present generation and retires the one before.
func (t *Transport) swap(next *generation) {
	t.mu.Lock()
	old := t.current
	t.current = next
	if old != nil {
		old.retired = true
		t.old = append(t.old, old)
	}
	t.mu.Unlock()
	if old != nil {
		old.transport.CloseIdleConnections()
	}
}

// sweep closes what retired generations have left. An HTTP/2 connection is not
// idle yet when the last body on it has ended, so that is tried once more here.
func (t *Transport) sweep() {
	t.mu.Lock()
	var idle []*generation
	t.old = slices.DeleteFunc(t.old, func(g *generation) bool {
		if g.requests > 0 {
			return false
		}
		idle = append(idle, g)
		return true
	})
	t.mu.Unlock()
	for _, g := range idle {
		g.transport.CloseIdleConnections()
	}
}

func (t *Transport) acquire() *generation {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.requests++
	return t.current
}

// use is a request that uses a generation.
type use struct {
	transport  *Transport
	generation *generation
}

// End lets go of the generation. The last request of a retired one closes its
// connections.
func (u *use) End(error) {
	u.transport.mu.Lock()
	u.generation.requests--
	last := u.generation.retired && u.generation.requests == 0
	u.transport.mu.Unlock()
	if last {
		u.generation.transport.CloseIdleConnections()
	}
}

// Snapshot is the state of a [Transport].
type Snapshot struct {
	// Generation counts the certificates and roots that were in use, from 1.
	Generation int
	// NotAfter is when the present certificate expires. It is in use until
	// there is another, whatever the time.
	NotAfter time.Time
	// Checked is when the files were last looked at.
	Checked time.Time
	// Err says why what was found then could not be used; nil if it could.
	Err error
	// Requests is how many are on their way over the present generation, those
	// whose response's body has not ended included.
	Requests int
}

// Snapshot returns the state.
func (t *Transport) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Snapshot{
		Generation: t.current.number, NotAfter: t.current.notAfter,
		Checked: t.checked, Err: t.err, Requests: t.current.requests,
	}
}
