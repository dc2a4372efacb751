package ratelimit

import (
	"net/http"
	"sync"
	"time"
)

const (
	// maxPages is how many pages are known of a bucket.
	maxPages = 4
	// A page that has said nothing so many times in a row is looked at once in
	// pageEvery.
	maxDull   = 8
	pageEvery = time.Second
)

// pages are the bodies with which a server refuses and that say nothing about
// limits. One that is out of order sends the same page again and again, and to
// look at each of them takes longer than all else. A page is known by its status
// and its length. Another one, that says more, is seldom as long, so it is
// looked at when it comes.
type pages struct {
	mu    sync.Mutex // not that of the bucket: who holds it closes the lot
	known [maxPages]page
	next  int // to be replaced
}

type page struct {
	status int
	length int64
	dull   int           // how often it was looked at; 0 for a page that is not known
	again  time.Duration // when the next look is due, once dull is maxDull
}

// of returns the page that is the body of resp, or nil. mu is held.
func (p *pages) of(resp *http.Response) *page {
	for i := range p.known {
		if at := &p.known[i]; at.dull > 0 && at.status == resp.StatusCode && at.length == resp.ContentLength {
			return at
		}
	}
	return nil
}

// mayTell reports whether the body of resp, which refuses a call of b that was
// admitted at the time now, may say anything. Each body may whose length is not
// known before.
func (b *bucket) mayTell(resp *http.Response, now time.Duration) bool {
	p := b.pages.Load()
	if p == nil || resp.ContentLength <= 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.of(resp)
	if at == nil || at.dull < maxDull {
		return true
	}
	if now < at.again {
		return false
	}
	at.again = now + pageEvery
	return true
}

// told notes whether the body of resp, when it was looked at, has said anything.
func (b *bucket) told(resp *http.Response, now time.Duration, anything bool) {
	if resp.ContentLength <= 0 {
		return
	}
	p := b.pages.Load()
	if p == nil {
		if anything {
			return
		}
		b.pages.CompareAndSwap(nil, &pages{})
		p = b.pages.Load()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.of(resp)
	switch {
	case anything && at != nil:
		*at = page{}
	case anything:
	case at == nil:
		p.known[p.next] = page{status: resp.StatusCode, length: resp.ContentLength, dull: 1}
		p.next = (p.next + 1) % maxPages
	case at.dull < maxDull:
		at.dull++
		at.again = now + pageEvery
	}
}
