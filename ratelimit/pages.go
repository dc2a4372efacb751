package ratelimit

import (
	"net/http"
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
	known [maxPages]page
	next  int // to be replaced
}

type page struct {
	status int
	length int64
	dull   int           // how often it was looked at; 0 for a page that is not known
	again  time.Duration // when the next look is due, once dull is maxDull
}

// of returns the page that is the body of resp, or nil.
func (p *pages) of(resp *http.Response) *page {
	for i := range p.known {
		if at := &p.known[i]; at.dull > 0 && at.status == resp.StatusCode && at.length == resp.ContentLength {
			return at
		}
	}
	return nil
}

// mayTell reports whether the body of resp, which refuses a call of b, may say
// anything. Each body may whose length is not known before.
func (b *bucket) mayTell(resp *http.Response) bool {
	if resp.ContentLength <= 0 {
		return true
	}
	now := b.lockAt(0) // when a call came last, no earlier than this one
	defer b.mu.Unlock()
	if b.pages == nil {
		return true
	}
	at := b.pages.of(resp)
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
func (b *bucket) told(resp *http.Response, anything bool) {
	if resp.ContentLength <= 0 {
		return
	}
	now := b.lockAt(0) // when a call came last, no earlier than this one
	defer b.mu.Unlock()
	if b.pages == nil {
		if anything {
			return
		}
		b.own().pages = &pages{}
	}
	p := b.pages
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
