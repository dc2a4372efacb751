package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-go/holdfast/internal/httpx"
)

const (
	maxRedirects = 3
	firstBackoff = time.Second // after a failed fetch; doubled after each further one
)

// fetch fetches the set, keeps it if it is good, and ends the flight.
func (j *JWKS) fetch(ctx context.Context, f *flight) {
	began := time.Now()
	keys, ignored, err := j.load(ctx)
	result := Fetch{Keys: len(keys), Ignored: ignored, Took: time.Since(began), Err: err}
	j.fetches.Add(1)
	if err != nil {
		j.failures.Add(1)
	}
	j.land(began, keys, err)
	close(f.done)
	if j.config.Hooks.Fetched != nil {
		j.config.Hooks.Fetched(result)
	}
}

// land notes what a fetch has brought.
func (j *JWKS) land(began time.Time, keys KeySet, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.flight, j.err = nil, err
	if err != nil {
		backoff := firstBackoff << min(j.failed, 20)
		j.notBefore = time.Now().Add(min(backoff, j.config.MinInterval))
		j.failed++
		return
	}
	j.set, j.fetched, j.failed = keys, began, 0
	j.notBefore = began.Add(j.config.MinInterval)
}

// load sends the request and reads the set. A panic of the client becomes an
// error: it is on nobody's goroutine, and everybody waits for this one.
func (j *JWKS) load(ctx context.Context) (keys KeySet, ignored int, err error) {
	defer func() {
		if p := recover(); p != nil {
			keys, ignored, err = nil, 0, fmt.Errorf("fetch from %s: the client panicked", j.origin)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, j.config.Timeout)
	defer cancel()
	data, err := j.get(ctx)
	if err != nil {
		// The error of the client quotes the URL, and the query of one may
		// hold a key.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return nil, 0, fmt.Errorf("fetch from %s: %w", j.origin, err)
	}
	keys, ignored, err = ParseKeySet(data)
	if err == nil && len(keys) == 0 {
		err = errors.New("the key set has no key that can verify signatures")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("fetch from %s: %w", j.origin, err)
	}
	return keys, ignored, nil
}

// get returns the body of the answer.
func (j *JWKS) get(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.config.URL, http.NoBody) // #nosec G704 -- the URL is the configured one
	if err != nil {
		return nil, errors.New("the URL cannot be requested")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := j.client.Do(req) //nolint:bodyclose,gosec // Discard closes it; the URL is the configured one
	if err != nil {
		return nil, err
	}
	defer httpx.Discard(resp)
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	case resp.ContentLength > maxSetBytes:
		return nil, fmt.Errorf("the answer has %d bytes, more than %d", resp.ContentLength, maxSetBytes)
	}
	// One byte more than may be shows that there are too many, and so does the
	// parser then. The bytes are counted as unpacked.
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxSetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return data, nil
}

// safeClient returns a copy of c that follows no redirect to http. The keys are
// as good as the weakest hop on the way to them.
func safeClient(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{}
	}
	safe := *c
	safe.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
			return errors.New("redirect to an origin that is not https")
		case c.CheckRedirect != nil:
			return c.CheckRedirect(req, via)
		case len(via) > maxRedirects:
			return errors.New("too many redirects")
		}
		return nil
	}
	return &safe
}
